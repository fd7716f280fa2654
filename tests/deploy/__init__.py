"""What people install: image, compose file, chart."""
