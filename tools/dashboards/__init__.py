"""Grafana's dashboards: made here, committed as JSON, used by the compose file and the chart."""
