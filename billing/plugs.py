"""What this wing plugs into others' sockets and into its own; called once from BillingConfig.ready(), in the order of the money."""


def plug_in() -> None:
    """Register truths, sockets between the rooms, and event consumers."""
    from billing import invariants  # noqa: F401 - registers the truths
    from billing.collection import consuming
    from billing.collection import wiring as collection
    from billing.collection.sockets import outcome_told
    from billing.disputes import wiring as disputes
    from billing.payments import handlers
    from billing.reconciliation import fetching
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
    fetching.plug_in()
