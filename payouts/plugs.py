"""What this wing plugs into others' sockets and into its own; called once from PayoutsConfig.ready()."""


def plug_in() -> None:
    """Register invariants, event consumers and rails."""
    from payouts import invariants  # noqa: F401 - registers the truths
