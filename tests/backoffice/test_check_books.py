"""Every truth has a planted corruption, done as the owner of the tables with their guards off; the truth names it, and only what is hurt is red."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from backoffice.invariants import history_agrees_with_status  # noqa: F401 - the index of truths is loaded
from backoffice.kit.actors import staff
from backoffice.kit.invariants import TRUTHS, Verdict, check_books
from backoffice.kit.outbox import relay
from backoffice.kit.states import born
from backoffice.partners.outgoing.delivering import claim_due, record
from backoffice.partners.outgoing.sending import Answered
from billing.collection.operations import work as collect
from billing.disputes.operations import accept_dispute
from billing.disputes.submitting import _claim as send_next
from billing.invoices.operations import CreditLine, issue_credit_note
from billing.payments.models import Payment
from billing.payments.operations import request_payment
from billing.payments.operations import work as call_gateways
from billing.plans.operations import create_coupon
from billing.refunds.models import Refund
from billing.refunds.operations import request_refund
from billing.subscriptions.models import Subscription
from billing.subscriptions.operations import change_subscription, renew_subscriptions
from fraud.cases.models import Case, SuspicionReport
from fraud.cases.operations import claim_case, close_case, file_report
from fraud.decisions.models import SaleToDecide, WantedHold
from fraud.decisions.reserving import keep_reserves
from fraud.decisions.states import WANTED
from fraud.exposure.operations import snapshot_exposure
from fraud.screening.operations import clear_hit, work
from payouts.earnings.models import Earning
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import Leg, platform, seller
from payouts.reporting.operations import keep_tax_data
from tests.factories import fraud, payments, reconciliation, screening
from tests.factories.billing import AT as BILLED_AT
from tests.factories.billing import make_customer, make_invoice
from tests.factories.books import AT, ROBOT, Books, books_in, undone
from tests.factories.cases import decide_on_sale, furnish_cases, make_alert
from tests.factories.fraud import make_live
from tests.factories.notices import bring_events, make_dispute
from tests.factories.receiver import happen, make_endpoint
from tests.factories.reporting import file_everything
from tests.factories.sellers import make_seller
from tests.factories.subscriptions import claims_in_place, make_price, subscribe
from tests.factories.subscriptions import make_customer as subscriber
from tests.factories.tradeins import make_accepted, make_trade_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def _django_db_helper() -> None:
    """Keep pytest-django from opening a transaction of its own around each test: the fixtures below do."""


# --- one small marketplace for all of them, taken away again afterwards


@pytest.fixture(scope="module")
def books(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with django_db_blocker.unblock(), books_in(tmp_path_factory.mktemp("books")) as opened:
        yield opened


@pytest.fixture
def planted(books: Books, django_db_blocker: Any) -> Iterator[Books]:
    """The small marketplace, to be spoilt: what a test does to it is undone."""
    with django_db_blocker.unblock(), undone():
        yield books


def spoil(*statements: str, tables: str = "", constraints: str = "") -> None:
    """Run statements past the guards, as somebody with the owner's password would; each must hit something."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # ALTER TABLE refuses while checks are pending
        for table in tables.split():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for named in constraints.split():
            table, name = named.split(".")
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount > 0, f"nothing was spoilt by: {statement}"


def book(template: str, *legs: Leg, source_kind: str = "") -> None:
    """Book something the ledger itself has no objection to."""
    post(drafts=[Draft(template, f"planted:{template}", list(legs), source_kind)], actor=ROBOT, at=AT)


# --- the corruptions


@dataclass(frozen=True)
class Planted:
    """One corruption: the truth that must name it, what it does, and which other truths it really hurts as well."""

    truth: str
    how: str
    plant: Callable[[Books], None]
    also: frozenset[str] = frozenset()


PLANTED: list[Planted] = []


def corrupts(truth: str, *also: str) -> Callable[[Callable[[Books], None]], Callable[[Books], None]]:
    def register(plant: Callable[[Books], None]) -> Callable[[Books], None]:
        PLANTED.append(Planted(truth, plant.__name__, plant, frozenset(also)))
        return plant

    return register


SALE = "(SELECT id FROM payouts_posting WHERE template = 'sale' ORDER BY id LIMIT 1)"
HOT = "account_id IN (SELECT id FROM payouts_account WHERE code = 'psp.clearing')"


@corrupts("postings_balance", "ledger_balances")
def an_entry_grows_by_a_cent(_: Books) -> None:
    spoil(f"UPDATE payouts_entry SET amount_minor = amount_minor + 1 WHERE posting_id = {SALE} AND {HOT}", tables="payouts_entry")


@corrupts("postings_balance")
def a_cent_moves_between_two_postings(_: Books) -> None:
    spoil(
        f"""UPDATE payouts_entry e SET amount_minor = amount_minor + two.by
              FROM (SELECT min(id) AS low, max(id) AS high FROM payouts_entry WHERE currency = 'EUR' AND {HOT}) ends
              CROSS JOIN LATERAL (VALUES (ends.low, 1), (ends.high, -1)) AS two(id, by)
             WHERE e.id = two.id""",
        tables="payouts_entry",
    )


@corrupts("ledger_balances", "postings_balance")
def a_hot_entry_vanishes(_: Books) -> None:
    spoil(f"DELETE FROM payouts_entry WHERE posting_id = {SALE} AND {HOT}", tables="payouts_entry")


@corrupts("postings_have_entries")
def a_posting_stands_without_entries(_: Books) -> None:
    spoil(
        f"""INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason,
                                         recorded_at, effective_at)
            SELECT 'bank_fee', 1, 'planted', '', '', 0, actor, '', '', recorded_at, effective_at FROM payouts_posting WHERE id = {SALE}"""
    )


@corrupts("postings_have_entries")
def an_account_changes_its_currency(_: Books) -> None:
    spoil("UPDATE payouts_account SET currency = 'SEK' WHERE code = 'bank.cash'", tables="payouts_account")


@corrupts("balances_equal_entries")
def a_stored_balance_is_moved(_: Books) -> None:
    spoil(
        """UPDATE payouts_balance SET amount_minor = amount_minor + 1
            WHERE account_id = (SELECT id FROM payouts_account WHERE code = 'bank.cash' LIMIT 1)"""
    )


@corrupts("balances_equal_entries")
def a_stored_balance_is_lost(_: Books) -> None:
    spoil(
        "DELETE FROM payouts_balance WHERE account_id = (SELECT id FROM payouts_account WHERE code = 'bank.cash' LIMIT 1)",
        tables="payouts_balance",
    )


