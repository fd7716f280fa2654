"""Rules and dashboards in real Prometheus programs, which `make monitoring-tests` installs."""
