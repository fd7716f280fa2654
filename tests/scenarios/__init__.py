"""Dependencies that are down, slow or lie, and two at once, each with its expectation: `make scenarios`."""
