"""Hundreds of seeded faults in a row on real servers, and what must hold behind them: `make soak`."""