@corrupts("checkpoints_equal_entries")
def a_checkpoint_covers_an_entry_it_never_saw(_: Books) -> None:
    spoil(
        f"""INSERT INTO payouts_checkpoint (account_id, upto_entry_id, amount_minor, folded_at)
            SELECT account_id, max(id), sum(amount_minor) - 1, now() FROM payouts_entry WHERE {HOT} GROUP BY 1 LIMIT 1"""
    )


FRENCH = "account_id = (SELECT id FROM payouts_account WHERE code = 'seller.available' AND holder_id = {} AND currency = 'EUR')"


@corrupts("trade_ins_posted_once", "history_agrees_with_status")
def a_device_counts_as_bought_without_its_price(_: Books) -> None:
    spoil(
        f"UPDATE payouts_tradein SET status = 'accepted', accepted_at = agreed_at WHERE id = {make_trade_in().pk}",
        tables="payouts_tradein",
    )


@corrupts("trade_ins_posted_once")
def a_device_costs_less_than_was_booked(_: Books) -> None:
    spoil(f"UPDATE payouts_tradein SET amount_minor = amount_minor - 1 WHERE id = {make_accepted().pk}", tables="payouts_tradein")


@corrupts("trade_in_postings_have_trade_in")
def a_price_is_booked_without_its_device(_: Books) -> None:
    row = make_accepted()
    spoil(
        f"UPDATE payouts_posting SET source_kind = '' WHERE template = 'trade_in' AND source_id = {row.pk}",
        tables="payouts_posting",
    )


@corrupts("pending_by_sale")
def a_device_waits_for_money_nobody_holds(_: Books) -> None:
    spoil(f"UPDATE payouts_tradein SET pending_minor = amount_minor WHERE id = {make_accepted().pk}", tables="payouts_tradein")


@corrupts("floors_as_decided", "floors_follow_limits")
def a_floor_is_lowered_past_the_record(books: Books) -> None:
    spoil(f"UPDATE payouts_balance SET floor_minor = floor_minor - 1 WHERE {FRENCH.format(books.french.pk)}")


@corrupts("floors_as_decided")
def a_floor_is_lowered_as_if_it_waited_for_its_balance(books: Books) -> None:
    spoil(
        f"""UPDATE payouts_balance SET floor_wanted_minor = floor_minor, floor_minor = floor_minor - 1
             WHERE {FRENCH.format(books.french.pk)}"""
    )


@corrupts("floors_follow_limits")
def a_floor_is_decided_that_no_terms_allow(books: Books) -> None:
    spoil(
        f"""SELECT ledger_set_floors('{{seller.available}}', '{{{books.french.pk}}}', '{{EUR}}', '{{-90000000}}', 'staff:77', 'x', now())"""
    )


@corrupts("floors_follow_limits")
def a_tier_is_changed_behind_its_sellers(books: Books) -> None:
    spoil(f"UPDATE payouts_tier SET debt_limit = debt_limit + 1 WHERE id = {books.french.tier_id}")


@corrupts("balances_above_floor", "floors_as_decided", "floors_follow_limits")
def a_floor_is_raised_above_its_balance(books: Books) -> None:
    spoil(
        f"""UPDATE payouts_balance SET floor_minor = amount_minor * normal_sign + 1
             WHERE account_id = (SELECT id FROM payouts_account WHERE code = 'seller.available' AND holder_id = {books.french.pk})""",
        constraints="payouts_balance.balance_not_below_floor",
    )


@corrupts("payout_lines_add_up")
def a_payout_loses_a_line(books: Books) -> None:
    spoil(
        f"UPDATE payouts_payout SET lines_upto_entry_id = lines_after_entry_id WHERE run_id = {books.built.pk}",
        tables="payouts_payout",
    )


@corrupts("payout_lines_add_up")
def a_settled_payout_carries_forward_what_it_paid(books: Books) -> None:
    spoil(f"UPDATE payouts_payout SET carried_forward_minor = 1 WHERE run_id = {books.settled.pk}", tables="payouts_payout")


@corrupts("payout_money_stands_where_state_says")
def a_booking_is_cut_off_from_its_payout(_: Books) -> None:
    spoil("UPDATE payouts_posting SET source_id = 0 WHERE template = 'payout_sent'", tables="payouts_posting")


@corrupts("payouts_settled_when_paid", "history_agrees_with_status")
def a_paid_payouts_order_is_put_back_on_its_way(books: Books) -> None:
    spoil(
        f"UPDATE payouts_paymentorder SET status = 'sent' WHERE payout_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.settled.pk})",
        tables="payouts_paymentorder",
    )


@corrupts("run_totals")
def a_run_claims_one_payout_more(books: Books) -> None:
    spoil(f"UPDATE payouts_payoutrun SET payouts_count = payouts_count + 1 WHERE id = {books.built.pk}")


@corrupts("run_totals")
def a_run_claims_another_total(books: Books) -> None:
    spoil(f"""UPDATE payouts_payoutrun SET totals = '{{"CHF": 1}}' WHERE id = {books.built.pk}""")


@corrupts("in_payout_equals_open_payouts")
def money_leaves_in_payout_without_its_payout(books: Books) -> None:
    book("payout_canceled", seller("in_payout", books.waiting.pk, "CHF", 100), seller("available", books.waiting.pk, "CHF", -100))


@corrupts("reserved_equals_holds")
def money_is_reserved_without_a_hold(books: Books) -> None:
    book("release", seller("reserved", books.french.pk, "EUR", 100), seller("available", books.french.pk, "EUR", -100))


@corrupts("reserved_equals_holds")
def a_hold_forgets_what_it_keeps(_: Books) -> None:
    spoil("UPDATE payouts_hold SET remaining_minor = remaining_minor - 1 WHERE remaining_minor > 0")


@corrupts("earnings_posted_once")
def an_earning_is_cut_off_from_its_posting(_: Books) -> None:
    spoil(
        """INSERT INTO payouts_earning (public_id, source, external_id, seller_id, kind, order_ref, occurred_at, currency, gross_minor, fee_minor,
                                        net_minor, fingerprint, available_at, pending_minor, uncovered_minor, line_no, recorded_at)
           SELECT 'ern_planted', source, 'planted', seller_id, kind, order_ref, occurred_at, currency, gross_minor, fee_minor, net_minor,
                  fingerprint, available_at, 0, 0, 0, recorded_at FROM payouts_earning ORDER BY id LIMIT 1"""
    )


@corrupts("postings_have_earning")
def a_sale_is_booked_without_an_earning(_: Books) -> None:
    book("sale", platform("psp.clearing", "EUR", 100, "psp"), platform("revenue.commission", "EUR", -100))


