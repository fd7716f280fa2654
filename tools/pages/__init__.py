"""One module a generated page, and the check of the pages that people write."""
