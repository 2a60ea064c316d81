"""The frame around every page: which environment this is, and the way through the house."""

from __future__ import annotations

import functools
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.text import slugify

# group → (title, icon, url name, permission that shows it)
NAVIGATION: list[tuple[str, list[tuple[str, str, str, str]]]] = [
    (
        "",
        [("Desk", "space_dashboard", "admin:index", "")],
    ),
    (
        "Payouts",
        [
            ("Plan a run", "event_note", "admin:payouts_payoutrun_plan", "payouts.build_run"),
            ("Payout runs", "playlist_add_check", "admin:payouts_payoutrun_changelist", "payouts.view_payoutrun"),
            ("Payouts", "payments", "admin:payouts_payout_changelist", "payouts.view_payout"),
            ("Trade-ins", "phone_iphone", "admin:payouts_tradein_changelist", "payouts.view_tradein"),
            ("Payment orders", "outbox", "admin:payouts_paymentorder_changelist", "payouts.view_paymentorder"),
            ("Files to the bank", "upload_file", "admin:payouts_railfile_changelist", "payouts.view_railfile"),
            ("Files from the bank", "account_balance", "admin:payouts_bankfile_changelist", "payouts.view_bankfile"),
            ("Bank entries", "receipt_long", "admin:payouts_bankfileentry_changelist", "payouts.view_bankfileentry"),
        ],
    ),
    (
        "Sellers",
        [
            ("Sellers", "storefront", "admin:payouts_seller_changelist", "payouts.view_seller"),
            ("Review queue", "fact_check", "admin:payouts_requirement_review_queue", "payouts.review_sellers"),
            ("Requirements", "checklist", "admin:payouts_requirement_changelist", "payouts.view_requirement"),
            ("Documents", "description", "admin:payouts_document_changelist", "payouts.view_document"),
            ("Persons", "badge", "admin:payouts_person_changelist", "payouts.view_person"),
            ("Payee accounts", "credit_card", "admin:payouts_payeeaccount_changelist", "payouts.view_payeeaccount"),
            ("Holds", "lock", "admin:payouts_hold_changelist", "payouts.view_hold"),
            ("Reserve plans", "savings", "admin:payouts_reserveplan_changelist", "payouts.view_reserveplan"),
            ("Tiers", "stairs", "admin:payouts_tier_changelist", "payouts.view_tier"),
            ("Minimum payouts", "vertical_align_bottom", "admin:payouts_minimumpayout_changelist", "payouts.view_minimumpayout"),
        ],
    ),
    (
        "Earnings",
        [
            ("Imports", "upload", "admin:payouts_earningimport_changelist", "payouts.view_earningimport"),
            ("Rejected lines", "rule", "admin:payouts_rejectedline_changelist", "payouts.view_rejectedline"),
            ("Earnings", "sell", "admin:payouts_earning_changelist", "payouts.view_earning"),
        ],
    ),
    (
        "Ledger",
        [
            ("Trial balance", "balance", "admin:payouts_account_trial_balance", "payouts.view_account"),
            ("Accounts", "account_tree", "admin:payouts_account_changelist", "payouts.view_account"),
            ("Postings", "menu_book", "admin:payouts_posting_changelist", "payouts.view_posting"),
            ("Entries", "list_alt", "admin:payouts_entry_changelist", "payouts.view_entry"),
            ("Periods", "calendar_month", "admin:payouts_period_changelist", "payouts.view_period"),
            ("Checks of the books", "fact_check", "admin:backoffice_bookscheck_changelist", "backoffice.view_bookscheck"),
        ],
    ),
    (
        "Billing",
        [
            ("Customers", "contact_page", "admin:billing_customer_changelist", "billing.view_customer"),
            ("Invoices", "request_quote", "admin:billing_invoice_changelist", "billing.view_invoice"),
            ("Aging", "hourglass_bottom", "admin:billing_invoice_aging", "billing.view_invoice"),
            ("Credit notes", "undo", "admin:billing_creditnote_changelist", "billing.view_creditnote"),
            ("Number series", "format_list_numbered", "admin:billing_numberseries_changelist", "billing.view_numberseries"),
            ("Legal entities", "domain", "admin:billing_legalentity_changelist", "billing.view_legalentity"),
            ("Tax rates", "percent", "admin:billing_taxrate_changelist", "billing.view_taxrate"),
        ],
    ),
    (
        "Subscriptions",
        [
            ("Subscriptions", "autorenew", "admin:billing_subscription_changelist", "billing.view_subscription"),
            ("Collections", "point_of_sale", "admin:billing_collection_changelist", "billing.view_collection"),
            ("Renewal batches", "event_repeat", "admin:billing_renewalbatch_changelist", "billing.view_renewalbatch"),
            ("Renewals", "checklist_rtl", "admin:billing_renewalitem_changelist", "billing.view_renewalitem"),
            ("Plans", "sell", "admin:billing_plan_changelist", "billing.view_plan"),
            ("Prices", "price_change", "admin:billing_price_changelist", "billing.view_price"),
            ("Coupons", "loyalty", "admin:billing_coupon_changelist", "billing.view_coupon"),
            ("Dunning policies", "schedule_send", "admin:billing_dunningpolicy_changelist", "billing.view_dunningpolicy"),
            ("Brakes", "front_hand", "admin:billing_billingbrake_changelist", "billing.view_billingbrake"),
        ],
    ),
    (
        "Money in",
        [
            ("Payments", "payments", "admin:billing_payment_changelist", "billing.view_payment"),
            ("Refunds", "undo", "admin:billing_refund_changelist", "billing.view_refund"),
            ("Calls of gateways", "swap_calls", "admin:billing_attempt_changelist", "billing.view_attempt"),
            ("Card set-ups", "credit_card", "admin:billing_cardsetup_changelist", "billing.view_cardsetup"),
            ("Limits of refunds", "rule", "admin:billing_refundlimit_changelist", "billing.view_refundlimit"),
        ],
    ),
    (
        "Disputes",
        [
            ("Disputes", "gavel", "admin:billing_dispute_changelist", "billing.view_dispute"),
            ("Answers sent", "send", "admin:billing_disputesubmission_changelist", "billing.view_disputesubmission"),
            ("Dispute policy", "tune", "admin:billing_disputepolicy_changelist", "billing.view_disputepolicy"),
            ("Inbound events", "move_to_inbox", "admin:billing_inboundevent_changelist", "billing.view_inboundevent"),
        ],
    ),
    (
        "Reconciliation",
        [
            ("Breaks", "difference", "admin:billing_break_changelist", "billing.view_break"),
            ("Coverage", "donut_large", "admin:billing_reconciliationrun_coverage", "billing.view_reconciliationrun"),
            ("Matches", "join_inner", "admin:billing_matchgroup_changelist", "billing.view_matchgroup"),
            ("Staged lines", "format_list_bulleted", "admin:billing_stagedline_changelist", "billing.view_stagedline"),
            ("Provider payouts", "move_to_inbox", "admin:billing_providerpayout_changelist", "billing.view_providerpayout"),
            ("Rules of matching", "rule", "admin:billing_matchrulebook_changelist", "billing.view_matchrulebook"),
            ("Passes", "history", "admin:billing_reconciliationrun_changelist", "billing.view_reconciliationrun"),
        ],
    ),
    (
        "Fraud",
        [
            ("Cases", "cases", "admin:fraud_case_changelist", "fraud.view_case"),
            ("Case decisions", "approval_delegation", "admin:fraud_casedecision_changelist", "fraud.view_casedecision"),
            ("Suspicion reports", "assured_workload", "admin:fraud_suspicionreport_changelist", "fraud.view_suspicionreport"),
            ("Exposure", "monitoring", "admin:fraud_exposuresnapshot_overview", "fraud.view_exposuresnapshot"),
            ("Fraud policies", "tune", "admin:fraud_fraudpolicy_changelist", "fraud.view_fraudpolicy"),
            ("Decisions to review", "gavel", "admin:fraud_decisionreview_changelist", "fraud.view_decisionreview"),
            ("Decisions", "rule_folder", "admin:fraud_decision_changelist", "fraud.view_decision"),
            ("Rules", "function", "admin:fraud_ruleversion_changelist", "fraud.view_ruleversion"),
            ("Features", "dataset", "admin:fraud_ruleversion_catalogue", "fraud.view_ruleversion"),
            ("Listed values", "playlist_add_check_circle", "admin:fraud_listedvalue_changelist", "fraud.view_listedvalue"),
            ("Sales to decide", "pending_actions", "admin:fraud_saletodecide_changelist", "fraud.view_saletodecide"),
            ("Reserves by risk", "savings", "admin:fraud_riskreserve_changelist", "fraud.view_riskreserve"),
            ("Models", "model_training", "admin:fraud_modelversion_changelist", "fraud.view_modelversion"),
            ("Back-tests", "history", "admin:fraud_backtest_changelist", "fraud.view_backtest"),
            ("Replays", "replay", "admin:fraud_replay_changelist", "fraud.view_replay"),
        ],
    ),
    (
        "Screening",
        [
            ("Hits", "person_alert", "admin:fraud_hit_changelist", "fraud.view_hit"),
            ("Parties", "groups", "admin:fraud_party_changelist", "fraud.view_party"),
            ("Coverage", "donut_large", "admin:fraud_party_coverage", "fraud.view_party"),
            ("Checks", "manage_search", "admin:fraud_check_changelist", "fraud.view_check"),
            ("Clearances", "verified_user", "admin:fraud_clearance_changelist", "fraud.view_clearance"),
            ("Lists", "list", "admin:fraud_screeninglist_changelist", "fraud.view_screeninglist"),
            ("List versions", "difference", "admin:fraud_listversion_changelist", "fraud.view_listversion"),
            ("List entries", "person_search", "admin:fraud_listentry_changelist", "fraud.view_listentry"),
            ("Policies", "tune", "admin:fraud_screeningpolicy_changelist", "fraud.view_screeningpolicy"),
        ],
    ),
    (
        "Tax reports",
        [
            ("Reports", "assured_workload", "admin:payouts_taxreport_changelist", "payouts.view_taxreport"),
            ("Tax data", "assignment_late", "admin:payouts_taxfile_changelist", "payouts.view_taxfile"),
        ],
    ),
    (
        "Back office",
        [
            ("Approvals", "how_to_reg", "admin:backoffice_approval_changelist", "backoffice.view_approval"),
            ("Events", "bolt", "admin:backoffice_event_changelist", "backoffice.view_event"),
            ("Audit", "history_edu", "admin:backoffice_auditentry_changelist", "backoffice.view_audit"),
            ("Partners", "handshake", "admin:backoffice_partner_changelist", "backoffice.view_partner"),
            ("Webhook endpoints", "webhook", "admin:backoffice_webhookendpoint_changelist", "backoffice.view_webhookendpoint"),
            ("Webhook deliveries", "send", "admin:backoffice_webhookdelivery_changelist", "backoffice.view_webhookdelivery"),
            ("API keys", "key", "admin:backoffice_apikey_changelist", "backoffice.view_apikey"),
            ("Staff", "group", "admin:auth_user_changelist", "auth.view_user"),
            ("Roles", "badge", "admin:auth_group_changelist", "auth.view_group"),
        ],
    ),
]

