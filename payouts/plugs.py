"""What this wing plugs into others' sockets and into its own; called once from PayoutsConfig.ready()."""


def plug_in() -> None:
    """Register invariants, event consumers and rails."""
    from payouts import invariants  # noqa: F401 - registers the truths

    _plug_compliance()
    _plug_holds()
    _plug_runs()
    _plug_dispatch()
    _plug_reporting()
    _plug_trade_ins()


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


def _plug_compliance() -> None:
    from backoffice.kit.outbox import subscribe
    from payouts.compliance import (
        admitting,
        checks,  # noqa: F401 - registers the check of the room's data
        sockets,
    )
    from payouts.compliance.opening import open_files
    from payouts.earnings.queries import refunds_since, volumes_since
    from payouts.holds.by_risk import keep_reserve
    from payouts.sellers import gates

    gates.opened.plug("open the compliance file", open_files)
    gates.status_change.plug("requirements decide who is active", admitting.may_change_status)
    gates.data_changed.plug("ask what the new data asks", admitting.data_changed)
    gates.payee_changed.plug("the account is a requirement", admitting.payee_changed)
    sockets.volumes.plug(volumes_since, refunds_since)
    # Another wing plugs the screening itself: `payouts.compliance.sockets.screening.plug(standing=…, screen=…)`. Until then nobody is clean.
    subscribe("holds.risk", "seller.risk_rated", keep_reserve)
    for name in ("screening.changed", "person.added", "seller.created", "seller.updated"):
        subscribe(f"compliance.{name}", name, admitting.screening_changed)


def _plug_reporting() -> None:
    from backoffice.kit.outbox import subscribe
    from payouts.reporting import (
        asking,
        checks,  # noqa: F401 - registers the check of the room's data
    )

    for name in ("requirement.satisfied", "payee_account.changed"):
        subscribe(f"reporting.{name}", name, asking.data_given)


def _plug_trade_ins() -> None:
    from backoffice.kit.outbox import subscribe
    from payouts.tradeins.forgetting import forget_serials

    subscribe("trade_ins.forget", "seller.data_erased", forget_serials)
