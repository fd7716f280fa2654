"""Recoveries on the real stack, killed in their steps: `make recovery`; they take minutes."""
