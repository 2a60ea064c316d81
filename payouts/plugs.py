"""What this wing plugs into others' sockets and into its own; called once from PayoutsConfig.ready()."""


def plug_in() -> None:
    """Register invariants, event consumers and rails."""
    from payouts import invariants  # noqa: F401 - registers the truths

    _plug_holds()
    _plug_runs()
    _plug_dispatch()


def _plug_holds() -> None:
    from payouts.holds import consuming

    consuming.plug_in()


def _plug_runs() -> None:
    from payouts.runs.operations import payee_changed as take_back_payouts
    from payouts.sellers.gates import payee_changed

    payee_changed.plug("cancel open payouts to the old account", take_back_payouts)


def _plug_dispatch() -> None:
    from payouts.dispatch.stopping import may_cancel as call_back_orders
    from payouts.runs.gates import may_cancel

    may_cancel.plug("call back the payment order", call_back_orders)
