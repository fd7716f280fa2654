"""What `headrace doctor` makes of what was looked up: facts in, findings out. Nobody is asked here."""
