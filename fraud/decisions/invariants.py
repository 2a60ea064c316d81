"""Truth 15: decisions are whole and kept, what stands still because of one has one, and nobody lets in or frees alone."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(
    15,
    "decisions_add_up",
    "A decision's score is the sum of its counted hits, its rules are those of its set, and it concerns its own event.",
)
def decisions_add_up() -> Rows:
    return rows_of(
        """SELECT d.public_id AS decision, d.score AS said, r.score AS counted, r.rules, s.members
             FROM fraud_decision d JOIN fraud_fraudevent e ON e.id = d.event_id
             CROSS JOIN LATERAL (SELECT coalesce(sum((x ->> 'score')::int) FILTER (WHERE (x ->> 'counted')::bool), 0) AS score, count(*) AS rules
                                   FROM jsonb_array_elements(d.results) x) r
             CROSS JOIN LATERAL (SELECT count(*) AS members FROM fraud_ruleset q, jsonb_array_elements(q.members) m
                                  WHERE q.id = d.rule_set_id AND m ->> 'point' = d.point) s
            WHERE d.score <> r.score OR r.rules <> s.members OR e.kind <> d.point OR e.amount_minor <> d.amount_minor OR e.seller <> d.seller
            LIMIT 1000"""
    )


@truth(
    15,
    "stopping_decisions_say_why",
    "Whatever is not allowed has a reason code and a text for the operator; what is held has a day to look at it.",
)
def stopping_decisions_say_why() -> Rows:
    return rows_of(
        """SELECT public_id AS decision, outcome, code, review_on FROM fraud_decision
            WHERE outcome <> 'allow' AND (code = '' OR (outcome IN ('review', 'hold') AND review_on IS NULL)
                  OR (because = 'nothing') OR (outcome = 'hold' AND seller_text = '')) LIMIT 1000"""
    )


@truth(15, "stopped_subjects_have_a_review", "What a decision holds or sends to review was put before a person.")
def stopped_subjects_have_a_review() -> Rows:
    return rows_of(
        """SELECT d.public_id AS decision, d.outcome, d.subject FROM fraud_decision d
            WHERE d.outcome IN ('review', 'hold')
              AND NOT EXISTS (SELECT 1 FROM fraud_decisionreview r WHERE r.point = d.point AND r.subject = d.subject) LIMIT 1000"""
    )


@truth(15, "payouts_held_by_rules_have_a_decision", "A payout held with a rule's reason code has the decision that says so.")
def payouts_held_by_rules_have_a_decision() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, p.status_code FROM payouts_payout p
            WHERE p.stage = 'open' AND p.status = 'held' AND p.status_code IN (SELECT code FROM fraud_ruleversion)
              AND NOT EXISTS (SELECT 1 FROM fraud_decision d WHERE d.subject = p.public_id AND d.point = 'payout' AND d.code = p.status_code
                                 AND d.outcome IN ('hold', 'block')) LIMIT 1000"""
    )


@truth(15, "allowed_values_have_two_people", "Every allowed value was approved by a second person, about exactly it, and ends.")
def allowed_values_have_two_people() -> Rows:
    return rows_of(
        """SELECT v.public_id AS entry, v.made_by, v.approved_by FROM fraud_listedvalue v
            WHERE v.list = 'allowed' AND v.state IN ('active', 'ended')
              AND (v.expires_at IS NULL OR NOT EXISTS (
                   SELECT 1 FROM backoffice_approval a WHERE a.action = 'listed_value' AND a.subject = v.public_id AND a.state = 'used'
                      AND a.maker = v.made_by AND a.checker = v.approved_by AND a.maker <> a.checker)) LIMIT 1000"""
    )


@truth(15, "live_rules_have_two_people", "Every rule that decides was approved by a second person, about exactly its content.")
def live_rules_have_two_people() -> Rows:
    return rows_of(
        """SELECT v.public_id AS version, v.made_by, v.approved_by FROM fraud_ruleversion v
            WHERE v.state IN ('approved', 'live', 'replaced')
              AND NOT EXISTS (SELECT 1 FROM backoffice_approval a WHERE a.action = 'rule_version' AND a.subject = v.public_id AND a.state = 'used'
                                 AND a.maker = v.made_by AND a.checker = v.approved_by AND a.content_hash = v.content_hash) LIMIT 1000"""
    )


@truth(
    15,
    "the_set_is_what_is_live",
    "The newest rule set names exactly the versions that are asked, and counts exactly the live ones.",
)
def the_set_is_what_is_live() -> Rows:
    return rows_of(
        """WITH newest AS (SELECT * FROM fraud_ruleset ORDER BY id DESC LIMIT 1),
                named AS (SELECT (m ->> 'version')::bigint AS id, (m ->> 'counted')::bool AS counted FROM newest, jsonb_array_elements(members) m),
                asked AS (SELECT id, state = 'live' AS counted FROM fraud_ruleversion WHERE state IN ('shadow', 'waiting', 'approved', 'live'))
           SELECT coalesce(a.id, n.id) AS version, a.counted AS is_live, n.counted AS set_counts
             FROM asked a FULL JOIN named n ON n.id = a.id WHERE a.counted IS DISTINCT FROM n.counted LIMIT 1000"""
    )


@truth(15, "decisions_can_be_made_again", "The last replay of decisions gave the same answers.")
def decisions_can_be_made_again() -> Rows:
    return rows_of(
        """SELECT at, sampled, agreed, differing FROM (SELECT * FROM fraud_replay ORDER BY id DESC LIMIT 1) last WHERE agreed <> sampled"""
    )


@truth(
    15,
    "wanted_holds_are_held",
    "What a decision wanted held and says is held, is: of that seller and currency, and no more than the sale left.",
)
def wanted_holds_are_held() -> Rows:
    return rows_of(
        """SELECT w.public_id AS wanted, w.state, h.public_id AS hold FROM fraud_wantedhold w JOIN payouts_earning e ON e.id = w.earning_id
             LEFT JOIN payouts_hold h ON h.id = w.hold_id
            WHERE w.amount_minor <> e.net_minor OR w.seller_id <> e.seller_id
               OR (w.state = 'placed' AND (h.id IS NULL OR h.seller_id <> w.seller_id OR h.currency <> w.currency OR h.amount_minor > w.amount_minor))
            LIMIT 1000"""
    )


@truth(
    15,
    "sales_were_decided_before_their_money_was_free",
    "No sale that waits for its decision has money that matured, and every one of them is a sale.",
)
def sales_were_decided_before_their_money_was_free() -> Rows:
    return rows_of(
        """SELECT w.earning_id, e.public_id AS earning, e.matured_at FROM fraud_saletodecide w LEFT JOIN payouts_earning e ON e.id = w.earning_id
            WHERE e.id IS NULL OR e.matured_at IS NOT NULL OR e.kind <> 'sale' LIMIT 1000"""
    )


@truth(
    15,
    "risk_reserves_are_kept",
    "Every reserve that stands has a rolling plan of exactly that seller, currency, share and time.",
)
def risk_reserves_are_kept() -> Rows:
    return rows_of(
        """SELECT r.public_id AS reserve, p.public_id AS plan FROM fraud_riskreserve r LEFT JOIN payouts_reserveplan p ON p.id = r.plan_id
            WHERE r.state = 'active' AND (p.id IS NULL OR p.seller_id <> r.seller_id OR p.currency <> r.currency
                  OR p.basis_points <> r.basis_points OR p.days <> r.days OR p.kind <> 'rolling') LIMIT 1000"""
    )
