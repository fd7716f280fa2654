"""Observers of the facts that the core reports: logs, metrics, health."""
