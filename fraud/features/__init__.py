"""What rules may look at: a typed catalogue, the wing's own events, and their values at a moment, live and in a back-test alike."""
