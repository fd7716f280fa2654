"""Tests by what they need: unit (nothing), pg (one PostgreSQL server), real (the whole embedded stack)."""
