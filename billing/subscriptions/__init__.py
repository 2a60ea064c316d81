"""Who subscribes to what, from when to when, and the batch that renews them."""
