"""Truth 16, of cases: each is led, labelled and decided as it says; reports are whole and filed by another."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(16, "cases_count_their_alerts", "A case counts exactly the alerts that lie in it, and is no less urgent than any of them.")
def cases_count_their_alerts() -> Rows:
    return rows_of(
        """SELECT c.public_id AS "case", c.alerts_count AS said, count(a.id) AS counted, c.priority, max(a.priority) AS most
             FROM fraud_case c LEFT JOIN fraud_alert a ON a.case_id = c.id GROUP BY c.id
            HAVING c.alerts_count <> count(a.id) OR c.priority < coalesce(max(a.priority), 0) LIMIT 1000"""
    )


@truth(
    16,
    "cases_end_whole",
    "A closed or merged case leaves nothing that waits for a second person, and no decision is carried out in half.",
)
def cases_end_whole() -> Rows:
    return rows_of(
        """SELECT c.public_id AS "case", c.state, d.public_id AS decision, d.state AS is FROM fraud_case c JOIN fraud_casedecision d ON d.case_id = c.id
            WHERE d.state = 'approved' OR (d.state = 'waiting' AND c.state IN ('closed', 'merged'))
               OR (d.state = 'done' AND (d.done_at IS NULL OR d.made = '')) LIMIT 1000"""
    )


@truth(16, "closed_cases_taught_the_rules", "Every event that fired in a closed case carries the label its case was closed with.")
def closed_cases_taught_the_rules() -> Rows:
    return rows_of(
        """SELECT c.public_id AS "case", c.label, a.public_id AS alert FROM fraud_case c JOIN fraud_alert a ON a.case_id = c.id
             JOIN fraud_decision d ON d.id = a.decision_id
            WHERE c.state = 'closed' AND NOT EXISTS (SELECT 1 FROM fraud_fraudlabel l WHERE l.event_id = d.event_id AND l.source = 'analyst'
                                                        AND l.is_fraud = (c.label = 'fraud')) LIMIT 1000"""
    )


@truth(16, "case_decisions_have_two_people", "What took two people was approved by a second one, about exactly its content.")
def case_decisions_have_two_people() -> Rows:
    return rows_of(
        """SELECT d.public_id AS decision, d.made_by, d.approved_by FROM fraud_casedecision d
            WHERE d.takes_two AND d.state IN ('approved', 'done')
              AND NOT EXISTS (SELECT 1 FROM backoffice_approval a WHERE a.action = 'case_decision' AND a.subject = d.public_id AND a.state = 'used'
                                 AND a.maker = d.made_by AND a.checker = d.approved_by AND a.content_hash = d.content_hash) LIMIT 1000"""
    )


@truth(
    16, "large_releases_took_two_people", "No release above the limit of the policy it was made under was decided by one person."
)
def large_releases_took_two_people() -> Rows:
    return rows_of(
        """SELECT d.public_id AS decision, d.amount_minor, d.currency FROM fraud_casedecision d
             JOIN fraud_fraudpolicy p ON p.kind = 'cases' AND p.number = d.policy_number
            WHERE NOT d.takes_two AND (p.content -> 'two_people_always' ? d.kind
                  OR (p.content -> 'two_people_by_amount' ? d.kind AND d.amount_minor > coalesce((p.content -> 'alone_minor' ->> d.currency)::bigint, 0)))
            LIMIT 1000"""
    )


@truth(16, "reports_were_filed_by_another", "Every filed report has the approval of a second person about exactly its bytes.")
def reports_were_filed_by_another() -> Rows:
    return rows_of(
        """SELECT r.public_id AS report, r.frozen_by, r.filed_by FROM fraud_suspicionreport r
            WHERE r.state = 'filed' AND NOT EXISTS (
                  SELECT 1 FROM backoffice_approval a WHERE a.action = 'suspicion_report' AND a.subject = r.public_id AND a.state = 'used'
                     AND a.maker = r.frozen_by AND a.checker = r.filed_by AND a.content_hash = r.sha256) LIMIT 1000"""
    )
