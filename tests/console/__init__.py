"""What operators do in a real browser: `make console-tests`."""