# What people come for every day stands on top, whatever room it belongs to: url name → what it is called away from its room.
WORK_TITLE = "Work"
WORK = {
    "admin:index": "Desk",
    "admin:payouts_payoutrun_plan": "Plan a run",
    "admin:backoffice_approval_changelist": "Approvals",
    "admin:payouts_requirement_review_queue": "Review queue",
    "admin:fraud_hit_changelist": "Screening hits",
    "admin:fraud_case_changelist": "Cases",
    "admin:fraud_decisionreview_changelist": "Decisions to review",
    "admin:billing_dispute_changelist": "Disputes",
    "admin:billing_break_changelist": "Breaks",
}
# What is agreed once and seldom touched.
SET_UP_TITLE = "Set-up"
SET_UP = {
    "admin:payouts_tier_changelist": "Tiers of sellers",
    "admin:payouts_minimumpayout_changelist": "Minimum payouts",
    "admin:payouts_period_changelist": "Periods of the ledger",
    "admin:billing_legalentity_changelist": "Legal entities",
    "admin:billing_numberseries_changelist": "Number series",
    "admin:billing_taxrate_changelist": "Tax rates",
    "admin:billing_plan_changelist": "Plans",
    "admin:billing_price_changelist": "Prices",
    "admin:billing_coupon_changelist": "Coupons",
    "admin:billing_dunningpolicy_changelist": "Dunning policies",
    "admin:billing_billingbrake_changelist": "Brakes of billing",
    "admin:billing_refundlimit_changelist": "Limits of refunds",
    "admin:billing_disputepolicy_changelist": "Dispute policy",
    "admin:billing_matchrulebook_changelist": "Rules of matching",
    "admin:fraud_fraudpolicy_changelist": "Fraud policies",
    "admin:fraud_screeningpolicy_changelist": "Screening policies",
}
# The groups somebody opened, by slug, dots between: kept by the browser, so that the page comes as it was left and nothing jumps.
OPEN_COOKIE = "sidebar_open"


