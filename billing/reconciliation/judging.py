"""The verdict on groups, and what it does to their lines and breaks: posted, or a break with an owner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from backoffice.kit.ids import new_ids
from backoffice.kit.states import transition_set
from billing.reconciliation.models import DifferenceKind, DifferenceLine, MatchGroup, MatchRulebook, StagedLine
from billing.reconciliation.rulebook import Rule
from billing.reconciliation.staging import ROBOT
from billing.reconciliation.states import ACCOUNT_OF_LEG, BREAK, GROUP, LINE, BreakState, GroupState, Leg, LineState
from payouts.dispatch.operations import explain_entry
from payouts.dispatch.states import EntryState
from payouts.ledger.models import Posting
from payouts.ledger.operations import Draft, post, reverse
from payouts.ledger.templates import platform

_OWNER = "finance"
EXPENSE_OF = {DifferenceKind.FEE: "expense.psp_fee", DifferenceKind.ROUNDING: "expense.psp_fee", DifferenceKind.FX: "expense.fx"}

# What a group's two sides differ by, less what its difference lines explain.
_SUMS = """
    SELECT l.group_id, coalesce(sum(l.amount_minor) FILTER (WHERE l.side = 'theirs'), 0)::bigint AS theirs,
           coalesce(sum(l.amount_minor) FILTER (WHERE l.side = 'ours'), 0)::bigint AS ours, count(*) AS lines, max(l."on") AS last_on,
           bool_or(l.side = 'theirs') AND bool_or(l.side = 'ours') AS both
      FROM billing_stagedline l WHERE l.group_id = ANY(%(groups)s) GROUP BY 1"""
_OFF = """(g.theirs_minor - g.ours_minor - coalesce(
    (SELECT sum(d.amount_minor) FROM billing_differenceline d WHERE d.group_id = g.id), 0))"""
_BOTH = """(SELECT bool_or(l.side = 'theirs') AND bool_or(l.side = 'ours') FROM billing_stagedline l WHERE l.group_id = g.id)"""


def judge(groups: Sequence[int], *, rule: Rule, book: MatchRulebook, at: datetime) -> None:
    """Add up these groups and say what they are: posted, still expected, over or under; lines and breaks follow."""
    ids = sorted(set(groups))
    if not ids:
        return
    add_up(ids)
    if rule.tolerance_minor:
        _take_small_differences(ids, rule, at)
    params = {"groups": ids, "today": at.date(), "settle": rule.settle_days}
    told: dict[str, Any] = {"actor": ROBOT, "at": at, "code": rule.code}
    chosen = "SELECT g.id FROM billing_matchgroup g WHERE g.id = ANY(%(groups)s)"
    done = {"decided_by": "auto", "decided_at": at}
    transition_set(GROUP, f"{chosen} AND {_OFF} = 0 AND {_BOTH}", params, GroupState.POSTED, also=done, **told)
    late = f"{chosen} AND (g.state <> 'expected' OR g.last_on + %(settle)s < %(today)s::date)"
    transition_set(GROUP, f"{late} AND g.state <> 'over' AND {_OFF} > 0", params, GroupState.OVER, **told)
    transition_set(GROUP, f"{late} AND g.state <> 'under' AND {_OFF} < 0", params, GroupState.UNDER, **told)
    lift_placeholders(ids, at=at)
    follow(ids, book=book, at=at)


def lift_placeholders(ids: list[int], *, at: datetime, forced: bool = False) -> None:
    """Take back what stood in suspense for bank lines that our own postings explain now: the bank's account agrees with or without."""
    lines = StagedLine.objects.filter(group__in=ids, source="bank", bank_entry__isnull=False)
    if not forced:
        lines = lines.filter(group__state=GroupState.POSTED)
    entries = {line.bank_entry.public_id: line.bank_entry for line in lines.select_related("bank_entry") if line.bank_entry}
    standing = Posting.objects.filter(template="bank_unexplained", key__in=list(entries), reversed_by__isnull=True)
    for posting in standing.order_by("pk"):
        entry = entries[posting.key]
        reverse(posting_id=posting.pk, actor=ROBOT, at=at, reason="Our own postings explain the line.")
        if entry.state == EntryState.UNPLACED:
            explain_entry(entry_id=entry.pk, reason="Matched by reconciliation.", actor=ROBOT, at=at)


