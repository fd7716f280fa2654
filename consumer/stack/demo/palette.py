"""The colours of the live view."""

ACCENT, DIM, GOOD, WARN, BAD = "cyan", "bright_black", "green", "yellow", "red"