@corrupts("pending_by_sale")
def a_sale_forgets_a_cent_of_its_pending_money(_: Books) -> None:
    spoil("UPDATE payouts_earning SET pending_minor = pending_minor - 1 WHERE pending_minor > 0")


@corrupts("rejected_lines_have_reason")
def a_rejected_line_loses_its_reason(_: Books) -> None:
    spoil("UPDATE payouts_rejectedline SET reason = ''")


@corrupts("imports_account_for_every_line")
def an_import_loses_a_line(_: Books) -> None:
    spoil("UPDATE payouts_earningimport SET accepted = accepted - 1")


@corrupts("imports_account_for_every_line")
def an_import_loses_the_lines_it_rejected(_: Books) -> None:
    spoil("DELETE FROM payouts_rejectedline")


@corrupts(
    "one_effective_order_a_payout", "payouts_settled_when_paid", "sent_orders_are_posted_once", "history_agrees_with_status"
)
def a_settled_payout_is_sent_once_more(books: Books) -> None:
    spoil(
        f"""INSERT INTO payouts_paymentorder (public_id, payout_id, attempt, rail, payee_account_id, currency, amount_minor, end_to_end_id, key,
                request_hash, status, code, reason, raw_code, provider_ref, fence, tries, called, created_at)
            SELECT 'ord_planted', payout_id, 2, rail, payee_account_id, currency, amount_minor, 'planted', 'planted', request_hash, 'completed',
                   '', '', '', '', 0, 0, true, created_at
              FROM payouts_paymentorder WHERE payout_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.settled.pk})""",
        tables="payouts_paymentorder",
    )


@corrupts("orders_match_their_payout")
def an_order_carries_a_cent_too_much(books: Books) -> None:
    spoil(
        f"""UPDATE payouts_paymentorder SET amount_minor = amount_minor + 1
             WHERE payout_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.settled.pk})""",
        tables="payouts_paymentorder",
    )


@corrupts("orders_have_a_known_outcome", "history_agrees_with_status")
def an_order_has_been_on_the_wire_for_two_hours(books: Books) -> None:
    spoil(
        f"""UPDATE payouts_paymentorder SET status = 'sending', lease_until = clock_timestamp() - interval '2 hours'
             WHERE payout_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.submitted.pk})""",
        tables="payouts_paymentorder",
    )


@corrupts("sent_orders_are_posted_once")
def the_posting_of_a_sent_order_names_another(_: Books) -> None:
    spoil("UPDATE payouts_posting SET key = 'planted:' || key WHERE template = 'payout_sent'", tables="payouts_posting")


@corrupts("absent_orders_are_proved")
def two_attempts_are_called_absent_by_nobody(books: Books) -> None:
    spoil(
        f"""WITH made AS (
              INSERT INTO payouts_paymentorder (public_id, payout_id, attempt, rail, payee_account_id, currency, amount_minor, end_to_end_id,
                key, request_hash, status, code, reason, raw_code, provider_ref, fence, tries, called, created_at)
              SELECT 'ord_planted' || n, payout_id, 7 + n, rail, payee_account_id, currency, amount_minor, 'planted' || n, 'planted' || n,
                     request_hash, 'absent', '', '', '', '', 0, 0, true, created_at
                FROM payouts_paymentorder, generate_series(1, 2) AS n
               WHERE payout_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.settled.pk})
              RETURNING id)
            INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
            SELECT 'payment_order', made.id, step[1], step[2], 'staff:77', '', '', now()
              FROM made, (VALUES (1, ARRAY['', 'approved']), (2, ARRAY['approved', 'sending']), (3, ARRAY['sending', 'absent'])) AS v(n, step)
             ORDER BY made.id, n""",
        tables="payouts_paymentorder",
    )


@corrupts("refusals_of_people_are_proved")
def one_person_says_that_an_unknown_order_was_refused(books: Books) -> None:
    spoil(
        f"""WITH made AS (
              INSERT INTO payouts_paymentorder (public_id, payout_id, attempt, rail, payee_account_id, currency, amount_minor, end_to_end_id,
                key, request_hash, status, code, reason, raw_code, provider_ref, fence, tries, called, created_at)
              SELECT 'ord_planted', payout_id, 7, rail, payee_account_id, currency, amount_minor, 'planted', 'planted',
                     request_hash, 'rejected', '', '', '', '', 0, 0, true, created_at
                FROM payouts_paymentorder
               WHERE payout_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.settled.pk}) LIMIT 1
              RETURNING id)
            INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
            SELECT 'payment_order', made.id, step[1], step[2], 'staff:77', '', '', now()
              FROM made, (VALUES (1, ARRAY['', 'approved']), (2, ARRAY['approved', 'sending']), (3, ARRAY['sending', 'unknown']),
                                 (4, ARRAY['unknown', 'rejected'])) AS v(n, step)
             ORDER BY n""",
        tables="payouts_paymentorder",
    )


@corrupts("files_are_intact")
def a_file_for_the_bank_is_edited(_: Books) -> None:
    spoil("UPDATE payouts_railfile SET sealed = sealed || ' '::bytea", tables="payouts_railfile")


@corrupts("files_are_intact")
def an_order_leaves_its_file(_: Books) -> None:
    spoil("UPDATE payouts_paymentorder SET rail_file_id = NULL WHERE rail_file_id IS NOT NULL", tables="payouts_paymentorder")


@corrupts("postings_have_actor_and_template")
def a_posting_loses_its_actor(_: Books) -> None:
    spoil(f"UPDATE payouts_posting SET actor = '' WHERE id = {SALE}", tables="payouts_posting")


@corrupts("postings_have_actor_and_template")
def a_posting_names_a_template_nobody_knows(_: Books) -> None:
    spoil("UPDATE payouts_posting SET template = 'gift' WHERE template = 'hold'", tables="payouts_posting")


@corrupts("postings_have_actor_and_template")
def a_correction_has_one_pair_of_eyes(_: Books) -> None:
    spoil(
        "UPDATE payouts_posting SET template = 'adjustment', approver = actor WHERE template = 'hold'",
        tables="payouts_posting",
        constraints="payouts_posting.posting_by_two",
    )


@corrupts("payouts_have_four_eyes")
def a_payout_was_approved_by_its_maker(books: Books) -> None:
    spoil(f"UPDATE payouts_payout SET checker = maker WHERE run_id = {books.settled.pk}", tables="payouts_payout")


@corrupts("capabilities_equal_derivation")
def what_a_seller_may_do_is_set_by_hand(books: Books) -> None:
    spoil(f"UPDATE payouts_sellercapabilities SET pay_out_code = 'requirements_due' WHERE seller_id = {books.waiting.pk}")