def add_up(ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE billing_matchgroup g SET theirs_minor = s.theirs, ours_minor = s.ours, lines_count = s.lines, last_on = s.last_on
                  FROM ({_SUMS}) s WHERE g.id = s.group_id""",  # noqa: S608 - of constants
            {"groups": ids},
        )


def _take_small_differences(ids: list[int], rule: Rule, at: datetime) -> None:
    """Book what a rule tolerates, with a difference line that says so; once per group, so that drops do not add up to a cup."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT g.id, {_OFF}::bigint FROM billing_matchgroup g
                 WHERE g.id = ANY(%(groups)s) AND {_OFF} <> 0 AND {_BOTH} AND abs({_OFF}) <= %(most)s AND g.state <> 'posted'
                   AND NOT EXISTS (SELECT 1 FROM billing_differenceline d WHERE d.group_id = g.id) ORDER BY g.id""",  # noqa: S608 - of constants
            {"groups": ids, "most": rule.tolerance_minor},
        )
        small = dict(cursor.fetchall())
    for group in MatchGroup.objects.filter(pk__in=small).order_by("pk"):
        if rule.tolerates(small[group.pk], group.ours_minor):
            kind = DifferenceKind(rule.difference)
            book_difference(group, Leg(group.leg), group.holder, kind, small[group.pk], at=at)


def book_difference(group: MatchGroup, leg: Leg, holder: str, kind: DifferenceKind, amount_minor: int, *, at: datetime) -> None:
    """Book theirs − ours of one leg to the expense its kind names, and write the difference line."""
    draft = Draft(
        template="match_difference",
        key=f"{group.pk}:{leg}",
        legs=[
            platform(ACCOUNT_OF_LEG[leg], group.currency, amount_minor, holder),
            platform(EXPENSE_OF[kind], group.currency, -amount_minor),
        ],
        source_kind="match_group",
        source_id=group.pk,
    )
    posting_id = post(drafts=[draft], actor=ROBOT, at=at, reason=f"{kind.label} within the rule {group.rule}")[0].posting_id
    DifferenceLine.objects.create(
        group=group, leg=leg, kind=kind, amount_minor=amount_minor, currency=group.currency, posting_id=posting_id, created_at=at
    )


def follow(ids: list[int], *, book: MatchRulebook, at: datetime) -> None:
    """Let lines and breaks follow their groups' states."""
    params: dict[str, Any] = {"groups": ids}
    told: dict[str, Any] = {"actor": ROBOT, "at": at}
    of_groups = """SELECT l.id FROM billing_stagedline l JOIN billing_matchgroup g ON g.id = l.group_id
                    WHERE g.id = ANY(%(groups)s) AND g.state = ANY(%(in)s) AND l.state <> %(not)s AND l.state <> 'void'"""
    open_states = ["over", "under", "currency", "data", "split"]
    transition_set(LINE, of_groups, params | {"in": ["posted"], "not": "matched"}, LineState.MATCHED, **told)
    transition_set(LINE, of_groups, params | {"in": open_states, "not": "needs_review"}, LineState.NEEDS_REVIEW, **told)
    clear_breaks(ids, at)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT g.id, g.state, g.leg, g.holder, g.reference, {_OFF}::bigint, g.currency,
                       coalesce((SELECT min(l."on") FROM billing_stagedline l WHERE l.group_id = g.id), g.last_on)
                  FROM billing_matchgroup g WHERE g.id = ANY(%(groups)s) AND g.state = ANY(%(in)s) ORDER BY g.id""",  # noqa: S608 - of constants
            params | {"in": open_states},
        )
        wrong = cursor.fetchall()
    open_breaks([(None, *row) for row in wrong], book=book, at=at)


def clear_breaks(ids: Sequence[int], at: datetime) -> None:
    """Close the breaks of groups that add up now, and of lines that a group speaks for now."""
    transition_set(
        BREAK,
        """SELECT b.id FROM billing_break b JOIN billing_matchgroup g ON g.id = b.group_id
            WHERE g.id = ANY(%(groups)s) AND g.state = 'posted' AND b.state IN ('open', 'requested')
            UNION ALL
           SELECT b.id FROM billing_break b JOIN billing_stagedline l ON l.id = b.line_id
            WHERE l.group_id = ANY(%(groups)s) AND b.kind <> 'data' AND b.state IN ('open', 'requested')""",
        {"groups": list(ids)},
        BreakState.CLEARED,
        actor=ROBOT,
        at=at,
        reason="The missing facts came.",
        also={"closed_at": at},
    )


Wrong = tuple[int | None, int | None, str, str, str, str, int, str, date]


def open_breaks(wrong: Sequence[Wrong], *, book: MatchRulebook, at: datetime) -> int:
    """Open a break for each (line or group id, kind, leg, holder, reference, off by, currency, since), or bring the open one up to date.

    Nothing is told line by line: a provider's bad day would fill the outbox. A run tells its counts.
    """
    if not wrong:
        return 0
    columns = [list(column) for column in zip(*wrong, strict=True)]
    due = [since + timedelta(days=book.sla_days[leg]) for _, _, _, leg, _, _, _, _, since in wrong]
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH u AS (
                   SELECT * FROM unnest(%(ids)s::text[], %(lines)s::bigint[], %(groups)s::bigint[], %(kinds)s::text[], %(legs)s::text[],
                        %(holders)s::text[], %(references)s::text[], %(amounts)s::bigint[], %(currencies)s::text[], %(since)s::date[],
                        %(due)s::date[]) AS u(id, line, grp, kind, leg, holder, reference, amount, currency, since, due)),
               known AS (
                   UPDATE billing_break b SET kind = u.kind, amount_minor = u.amount FROM u
                    WHERE b.state = 'open' AND (b.line_id = u.line OR b.group_id = u.grp)
                      AND (b.kind, b.amount_minor) IS DISTINCT FROM (u.kind, u.amount) RETURNING 1),
               fresh AS (
                   INSERT INTO billing_break (public_id, kind, line_id, group_id, leg, holder, reference, amount_minor, currency, since_on,
                        due_on, owner, explanation, state, wanted, corrected_by, approved_by, opened_at)
                   SELECT u.id, u.kind, u.line, u.grp, u.leg, u.holder, u.reference, u.amount, u.currency, u.since, u.due, %(owner)s, '',
                          'open', '{}', '', '', %(at)s
                     FROM u WHERE NOT EXISTS (SELECT 1 FROM billing_break b WHERE b.state IN ('open', 'requested')
                                                 AND (b.line_id = u.line OR b.group_id = u.grp)) RETURNING id)
               INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
               SELECT 'break', id, '', 'open', %(actor)s, '', '', %(at)s FROM fresh""",
            {
                "ids": new_ids("brk", len(wrong)),
                **dict(zip(("lines", "groups", "kinds", "legs", "holders", "references", "amounts", "currencies", "since"), columns, strict=True)),
                "due": due,
                "owner": _OWNER,
                "at": at,
                "actor": str(ROBOT),
            },
        )  # fmt: skip
        return cursor.rowcount


