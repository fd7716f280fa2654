"""The chart, rendered by Helm: what it makes of values, and what it refuses."""