@corrupts("history_agrees_with_status")
def a_sellers_status_is_changed_past_the_history(books: Books) -> None:
    spoil(f"UPDATE payouts_seller SET status = 'paused' WHERE id = {books.waiting.pk}")


@corrupts("history_agrees_with_status")
def a_subject_has_no_history_at_all(books: Books) -> None:
    spoil(
        f"DELETE FROM backoffice_statechange WHERE subject = 'seller' AND subject_id = {books.waiting.pk}",
        tables="backoffice_statechange",
    )


@corrupts("history_follows_allowed_moves")
def the_history_jumps(books: Books) -> None:
    spoil(
        f"""DELETE FROM backoffice_statechange WHERE subject = 'payout' AND to_state = 'pending'
               AND subject_id IN (SELECT id FROM payouts_payout WHERE run_id = {books.settled.pk})""",
        tables="backoffice_statechange",
    )


@corrupts("bank_entries_have_an_outcome")
def a_bank_line_was_applied_to_nothing(_: Books) -> None:
    spoil(
        """INSERT INTO payouts_bankfile (public_id, sha256, file_name, format, identity, sealed, sealed_sha256, data_key, summary, state, received_at, received_by)
           VALUES ('bkf_planted', 'planted', 'planted.xml', 'camt.053', 'planted', '', '', '', '{}', 'applied', now(), 'system:test')""",
        """INSERT INTO payouts_bankfileentry (public_id, bank_file_id, position, line_ref, servicer_ref, kind, account_iban, end_to_end_id,
                                              currency, direction, code, text, state, outcome, owner, created_at)
           SELECT 'bke_planted', id, 1, 'planted', '', 'booking', '', '', '', '', '', '', 'applied', '', '', now()
             FROM payouts_bankfile WHERE public_id = 'bkf_planted'""",
        tables="payouts_bankfile payouts_bankfileentry",
    )


@corrupts("events_are_delivered")
def an_event_has_been_failing_for_days(_: Books) -> None:
    spoil(
        """UPDATE backoffice_event SET delivered_at = NULL, dead_at = NULL, attempts = 3, next_try_at = clock_timestamp() - interval '2 days'
            WHERE id = (SELECT min(id) FROM backoffice_event)"""
    )


@corrupts("audit_chain_verifies")
def an_audit_entry_is_rewritten(books: Books) -> None:
    spoil(
        f"UPDATE backoffice_auditentry SET actor = '{books.checker}' WHERE action = 'build_run'",
        tables="backoffice_auditentry",
    )


@corrupts("audit_chain_verifies")
def an_audit_entry_vanishes(_: Books) -> None:
    spoil("DELETE FROM backoffice_auditentry WHERE chain_no = 2", tables="backoffice_auditentry")


# --- screening


def screened() -> None:
    """Add a list, a clean party, and one whose weaker hit is cleared; the pass of the list is over."""
    with tempfile.TemporaryDirectory() as folder:
        screening.load(Path(folder), at=AT)
    screening.make_party("Anna Bergqvist", at=AT)
    weaker = screening.make_party("Zoltan Vasquelle", at=AT)
    clear_hit(hit_id=weaker.hits.get().pk, reason="Born in another town.", actor=staff(9001), at=AT)
    work(at=AT)


@corrupts("strong_hits_cleared_by_two")
def a_strong_hit_was_cleared_by_one(_: Books) -> None:
    screened()
    spoil("UPDATE fraud_clearance SET strong = true, approved_by = 'staff:9002'", tables="fraud_clearance")


@corrupts("cleared_hits_have_clearance")
def a_clearance_is_stretched_to_another_entry(_: Books) -> None:
    screened()
    spoil("UPDATE fraud_clearance SET entry_fingerprint = 'another'", tables="fraud_clearance")


@corrupts("clean_parties_were_compared")
def a_clean_party_is_swapped(_: Books) -> None:
    screened()
    spoil("UPDATE fraud_party SET fingerprint = 'another' WHERE id = (SELECT min(id) FROM fraud_party WHERE state = 'clean')")


@corrupts("due_parties_are_in_the_queue")
def a_due_party_leaves_the_queue(_: Books) -> None:
    screening.make_due_party("Bo Carlsen", at=AT)
    spoil("UPDATE fraud_party SET next_try_at = NULL WHERE state = 'due'")


@corrupts("lists_are_covered")
def a_party_was_never_compared_with_the_version_in_use(_: Books) -> None:
    screened()
    spoil("UPDATE fraud_party SET covers = '{}' WHERE state = 'clean'")


@corrupts("server_answers_are_fresh")
def an_answer_of_an_older_server_stays(_: Books) -> None:
    screened()
    spoil(
        f"""INSERT INTO fraud_serveredition (dataset, number, edition, since_at, seen_at, made_due, done_at)
            VALUES ('{settings.YENTE_DATASET}', 2, 'planted', now(), now(), 0, now())""",
        """UPDATE fraud_party SET covers = covers || '{"yente": 1}' WHERE id = (SELECT min(id) FROM fraud_party WHERE state = 'clean')""",
    )


@corrupts("erased_parties_are_empty")
def an_erased_party_can_still_be_compared(_: Books) -> None:
    screened()
    spoil(
        "UPDATE fraud_party SET erased_at = now() WHERE id = (SELECT min(id) FROM fraud_party WHERE state = 'clean')",
        tables="fraud_party",
    )


@corrupts("list_versions_add_up")
def entries_vanish_from_a_list(_: Books) -> None:
    screened()
    spoil("DELETE FROM fraud_listentry WHERE source_id = 'd4'", tables="fraud_listentry")


# --- tax reports


@corrupts("tax_reports_reconcile")
def a_line_of_a_filed_report_grows_by_a_cent(_: Books) -> None:
    file_everything(2026, AT)
    spoil("UPDATE payouts_taxreportline SET consideration[2] = consideration[2] + 1", tables="payouts_taxreportline")


@corrupts("tax_files_intact")
def a_filed_file_is_exchanged(_: Books) -> None:
    file_everything(2026, AT)
    spoil(
        "UPDATE payouts_taxreportfile SET sealed = sealed || 'x'::bytea WHERE name LIKE '%.xml'", tables="payouts_taxreportfile"
    )


@corrupts("tax_reports_filed_by_two")
def who_froze_a_report_has_filed_it(_: Books) -> None:
    file_everything(2026, AT)
    spoil("UPDATE payouts_taxreport SET filed_by = frozen_by", tables="payouts_taxreport")


