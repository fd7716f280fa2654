"""What everything is made of: the only place that names edges and knows the settings."""
