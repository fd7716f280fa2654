"""The documentation as a site: the repository's own pages, with the links that they have."""