@corrupts("tax_stops_were_announced")
def payouts_are_to_stop_a_day_early(_: Books) -> None:
    keep_tax_data(actor=ROBOT, at=AT)
    spoil(
        """UPDATE payouts_taxfile SET reminded_at = asked_at + interval '20 days', reminded_again_at = asked_at + interval '40 days',
                  stops_at = asked_at + interval '59 days'"""
    )


# --- disputes and inbound events


@corrupts("dispute_movements_posted_once")
def a_dispute_movement_costs_a_cent_more(books: Books) -> None:
    make_dispute(books.french)
    spoil(
        "UPDATE billing_disputemovement SET fee_minor = fee_minor + 1, net_minor = net_minor - 1",
        tables="billing_disputemovement",
    )


@corrupts("dispute_postings_have_movement")
def a_dispute_fee_is_booked_by_hand(_: Books) -> None:
    fee = Leg("psp.clearing", 0, "psp", "EUR", -1_500)
    book("dispute_withdrawn", platform("expense.dispute", "EUR", 1_500), fee, source_kind="dispute")


@corrupts("dispute_claims_agree")
def a_claim_is_booked_for_no_dispute(_: Books) -> None:
    claim = Leg("receivable.dispute", 0, "dsp_nobody", "EUR", 100)
    book("dispute_lost", claim, platform("expense.dispute", "EUR", -100), source_kind="dispute")


@corrupts("lost_disputes_are_charged", "dispute_claims_agree")
def a_lost_dispute_forgets_whom_it_charged(books: Books) -> None:
    make_dispute(books.french, status="lost")
    spoil("UPDATE billing_dispute SET settled_minor = 0")


@corrupts("dispute_answers_have_an_outcome")
def a_worker_never_says_what_became_of_an_answer(books: Books) -> None:
    dispute = make_dispute(books.french)
    accept_dispute(dispute_id=dispute.pk, actor=ROBOT, at=AT, reason="Lost parcel.")
    send_next(AT)


@corrupts("inbound_events_are_done")
def an_inbound_event_is_never_looked_at(books: Books) -> None:
    bring_events(books.french)


@corrupts("dead_events_say_why", "history_agrees_with_status")
def an_inbound_event_dies_without_a_word(books: Books) -> None:
    bring_events(books.french, worked=True)
    spoil("UPDATE billing_inboundevent SET state = 'dead', code = ''")


# --- subscriptions, their collection, invoices


def a_renewed_subscription() -> Subscription:
    """A subscription that was renewed once and paid for twice; a change and a coupon are on it."""
    with claims_in_place():
        create_coupon(code="BOOKS", duration="forever", basis_points=1_000, actor=ROBOT, at=BILLED_AT)
        row = subscribe(
            subscriber(gateway_method="fake_ok"),
            make_price([{"code": "seat", "measure": "seats", "unit_minor": 3_100}]),
            coupon="BOOKS",
            seats=4,
        )
        collect(actor=ROBOT, at=BILLED_AT)
        due_at = Subscription.objects.get(pk=row.pk).current_period_end
        renew_subscriptions(actor=ROBOT, at=due_at)
        collect(actor=ROBOT, at=due_at)
        while relay(at=due_at):
            pass
    return Subscription.objects.get(pk=row.pk)


def an_overdue_subscription() -> Subscription:
    """One that owes for its first period: its card is declined, nothing was collected."""
    with claims_in_place():
        row = subscribe(subscriber(gateway_method="fake_declined"), make_price())
        collect(actor=ROBOT, at=BILLED_AT)
    return row


@corrupts("nothing_planned_for_ended_collections")
def an_attempt_is_planned_for_what_is_paid(books: Books) -> None:
    a_renewed_subscription()
    spoil(
        """INSERT INTO billing_collectionattempt (public_id, collection_id, number, trigger, planned_at, status, balance_minor, card_minor, payment, code)
           SELECT kit_typeid('cat'), id, 9, 'dunning', now(), 'planned', 0, 0, '', '' FROM billing_collection WHERE status = 'settled' LIMIT 1""",
        """INSERT INTO backoffice_statechange (subject, from_state, to_state, actor, reason, code, at, subject_id)
           SELECT 'collection_attempt', '', 'planned', 'system:test', '', '', now(), max(id) FROM billing_collectionattempt""",
        tables="billing_collectionattempt",
    )


@corrupts("attempts_explain_collections")
def an_attempt_says_it_brought_more_than_was_collected(books: Books) -> None:
    a_renewed_subscription()
    spoil(
        "UPDATE billing_collectionattempt SET card_minor = card_minor + 1 WHERE status = 'succeeded'",
        tables="billing_collectionattempt",
    )


@corrupts("settled_is_collected")
def what_is_still_owed_counts_as_collected(books: Books) -> None:
    an_overdue_subscription()
    spoil("UPDATE billing_collection SET collected_minor = amount_minor WHERE status = 'exhausted'", tables="billing_collection")


@corrupts("attempts_have_an_outcome", "history_agrees_with_status")
def an_attempt_runs_for_ever(books: Books) -> None:
    an_overdue_subscription()
    spoil(
        "UPDATE billing_collectionattempt SET status = 'running', started_at = now() - interval '2 hours' WHERE status = 'failed'",
        tables="billing_collectionattempt",
    )


@corrupts("renewals_are_unbroken")
def a_period_is_renewed_that_has_not_begun(books: Books) -> None:
    a_renewed_subscription()
    spoil("UPDATE billing_renewalitem SET period_start = period_start + interval '1 month'", tables="billing_renewalitem")


@corrupts("renewals_are_invoiced")
def a_renewal_loses_its_invoice(books: Books) -> None:
    a_renewed_subscription()
    spoil("UPDATE billing_renewalitem SET invoice = ''", tables="billing_renewalitem")


@corrupts("subscriptions_are_awake")
def a_subscription_sleeps_past_its_period(books: Books) -> None:
    row = a_renewed_subscription()
    spoil(f"UPDATE billing_subscription SET next_at = NULL WHERE id = {row.pk}", tables="billing_subscription")


@corrupts("changes_follow_their_payment", "history_agrees_with_status")
def a_change_that_was_paid_for_still_waits(books: Books) -> None:
    row = a_renewed_subscription()
    with claims_in_place():
        change_subscription(subscription_id=row.pk, seats=9, key="up", actor=ROBOT, at=row.current_period_start)
        collect(actor=ROBOT, at=row.current_period_start)
    spoil("UPDATE billing_subscriptionchange SET status = 'awaiting_payment'", tables="billing_subscriptionchange")


@corrupts("coupons_within_limits")
def a_coupon_forgets_that_it_was_given(books: Books) -> None:
    a_renewed_subscription()
    spoil("UPDATE billing_coupon SET redemptions = 0")


