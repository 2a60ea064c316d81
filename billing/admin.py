"""Index of the screens of this wing; each stands in its room."""
