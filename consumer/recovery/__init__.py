"""Workflows that people start: rebuilding, undoing, moving, comparing."""
