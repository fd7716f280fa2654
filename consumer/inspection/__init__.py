"""Looks at how things are, for people: lag, the doctor, connectors, flags."""
