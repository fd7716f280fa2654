"""Tests that need the whole embedded stack."""
