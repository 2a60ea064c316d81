"""Truth 16, of policies: what somebody put in force, a second person agreed to."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(
    16,
    "fraud_policies_have_two_people",
    "Every policy put in force after the installation's own was approved by a second person.",
)
def fraud_policies_have_two_people() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT p.public_id AS policy, p.kind, p.number, p.made_by, p.approved_by FROM fraud_fraudpolicy p
            WHERE p.in_force_at IS NOT NULL AND p.number > 1
              AND NOT EXISTS (SELECT 1 FROM backoffice_approval a WHERE a.action = 'fraud_policy' AND a.subject = p.public_id AND a.state = 'used'
                                 AND a.maker = p.made_by AND a.checker = p.approved_by AND a.maker <> a.checker) LIMIT 1000"""
    )
