"""Measurements that are made by hand: they take minutes, and their figures depend on the machine."""
