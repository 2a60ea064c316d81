"""Index of the truths of this wing."""
