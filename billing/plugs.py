"""What this wing plugs into others' sockets and into its own; called once from BillingConfig.ready()."""


def plug_in() -> None:
    """Register truths and event consumers."""
    from billing import invariants  # noqa: F401 - registers the truths

    _plug_payments()
    from billing.webhooks import appliers  # noqa: F401 - registers the appliers of disputes and early warnings


def _plug_payments() -> None:
    from billing.payments import handlers
    from billing.refunds import applying

    handlers.plug_in()
    applying.plug_in()
