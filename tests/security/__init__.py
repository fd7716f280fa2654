"""TLS and logins, right ones and wrong ones, against real servers: `make security-tests`."""
