"""Recoveries on the real stack, killed at each step: `make recovery`; they take minutes."""
