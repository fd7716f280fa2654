"""Threads beside reading and applying, each with one thing to do."""