_ALONE = """
    SELECT l.id, NULL::bigint,
           CASE WHEN EXISTS (SELECT 1 FROM billing_stagedline o WHERE l.reference <> '' AND o.reference = l.reference AND o.side <> l.side
                                AND o.leg = l.leg AND o.holder = l.holder AND o.currency <> l.currency) THEN 'currency'
                WHEN l.side = 'theirs' THEN 'theirs_alone' ELSE 'ours_alone' END,
           l.leg, l.holder, l.reference, CASE l.side WHEN 'theirs' THEN l.amount_minor ELSE -l.amount_minor END, l.currency, l."on"
      FROM billing_stagedline l
     WHERE l.group_id IS NULL AND l.state = 'staged' AND (l.side = 'theirs' OR l."on" + (%(sla)s::jsonb ->> l.leg)::int < %(today)s::date)
     ORDER BY l.id LIMIT %(limit)s"""
AT_ONCE = 20_000


def open_lonely(*, book: MatchRulebook, at: datetime, commit: Any) -> int:
    """Open a break for each line of theirs that found nobody, and for each of ours that stayed alone past its time; return how many."""
    opened = 0
    while True:
        params: dict[str, Any] = {"sla": json.dumps(book.sla_days), "today": at.date(), "limit": AT_ONCE}
        with connection.cursor() as cursor:
            cursor.execute(_ALONE, params)
            alone = cursor.fetchall()
        if not alone:
            return opened
        open_breaks(alone, book=book, at=at)
        ids = [row[0] for row in alone]
        transition_set(
            LINE,
            "SELECT unnest(%(ids)s::bigint[]) AS id",
            {"ids": ids},
            LineState.NEEDS_REVIEW,
            actor=ROBOT,
            at=at,
        )
        opened += len(alone)
        commit()


def judge_waiting(*, book: MatchRulebook, rules: Sequence[Rule], at: datetime) -> None:
    """Judge again the groups that were still expected: their time may be over."""
    by_code = {rule.code: rule for rule in rules}
    waiting = MatchGroup.objects.filter(state=GroupState.EXPECTED, payout__isnull=True).values_list("rule", "pk")
    grouped: dict[str, list[int]] = {}
    for code, pk in waiting:
        grouped.setdefault(code, []).append(pk)
    for code, ids in sorted(grouped.items()):
        rule = by_code.get(code) or Rule(code, "reference", (str(Leg.CLEARING),))
        judge(ids, rule=rule, book=book, at=at)