@corrupts("invoices_add_up")
def a_line_of_an_invoice_is_edited(books: Books) -> None:
    make_invoice(make_customer(books.french))
    spoil("UPDATE billing_invoiceline SET amount_minor = amount_minor + 1", tables="billing_invoiceline")


@corrupts("invoices_add_up")
def tax_is_charged_that_no_rate_explains(books: Books) -> None:
    make_invoice(make_customer(books.french))
    spoil("UPDATE billing_invoicetax SET tax_minor = tax_minor - 1", tables="billing_invoicetax")


@corrupts("credit_notes_add_up")
def more_of_a_line_is_credited_than_it_was(books: Books) -> None:
    invoice = make_invoice(make_customer(books.french))
    issue_credit_note(
        invoice_id=invoice.pk, lines=[CreditLine(1, 1_000)], settlement="offset", reason_code="goodwill", reason="A slow day.",
        actor=ROBOT, at=BILLED_AT, key="books",
    )  # fmt: skip
    spoil("UPDATE billing_creditnoteline SET amount_minor = 10001", tables="billing_creditnoteline")


@corrupts("receivables_agree")
def a_receivable_is_booked_that_no_invoice_claims(books: Books) -> None:
    customer = make_customer(books.french)
    book("card_refunded", Leg("receivable.invoice", customer.pk, "", "EUR", 500), platform("psp.clearing", "EUR", -500, "psp"))


@corrupts("applications_are_booked", "invoices_add_up")
def a_payment_is_applied_that_nobody_booked(books: Books) -> None:
    invoice = make_invoice(make_customer(books.french))
    spoil(
        f"""INSERT INTO billing_application (public_id, invoice_id, source, amount_minor, currency, payment, posting_id, actor, at)
            SELECT kit_typeid('app'), id, 'card', 500, currency, 'pmt_x', NULL, 'system:test', now() FROM billing_invoice WHERE id = {invoice.pk}""",
        tables="billing_application",
    )


@corrupts("no_gap_in_numbers")
def a_number_is_taken_that_stands_on_no_document(books: Books) -> None:
    make_invoice(make_customer(books.french))
    spoil("UPDATE billing_numberseries SET last_number = last_number + 1", tables="billing_numberseries")


# --- reconciliation


def told_by_others() -> None:
    """A match, a charge we did not book, and a line of the bank nobody explains."""
    balance = reconciliation.Balance()
    balance.add("charge", 5_000, reference="order-1")
    balance.add("charge", 100, reference="order-9")
    reconciliation.book("order-9", 100)
    reconciliation.fetch(balance)
    reconciliation.bank([(700, "X", "who knows", 0)])
    reconciliation.match()


@corrupts("their_lines_are_matched_or_broken", "history_agrees_with_status")
def a_break_is_swept_under_the_carpet(_: Books) -> None:
    told_by_others()
    spoil("UPDATE billing_break SET state = 'cleared'")


@corrupts("bank_lines_are_staged")
def a_line_of_the_bank_is_not_held_against_anything(_: Books) -> None:
    told_by_others()
    spoil("UPDATE billing_stagedline SET bank_entry_id = NULL WHERE source = 'bank'", tables="billing_stagedline")


@corrupts("matches_add_up")
def a_matched_line_grows_by_a_cent(_: Books) -> None:
    told_by_others()
    grown = "UPDATE billing_stagedline SET amount_minor = amount_minor + 1 WHERE state = 'matched' AND side = 'ours' AND reference = 'order-9'"
    spoil(grown, tables="billing_stagedline")


@corrupts("matched_lines_have_matches", "history_agrees_with_status")
def a_line_of_a_match_says_it_has_none(_: Books) -> None:
    told_by_others()
    spoil(
        "UPDATE billing_stagedline SET state = 'needs_review' WHERE state = 'matched' AND side = 'ours'",
        tables="billing_stagedline",
    )


@corrupts("corrections_have_two_people", "history_agrees_with_status", "their_lines_are_matched_or_broken")
def a_break_counts_as_corrected_by_nobody(_: Books) -> None:
    told_by_others()
    spoil("UPDATE billing_break SET state = 'corrected'", tables="billing_break")


# --- webhooks to partners


@corrupts("deliveries_are_done")
def a_delivery_is_forgotten(books: Books) -> None:
    happen(make_endpoint(at=AT).partner, at=AT)


@corrupts("delivered_was_answered")
def a_delivery_counts_as_delivered_without_an_answer(books: Books) -> None:
    happen(make_endpoint(at=AT).partner, at=AT)
    (one,) = claim_due(at=AT, limit=1)
    record(one.delivery_id, one.claim, Answered(204, "delivered", 5), at=AT)
    spoil("UPDATE backoffice_deliveryattempt SET http_status = 500")


# --- decisions, lists, rules and models


@corrupts("decisions_add_up")
def a_decision_scores_more_than_its_rules(_: Books) -> None:
    fraud.furnish()
    spoil("UPDATE fraud_decision SET score = score + 5", tables="fraud_decision")


@corrupts("stopping_decisions_say_why")
def a_held_decision_loses_its_reason(_: Books) -> None:
    fraud.furnish()
    spoil("UPDATE fraud_decision SET code = '' WHERE outcome = 'hold'", tables="fraud_decision")


@corrupts("stopped_subjects_have_a_review")
def what_was_held_is_put_before_nobody(_: Books) -> None:
    fraud.furnish()
    spoil("UPDATE fraud_decisionreview SET subject = 'another'", tables="fraud_decisionreview")


@corrupts("payouts_held_by_rules_have_a_decision", "history_agrees_with_status", "payouts_have_four_eyes")
def a_payout_is_held_in_the_name_of_a_rule(_: Books) -> None:
    fraud.make_live(point="payout", code="planted")
    spoil(
        "UPDATE payouts_payout SET status = 'held', status_code = 'planted' WHERE id = (SELECT min(id) FROM payouts_payout WHERE status IN ('approved', 'needs_approval', 'held'))",
        tables="payouts_payout",
    )


@corrupts("allowed_values_have_two_people")
def a_value_is_allowed_by_one(_: Books) -> None:
    fraud.make_listed("allowed", "buyer", "b1")
    spoil("UPDATE fraud_listedvalue SET approved_by = 'staff:9009'", tables="fraud_listedvalue")


@corrupts("live_rules_have_two_people")
def a_live_rule_says_something_else_than_was_approved(_: Books) -> None:
    fraud.make_live()
    spoil("UPDATE fraud_ruleversion SET content_hash = 'another'", tables="fraud_ruleversion")


