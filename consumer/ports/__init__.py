"""What the pipeline needs from the outside, as protocols; the edges implement them."""
