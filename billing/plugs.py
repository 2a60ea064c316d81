"""What this wing plugs into others' sockets and into its own; called once from BillingConfig.ready(), in the order of the money."""


def plug_in() -> None:
    """Register truths, sockets between the rooms, and event consumers."""
    from billing import invariants  # noqa: F401 - registers the truths
    from billing.webhooks import appliers  # noqa: F401 - registers the appliers of disputes and early warnings

    _plug_payments()
    _plug_subscriptions()
    _plug_reconciliation()


def _plug_reconciliation() -> None:
    from billing.reconciliation import fetching

    fetching.plug_in()


def _plug_payments() -> None:
    from billing.payments import handlers
    from billing.refunds import applying
    from billing.subscriptions import settled
    from billing.webhooks import appliers  # noqa: F401 - registers who follows which object of the provider

    handlers.plug_in()
    collection.plug_in()
    consuming.plug_in()
    settled.plug_in()
    outcome_told.plug("the subscription follows the money", settled.collection_told)
    applying.plug_in()
    disputes.plug_in()