@corrupts("the_set_is_what_is_live")
def the_set_forgets_a_live_rule(_: Books) -> None:
    fraud.make_live()
    spoil("UPDATE fraud_ruleset SET members = '[]' WHERE id = (SELECT max(id) FROM fraud_ruleset)", tables="fraud_ruleset")


@corrupts("decisions_can_be_made_again")
def a_decision_came_out_differently_when_made_again(_: Books) -> None:
    fraud.furnish()
    spoil("UPDATE fraud_replay SET agreed = 0", tables="fraud_replay")


@corrupts("wanted_holds_are_held")
def a_wanted_hold_asks_for_more_than_the_sale_left(books: Books) -> None:
    sold = Earning.objects.filter(kind="sale", net_minor__gt=0).first()
    assert sold is not None
    WantedHold.objects.create(
        decision=fraud.furnish(),
        seller=sold.seller,
        earning=sold,
        currency=sold.currency,
        amount_minor=sold.net_minor,
        asked_at=AT,
    )
    born(WANTED, WantedHold.objects.get(), actor=ROBOT, at=AT)
    spoil("UPDATE fraud_wantedhold SET amount_minor = amount_minor + 1", tables="fraud_wantedhold")


@corrupts("sales_were_decided_before_their_money_was_free")
def money_of_a_sale_matured_before_anybody_decided_on_it(_: Books) -> None:
    matured = Earning.objects.filter(kind="sale", matured_at__isnull=False).first()
    assert matured is not None
    SaleToDecide.objects.create(earning=matured, asked_at=AT)


@corrupts("risk_reserves_are_kept")
def a_reserve_by_risk_has_a_plan_of_another_share(_: Books) -> None:
    fraud.make_live("event.amount_minor > 1000", effect="score", score=1, reserve_basis_points=1_000, reserve_days=30)
    decide_on_sale(make_seller())
    keep_reserves(actor=ROBOT, at=fraud.AT)
    spoil("UPDATE payouts_reserveplan SET basis_points = 999", tables="payouts_reserveplan")


@corrupts("live_models_have_two_people")
def a_live_model_weighs_otherwise_than_was_approved(_: Books) -> None:
    fraud.make_model()
    spoil("UPDATE fraud_modelversion SET content_hash = 'another'", tables="fraud_modelversion")


@corrupts("models_only_ask_for_a_look")
def a_model_is_asked_from_another_threshold(_: Books) -> None:
    fraud.make_model()
    assert fraud.ask(amount_minor=90_000).because == "model"
    spoil("UPDATE fraud_modelversion SET review_from = 999", tables="fraud_modelversion")


# --- cases, exposure and the figures behind them


def a_case(books: Books) -> Case:
    return furnish_cases(books.french, books.maker, books.checker, at=AT)


@corrupts("cases_count_their_alerts")
def an_alert_is_not_counted(books: Books) -> None:
    case = a_case(books)
    spoil(f"UPDATE fraud_case SET alerts_count = alerts_count + 1 WHERE id = {case.pk}")


@corrupts("cases_end_whole", "history_agrees_with_status")
def a_case_closes_over_a_decision_that_waits(books: Books) -> None:
    case = a_case(books)
    spoil(
        f"UPDATE fraud_case SET state = 'closed', label = 'fraud', closed_by = 'x', closed_at = now() WHERE id = {case.pk}",
        tables="fraud_case",
    )


@corrupts("closed_cases_taught_the_rules")
def a_closed_case_taught_nothing(books: Books) -> None:
    make_live("event.amount_minor > 1000", effect="block")
    decision = decide_on_sale(books.french, amount_minor=5_000)
    case = make_alert(books.french, source="decision", reference=decision.public_id, decision=decision, at=AT).case
    claim_case(case_id=case.pk, actor=books.checker, at=AT)
    close_case(case_id=case.pk, label="fraud", reason="r", actor=books.checker, at=AT)
    spoil("DELETE FROM fraud_fraudlabel WHERE source = 'analyst'", tables="fraud_fraudlabel")


@corrupts("case_decisions_have_two_people")
def a_decision_is_called_approved_by_nobody(books: Books) -> None:
    a_case(books)
    spoil(
        "UPDATE fraud_casedecision SET takes_two = true, approved_by = 'staff:999999' WHERE state = 'done' AND kind = 'pause'",
        tables="fraud_casedecision",
    )


@corrupts("large_releases_took_two_people")
def a_large_release_is_called_small(books: Books) -> None:
    a_case(books)
    spoil(
        "UPDATE fraud_casedecision SET kind = 'release', amount_minor = 90000000, target = 'planted' WHERE state = 'done' AND NOT takes_two",
        tables="fraud_casedecision",
    )


@corrupts("reports_were_filed_by_another")
def a_report_is_filed_by_nobody(books: Books) -> None:
    a_case(books)
    report = SuspicionReport.objects.get()
    file_report(report_id=report.pk, filed_ref="F-1", actor=books.checker, at=AT)
    spoil("UPDATE fraud_suspicionreport SET sha256 = repeat('0', 64)", tables="fraud_suspicionreport")


@corrupts("fraud_policies_have_two_people")
def figures_come_in_force_by_one(books: Books) -> None:
    a_case(books)
    spoil(
        "UPDATE fraud_fraudpolicy SET approved_by = 'staff:999999' WHERE number = 2 AND kind = 'cases'",
        tables="fraud_fraudpolicy",
    )


@corrupts("exposure_is_the_sum_of_its_parts", "nights_are_the_sum_of_their_sellers")
def an_exposure_is_made_smaller(books: Books) -> None:
    snapshot_exposure(actor=ROBOT, at=AT)
    spoil(
        "UPDATE fraud_exposuresnapshot SET exposure_minor = exposure_minor - 1 WHERE exposure_minor > 0",
        tables="fraud_exposuresnapshot", constraints="fraud_exposuresnapshot.exposure_adds_up",
    )  # fmt: skip


@corrupts("nights_are_the_sum_of_their_sellers")
def a_night_says_more_than_its_sellers(books: Books) -> None:
    snapshot_exposure(actor=ROBOT, at=AT)
    spoil("UPDATE fraud_exposurenight SET exposure_minor = exposure_minor + 1", tables="fraud_exposurenight")


@corrupts("crossed_thresholds_were_told")
def a_crossed_threshold_is_kept_quiet(books: Books) -> None:
    for day in (0, 1):
        snapshot_exposure(actor=ROBOT, at=AT + timedelta(days=day))
    spoil(
        """UPDATE fraud_exposuresnapshot SET level = 'critical', reasons = '["exposure"]'
            WHERE "on" = (SELECT max("on") FROM fraud_exposuresnapshot) AND level = ''""",
        tables="fraud_exposuresnapshot",
    )


