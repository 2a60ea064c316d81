"""Verbs of disputes, by name; each stands in its own module."""

from billing.disputes.evidence import add_evidence_file, remove_evidence_file, write_evidence
from billing.disputes.mirroring import see_dispute, see_warning
from billing.disputes.policy import accept_small_ones, adopt_policy, propose_policy
from billing.disputes.submitting import accept_dispute, refresh_disputes, send_submissions, submit_evidence
from billing.disputes.working import decide_warning, move_work, take_dispute

__all__ = [
    "accept_dispute",
    "accept_small_ones",
    "add_evidence_file",
    "adopt_policy",
    "decide_warning",
    "move_work",
    "propose_policy",
    "refresh_disputes",
    "remove_evidence_file",
    "see_dispute",
    "see_warning",
    "send_submissions",
    "submit_evidence",
    "take_dispute",
    "write_evidence",
]
