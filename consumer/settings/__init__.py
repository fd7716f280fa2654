"""The settings: their sections, how they are read, what they must hold with one another."""