# --- payments and refunds


def a_paid_claim() -> Payment:
    """Return a payment that settled an invoice."""
    customer = payments.make_customer()
    return payments.make_payment(customer, 4_000, purpose=payments.make_claim(customer, 4_000))


def a_refund(*, sent: bool = False) -> Refund:
    """Return a refund of a part of a paid claim, approved, or through."""
    refund = request_refund(
        payment_id=a_paid_claim().pk, amount_minor=1_000, reason="A scratch.", actor=ROBOT, at=payments.AT, key="planted"
    )
    if sent:
        call_gateways(at=payments.AT)
        refund.refresh_from_db()
        assert refund.status == "succeeded"
    return refund


def a_payment_to_be_sent() -> Payment:
    return request_payment(
        customer_id=payments.make_customer().pk, amount_minor=4_000, currency="EUR", purpose="order-9", off_session=True, actor=ROBOT,
        at=payments.AT, key="planted",
    )  # fmt: skip


@corrupts("one_effective_gateway_attempt")
def a_payment_was_charged_by_two_calls(_: Books) -> None:
    once, twice = a_paid_claim(), a_paid_claim()
    spoil(
        f"UPDATE billing_attempt SET target = '{once.public_id}', number = 2 WHERE target = '{twice.public_id}'",
        tables="billing_attempt",
    )


@corrupts("gateway_attempts_have_a_known_outcome", "history_agrees_with_status")
def a_call_is_made_for_hours(_: Books) -> None:
    a_refund()
    spoil(
        "UPDATE billing_attempt SET status = 'calling', lease_until = now() - interval '2 hours' WHERE kind = 'refund'",
        tables="billing_attempt",
    )


@corrupts("payments_agree_with_their_attempts", "history_agrees_with_status")
def nobody_will_make_a_payment_s_call(_: Books) -> None:
    asked = a_payment_to_be_sent()
    spoil(f"UPDATE billing_attempt SET status = 'canceled' WHERE target = '{asked.public_id}'", tables="billing_attempt")


@corrupts("captures_are_posted_once")
def a_capture_is_booked_for_nobody(_: Books) -> None:
    paid = a_paid_claim()
    spoil(f"UPDATE payouts_posting SET key = 'nobody' WHERE key = '{paid.public_id}'", tables="payouts_posting")


@corrupts("only_paid_payments_captured")
def an_unsent_payment_has_captured(_: Books) -> None:
    asked = a_payment_to_be_sent()
    spoil(f"UPDATE billing_payment SET captured_minor = 4000 WHERE id = {asked.pk}", tables="billing_payment")


@corrupts("refunds_and_disputes_within_captured")
def what_went_back_is_disputed_as_well(_: Books) -> None:
    refund = a_refund(sent=True)
    spoil(f"UPDATE billing_payment SET disputed_minor = captured_minor WHERE id = {refund.payment_id}", tables="billing_payment")


@corrupts("refunds_are_posted_once")
def a_refund_is_booked_for_nobody(_: Books) -> None:
    refund = a_refund(sent=True)
    spoil(
        f"UPDATE payouts_posting SET key = 'nobody' WHERE key = '{refund.public_id}' AND template = 'card_refunded'",
        tables="payouts_posting",
    )


@corrupts("shares_follow_their_refunds")
def a_refund_says_it_took_a_share(_: Books) -> None:
    refund = a_refund(sent=True)
    spoil(f"UPDATE billing_refund SET share_taken = true, share_minor = 900 WHERE id = {refund.pk}", tables="billing_refund")


@corrupts("refunds_by_two_above_the_limit")
def a_refund_names_somebody_who_never_approved(_: Books) -> None:
    refund = a_refund(sent=True)
    spoil(f"UPDATE billing_refund SET checker = 'staff:1' WHERE id = {refund.pk}", tables="billing_refund")


# --- the tests


def broken(verdicts: list[Verdict]) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in verdicts if not verdict.ok}


def test_the_books_of_the_small_marketplace_are_clean(planted: Books) -> None:
    verdicts = check_books()

    assert {name: verdict.rows or verdict.error for name, verdict in broken(verdicts).items()} == {}
    assert len(verdicts) == len(TRUTHS)


def test_every_truth_has_a_planted_corruption() -> None:
    assert {truth.name for truth in TRUTHS} - {one.truth for one in PLANTED} == set()


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: f"{one.truth}-{one.how}")
def test_a_planted_corruption_is_named_and_nothing_else_is_red(planted: Books, one: Planted) -> None:
    one.plant(planted)

    red = broken(check_books())

    assert set(red) == {one.truth} | one.also
    assert red[one.truth].broken >= 1
    assert red[one.truth].rows, "the offending rows are shown"
    assert not any(verdict.error for verdict in red.values())


def test_the_command_exits_with_zero_and_says_so_when_the_books_are_clean(planted: Books) -> None:
    out = io.StringIO()

    call_command("check_books", as_json=True, stdout=out)

    answer = json.loads(out.getvalue())
    assert answer["clean"] is True
    assert {truth["name"] for truth in answer["truths"]} == {truth.name for truth in TRUTHS}


def test_the_command_exits_with_one_and_shows_the_rows_when_a_truth_is_broken(planted: Books) -> None:
    money_is_reserved_without_a_hold(planted)
    out = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("check_books", as_json=True, stdout=out)

    answer = json.loads(out.getvalue())
    assert ended.value.code == 1
    assert answer["clean"] is False
    (red,) = [truth for truth in answer["truths"] if not truth["ok"]]
    assert red["name"] == "reserved_equals_holds"
    assert red["rows"][0]["seller_id"] == planted.french.pk


def test_the_command_for_people_names_the_broken_truth_and_its_rows(planted: Books) -> None:
    money_is_reserved_without_a_hold(planted)
    out = io.StringIO()

    with pytest.raises(SystemExit):
        call_command("check_books", truth=[5], stdout=out)

    said = out.getvalue()
    assert "BROKEN  5  seller.reserved is the sum of what live holds and reserves still keep." in said
    assert f"seller_id={planted.french.pk}" in said
    assert "THE BOOKS ARE NOT CLEAN." in said


def test_a_check_that_cannot_run_is_red_and_says_why(planted: Books) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE payouts_hold RENAME COLUMN remaining_minor TO left_over")

    red = broken(check_books({5}))

    assert set(red) == {"reserved_equals_holds"}
    assert red["reserved_equals_holds"].error.startswith("could not check: ProgrammingError")
