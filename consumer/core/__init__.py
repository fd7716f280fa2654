"""Pure decisions: no driver, clock, randomness, logging or environment."""
