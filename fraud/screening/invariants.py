"""Truth 14: screening is complete and judged by the rules; what was not compared is never clean."""

from typing import Any

from django.conf import settings

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(
    14,
    "strong_hits_cleared_by_two",
    "Every clearance of a strong hit was approved by a second person, about exactly its content.",
)
def strong_hits_cleared_by_two() -> Rows:
    return rows_of(
        """SELECT c.public_id AS clearance, h.public_id AS hit, c.cleared_by, c.approved_by
             FROM fraud_clearance c JOIN fraud_hit h ON h.id = c.hit_id
            WHERE (c.strong OR h.strong AND c.ended_at IS NULL)
              AND NOT EXISTS (SELECT 1 FROM backoffice_approval a
                               WHERE a.action = 'clear_screening_hit' AND a.subject = h.public_id AND a.state = 'used'
                                 AND a.maker = c.cleared_by AND a.checker = c.approved_by AND a.used_at = c.cleared_at) LIMIT 1000"""
    )


@truth(14, "cleared_hits_have_clearance", "A hit is cleared exactly while a clearance of its present content is in force.")
def cleared_hits_have_clearance() -> Rows:
    return rows_of(
        """SELECT h.public_id AS hit, h.state, c.public_id AS clearance
             FROM fraud_hit h LEFT JOIN fraud_clearance c ON c.hit_id = h.id AND c.ended_at IS NULL
            WHERE (h.state = 'cleared') IS DISTINCT FROM (c.id IS NOT NULL)
               OR (c.id IS NOT NULL AND (c.party_fingerprint <> h.party_fingerprint OR c.entry_fingerprint <> h.entry_fingerprint))
            LIMIT 1000"""
    )


@truth(
    14,
    "clean_parties_were_compared",
    "A clean party has an answer about its present facts, no hit that blocks, and a name that can be compared.",
)
def clean_parties_were_compared() -> Rows:
    return rows_of(
        """SELECT p.subject, p.state, k.result AS last_result, k.problem
             FROM fraud_party p
             LEFT JOIN (SELECT DISTINCT ON (party_id) party_id, party_fingerprint, result, problem FROM fraud_check
                         WHERE party_id IS NOT NULL ORDER BY party_id, id DESC) k ON k.party_id = p.id
            WHERE p.state = 'clean'
              AND (k.party_id IS NULL OR k.party_fingerprint <> p.fingerprint OR k.result NOT IN ('clean', 'hit') OR k.problem <> ''
                   OR EXISTS (SELECT 1 FROM fraud_hit h WHERE h.party_id = p.id AND h.state IN ('open', 'waiting', 'confirmed')))
            LIMIT 1000"""
    )


@truth(14, "due_parties_are_in_the_queue", "Every party without an answer is in the worker's queue.")
def due_parties_are_in_the_queue() -> Rows:
    return rows_of(
        """SELECT subject, state, due_since FROM fraud_party
            WHERE state IN ('due', 'failed') AND (next_try_at IS NULL OR due_since IS NULL) LIMIT 1000"""
    )


@truth(14, "lists_are_covered", "Every answer covers the version in use of every list, or a pass of it is still under way.")
def lists_are_covered() -> Rows:
    return rows_of(
        """WITH used AS (SELECT DISTINCT ON (v.list_id) v.list_id, l.name, v.number FROM fraud_listversion v
                           JOIN fraud_screeninglist l ON l.id = v.list_id ORDER BY v.list_id, v.number DESC),
                busy AS (SELECT v.list_id FROM fraud_screeningpass s JOIN fraud_listversion v ON v.id = s.version_id WHERE s.state = 'running')
           SELECT p.subject, u.name AS list, u.number AS version, p.covers ->> u.name AS compared_with
             FROM fraud_party p CROSS JOIN used u
            WHERE p.state IN ('clean', 'hits', 'not_screenable') AND NOT p.covers ? 'yente'
              AND coalesce((p.covers ->> u.name)::int, 0) < u.number AND u.list_id NOT IN (SELECT list_id FROM busy) LIMIT 1000"""
    )


@truth(14, "list_versions_add_up", "The live entries of a list are as many as its version in use says.")
def list_versions_add_up() -> Rows:
    return rows_of(
        """SELECT l.name AS list, u.number AS version, u.entries AS said, coalesce(n.live, 0) AS live
             FROM (SELECT DISTINCT ON (list_id) * FROM fraud_listversion ORDER BY list_id, number DESC) u
             JOIN fraud_screeninglist l ON l.id = u.list_id
             LEFT JOIN (SELECT list_id, count(*) AS live FROM fraud_listentry WHERE until_id IS NULL GROUP BY 1) n ON n.list_id = l.id
            WHERE coalesce(n.live, 0) <> u.entries LIMIT 1000"""
    )


@truth(
    14,
    "server_answers_are_fresh",
    "Every answer of a screening server is of its edition in use, or that edition is still going over the parties.",
)
def server_answers_are_fresh() -> Rows:
    return rows_of(
        """SELECT p.subject, e.dataset, e.number AS edition, p.covers ->> 'yente' AS answered_of
             FROM (SELECT dataset, number, done_at FROM fraud_serveredition WHERE dataset = %(dataset)s ORDER BY number DESC LIMIT 1) e
             JOIN fraud_party p ON p.state IN ('clean', 'hits', 'not_screenable') AND p.covers ? 'yente'
            WHERE e.done_at IS NOT NULL AND (p.covers ->> 'yente')::int < e.number LIMIT 1000""",
        {"dataset": settings.YENTE_DATASET},
    )


@truth(14, "erased_parties_are_empty", "Nothing of an erased party is left to compare, to find it by, or to judge.")
def erased_parties_are_empty() -> Rows:
    return rows_of(
        """SELECT p.subject, p.state, h.public_id AS hit FROM fraud_party p LEFT JOIN fraud_hit h
               ON h.party_id = p.id AND (h.factors <> '' OR h.state IN ('open', 'waiting'))
            WHERE p.erased_at IS NOT NULL AND (p.state <> 'erased' OR p.facts <> '' OR p.name_indexes <> '{}' OR h.id IS NOT NULL) LIMIT 1000"""
    )
