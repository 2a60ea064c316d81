"""Index of the truths of this wing; importing it registers them."""
