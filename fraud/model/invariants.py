"""Truth 15: no model scores that one person alone put there, and a decision's score is that of its own version."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(15, "live_models_have_two_people", "Every model that scores was approved by a second person, about exactly its content.")
def live_models_have_two_people() -> Rows:
    return rows_of(
        """SELECT m.public_id AS model, m.made_by, m.approved_by FROM fraud_modelversion m
            WHERE m.state IN ('live', 'replaced')
              AND NOT EXISTS (SELECT 1 FROM backoffice_approval a WHERE a.action = 'model_version' AND a.subject = m.public_id AND a.state = 'used'
                                 AND a.maker = m.made_by AND a.checker = m.approved_by AND a.content_hash = m.content_hash) LIMIT 1000"""
    )


@truth(15, "models_only_ask_for_a_look", "A model by itself asks for a review, from its own threshold, and for nothing more.")
def models_only_ask_for_a_look() -> Rows:
    return rows_of(
        """SELECT d.public_id AS decision, d.outcome, d.model FROM fraud_decision d
            WHERE d.because = 'model'
              AND (d.outcome <> 'review' OR (d.model ->> 'score')::int < (d.model ->> 'review_from')::int
                   OR NOT EXISTS (SELECT 1 FROM fraud_modelversion m WHERE m.public_id = d.model ->> 'version' AND m.review_from = (d.model ->> 'review_from')::int))
            LIMIT 1000"""
    )
