"""What this wing plugs into others' sockets and into its own; called once from FraudConfig.ready()."""


def plug_in() -> None:
    """Register truths and event consumers."""
    from fraud import invariants  # noqa: F401 - registers the truths
    from fraud.screening import consuming, operations, queries
    from payouts.compliance import sockets

    consuming.plug_in()
    sockets.screening.plug(
        standing=queries.standing,
        screen=lambda **party: operations.screen_party(**party).state,
        hits=queries.hits_of,
    )

    from fraud.decisions import gates
    from fraud.features import consuming as feed
    from fraud.rules import checks  # noqa: F401 - registers the check of the rules' features

    feed.plug_in()
    gates.plug_in()

    from fraud.cases import consuming as alerts
    from fraud.cases import deciding
    from fraud.cases import policy as case_policy
    from fraud.decisions.allowing import before_allowing
    from fraud.decisions.reserving import before_ending
    from fraud.exposure import policy as exposure_policy

    case_policy.declare()
    exposure_policy.declare()
    alerts.plug_in()
    before_allowing.plug("a release above the limit is decided in its case", deciding.may_allow)
    before_ending.plug("an open case keeps a reserve", deciding.keeps_reserve)
