"""The alerts: what is worth a person's attention, what it means for the data, and where to go on."""