def environment_label(request: HttpRequest) -> list[str]:
    """Return the label that says where one is, and its colour: live is red."""
    name = settings.ENVIRONMENT_LABEL
    return [name, "danger" if name.lower() in ("live", "production") else "warning"]


def stylesheet(request: HttpRequest) -> str:
    return static("backoffice/desk.css")


def favicon(request: HttpRequest) -> str:
    return static("backoffice/favicon.svg")


def script(request: HttpRequest) -> str:
    return static("backoffice/desk.js")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar with what this person may see: the daily work on top, then each room folded but the one we are in and those left open."""
    groups, room_of = _grouped(request.user)
    here = [(group, item) for group in groups for item in group["items"] if request.path.startswith(str(item["link"]))]
    if here:
        group, item = max(here, key=lambda pair: len(str(pair[1]["link"])))
        item["active"] = len(here) > 1 or request.path == item["link"]
        if item["active"]:
            group["open"] = True
            trail = {"group": room_of[item["link"]], "item": item["title"], "link": item["link"]}
            request.desk_trail = trail  # type: ignore[attr-defined]  # for the head of the page, which asks nobody twice
    left_open = request.COOKIES.get(OPEN_COOKIE, "").split(".")
    for group in groups:
        group["open"] = group["open"] or group["slug"] in left_open
    return groups


def pages_named(user: Any, text: str) -> list[dict[str, Any]]:
    """Return the pages of the sidebar whose name, or whose room's, holds every word of a text; those named first come first."""
    words = text.lower().split()
    groups, room_of = _grouped(user)
    found = []
    for item in (item for group in groups for item in group["items"]):
        name, room = item["title"].lower(), room_of[item["link"]].lower()
        if words and all(any(one.startswith(word) for one in f"{name} {room}".split()) for word in words):
            found.append((not name.startswith(words[0]), {**item, "room": room_of[item["link"]]}))
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]


def _grouped(user: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the groups with something to see for somebody, and the room of each address in them."""
    item: dict[str, Any]
    work, set_up = _group(WORK_TITLE, folds=False), _group(SET_UP_TITLE)
    rooms: list[dict[str, Any]] = []
    room_of: dict[str, str] = {}
    for title, items in NAVIGATION:
        room = _group(title)
        for name, icon, url, needs in items:
            if needs and not user.has_perm(needs):
                continue
            item = {"title": WORK.get(url) or SET_UP.get(url) or name, "icon": icon, "link": _address(url), "active": False}
            room_of[item["link"]] = title
            (work if url in WORK else set_up if url in SET_UP else room)["items"].append(item)
        rooms.append(room)
    for lifted, order in ((work, [*WORK.values()]), (set_up, [*SET_UP.values()])):
        lifted["items"].sort(key=lambda item, order=order: order.index(item["title"]))
    return [group for group in (work, *rooms[:-1], set_up, rooms[-1]) if group["items"]], room_of


# a hundred of them on every page, and they never change while a process lives
_address = functools.cache(reverse)


def _group(title: str, *, folds: bool = True) -> dict[str, Any]:
    return {"title": title, "slug": slugify(title), "items": [], "collapsible": folds, "open": not folds}
