"""What operators do in a real browser, and the API asked anything: `make console-tests`."""
