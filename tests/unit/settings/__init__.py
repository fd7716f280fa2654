"""Settings: bounds, mistakes, overrides, secrets."""
