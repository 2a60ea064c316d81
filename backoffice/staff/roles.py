"""Who may do what: roles as groups, written after every migrate from this table. What is not listed is denied.

Finance makes and the lead checks; the verbs enforce that maker and checker are two people, whatever roles they hold. Wings are named by
text only: permissions are rows, and this room imports no wing.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps as live_apps
from django.db import connection

# Permission → (app label, model it is listed under, what it says). Django makes view_<model> for every model.
ACTS: dict[str, tuple[str, str, str]] = {
    "build_run": ("payouts", "payoutrun", "Can build a payout run"),
    "approve_run": ("payouts", "payoutrun", "Can approve or refuse a payout run"),
    "submit_run": ("payouts", "payoutrun", "Can submit an approved payout run"),
    "cancel_payout": ("payouts", "payout", "Can cancel a payout"),
    "hold_payout": ("payouts", "payout", "Can hold and release a payout"),
    "place_hold": ("payouts", "hold", "Can place a hold or pause"),
    "release_hold": ("payouts", "hold", "Can release a hold or pause"),
    "change_reserve_plan": ("payouts", "reserveplan", "Can create and disable reserve plans"),
    "change_payee": ("payouts", "payeeaccount", "Can change and mark payee accounts"),
    "set_seller_status": ("payouts", "seller", "Can activate, pause, block and close sellers"),
    "review_sellers": ("payouts", "requirement", "Can decide requirements, documents and reviews of sellers"),
    "open_documents": ("payouts", "document", "Can open the documents sellers sent"),
    "change_tiers": ("payouts", "tier", "Can change tiers and minimum payouts"),
    "import_earnings": ("payouts", "earningimport", "Can import earnings"),
    "retry_rejected": ("payouts", "rejectedline", "Can retry and dismiss rejected lines"),
    "import_bank_file": ("payouts", "bankfile", "Can import bank files"),
    "explain_bank_entry": ("payouts", "bankfileentry", "Can explain a bank entry nothing matches"),
    "resolve_unknown": ("payouts", "paymentorder", "Can resolve an unknown outcome"),
    "confirm_absence": ("payouts", "paymentorder", "Can confirm that an unknown payment paid nobody"),
    "close_period": ("payouts", "period", "Can close accounting periods"),
    "request_adjustment": ("payouts", "posting", "Can request an adjustment"),
    "approve_adjustment": ("payouts", "posting", "Can approve an adjustment"),
    "prepare_tax_report": ("payouts", "taxreport", "Can prepare and freeze tax reports"),
    "file_tax_report": ("payouts", "taxreport", "Can say that a tax report was filed, as the second person"),
    "open_tax_files": ("payouts", "taxreportfile", "Can take the files of tax reports, with names and tax numbers"),
    "exclude_from_tax_report": ("payouts", "taxfile", "Can say that a seller is governmental or listed"),
    "export_rows": ("payouts", "payout", "Can export lists"),
    "work_trade_ins": ("payouts", "tradein", "Can agree on trade-ins, and receive, accept, refuse and cancel them"),
    "approve_trade_ins": ("payouts", "tradein", "Can approve trade-ins above the limit of one person"),
    "withdraw_trade_ins": ("payouts", "tradein", "Can take back trade-ins that were accepted or paid"),
    "judge_hits": ("fraud", "hit", "Can judge screening hits"),
    "approve_clearances": ("fraud", "clearance", "Can approve the clearance of strong screening hits"),
    "load_lists": ("fraud", "screeninglist", "Can load screening lists"),
    "propose_policy": ("fraud", "screeningpolicy", "Can propose a screening policy"),
    "approve_policy": ("fraud", "screeningpolicy", "Can approve a screening policy"),
    "screen_names": ("fraud", "check", "Can look names up and screen again"),
    "charge_customers": ("billing", "payment", "Can charge, cancel and record payments"),
    "resolve_unknown_payment": ("billing", "payment", "Can say what became of an unknown payment"),
    "confirm_payment_absence": ("billing", "payment", "Can confirm that a payment never arrived"),
    "request_refund": ("billing", "refund", "Can ask for refunds and take them back"),
    "approve_refund": ("billing", "refund", "Can approve and refuse refunds"),
    "release_short_refund": ("billing", "refund", "Can let a refund go although its seller's balance is short"),
    "propose_refund_limit": ("billing", "refundlimit", "Can propose the limit of refunds by one person"),
    "approve_refund_limit": ("billing", "refundlimit", "Can approve the limit of refunds by one person"),
    "work_disputes": ("billing", "dispute", "Can work on disputes and write their evidence"),
    "submit_disputes": ("billing", "dispute", "Can send the evidence of a dispute"),
    "accept_disputes": ("billing", "dispute", "Can accept disputes and refund early warnings"),
    "propose_dispute_policy": ("billing", "disputepolicy", "Can propose a dispute policy"),
    "approve_dispute_policy": ("billing", "disputepolicy", "Can approve a dispute policy"),
    "replay_events": ("billing", "inboundevent", "Can have inbound events processed again"),
    "open_event_bodies": ("billing", "inboundevent", "Can open the bodies of inbound events"),
    "write_rules": ("fraud", "ruleversion", "Can write rules, try them, and stop and retire them"),
    "approve_rules": ("fraud", "ruleversion", "Can approve rules and put them live"),
    "change_lists": ("fraud", "listedvalue", "Can put values on the fraud lists and take them off"),
    "approve_lists": ("fraud", "listedvalue", "Can approve values on the allowed list"),
    "judge_decisions": ("fraud", "decisionreview", "Can judge decisions that wait for a person"),
    "train_models": ("fraud", "modelversion", "Can train models, refuse and retire them"),
    "end_risk_reserves": ("fraud", "riskreserve", "Can end and replace reserves that rules and cases asked for"),
    "approve_models": ("fraud", "modelversion", "Can put trained models live"),
    "work_cases": ("fraud", "case", "Can work on fraud cases and decide in them"),
    "assign_cases": ("fraud", "case", "Can assign fraud cases to others"),
    "approve_case_decisions": ("fraud", "casedecision", "Can approve decisions of fraud cases, and take escalated ones"),
    "write_suspicion_reports": ("fraud", "suspicionreport", "Can write reports of suspicions to the authorities"),
    "file_suspicion_reports": ("fraud", "suspicionreport", "Can file reports of suspicions, as the second person"),
    "open_suspicion_reports": ("fraud", "suspicionreport", "Can open the narrative and the file of reports of suspicions"),
    "propose_fraud_policies": ("fraud", "fraudpolicy", "Can propose policies of cases, exposure and reports"),
    "approve_fraud_policies": ("fraud", "fraudpolicy", "Can approve policies of cases, exposure and reports"),
    "change_customers": ("billing", "customer", "Can open and change customers and check their VAT numbers"),
    "finalise_invoices": ("billing", "invoice", "Can finalise and void invoices and collect them from balances"),
    "ask_write_off": ("billing", "invoice", "Can ask for an invoice to be written off, and open it again"),
    "approve_write_off": ("billing", "invoice", "Can approve or refuse the write-off of an invoice"),
    "issue_credit_notes": ("billing", "creditnote", "Can issue credit notes"),
    "change_legal_entities": ("billing", "legalentity", "Can open and change our legal entities"),
    "set_tax_rates": ("billing", "taxrate", "Can set tax rates"),
    "change_plans": ("billing", "plan", "Can open plans, offer prices and make coupons"),
    "change_subscriptions": ("billing", "subscription", "Can begin, change, pause and end subscriptions"),
    "retry_collections": ("billing", "collection", "Can have an invoice collected again"),
    "run_renewals": ("billing", "renewalbatch", "Can release, dismiss and stop renewals"),
    "brake_billing": ("billing", "billingbrake", "Can stop invoices and attempts to collect, and let them go on"),
    "set_dunning": ("billing", "dunningpolicy", "Can put a dunning policy in force"),
    "reconcile": ("billing", "reconciliationrun", "Can reconcile, and import buyers' payments"),
    "work_breaks": ("billing", "break", "Can take and explain breaks"),
    "request_break_correction": ("billing", "break", "Can request the correction of a break"),
    "approve_break_correction": ("billing", "break", "Can approve the correction of a break"),
    "propose_match_rules": ("billing", "matchrulebook", "Can propose rules of matching"),
    "approve_match_rules": ("billing", "matchrulebook", "Can approve rules of matching"),
    "check_books": ("backoffice", "bookscheck", "Can check the books now"),
    "deliver_events": ("backoffice", "event", "Can have events delivered again that were given up"),
    "manage_endpoints": ("backoffice", "webhookendpoint", "Can open, change, stop and enable webhook endpoints"),
    "replay_deliveries": ("backoffice", "webhookdelivery", "Can have webhook deliveries sent again"),
    "manage_keys": ("backoffice", "apikey", "Can make and revoke API keys"),
    "view_audit": ("backoffice", "auditentry", "Can read the audit trail"),
}

_LEDGER = ["account", "balance", "floorchange", "posting", "entry", "checkpoint", "horizon", "period"]
_SELLERS = ["seller", "payeeaccount", "tier", "minimumpayout", "requirement", "sellercapabilities"]
# Who stands behind a seller, and the papers: personal data, for those who review and those who audit.
_REVIEWS = ["person", "stake", "document", "documentbytes", "reviewmessage", "claim", "riskrating"]
_EARNINGS = ["earning", "earningimport", "rejectedline", "hold", "reserveplan"]
_PAYOUTS = ["payoutrun", "payout", "runskip", "paymentorder", "railfile", "bankfile", "bankstatement", "bankfileentry"]
_SCREENING = [
    "screeninglist",
    "listversion",
    "listentry",
    "screeningpolicy",
    "party",
    "check",
    "hit",
    "clearance",
    "screeningpass",
]
_DECISIONS = [
    *["fraudevent", "fraudlabel", "rule", "ruleversion", "ruleset", "rulehit", "listedvalue", "listsversion"],
    *["decision", "decisionreview", "replay", "backtest"],
    *["wantedhold", "modelversion", "feed"],
]
_INVOICES = ["customer", "invoice", "invoiceline", "invoicetax", "application", "creditnote", "creditnoteline", "creditnotetax"]
_INVOICES += ["invoicedocument", "legalentity", "taxrate", "numberseries"]
_AROUND = ["partner", "apikey", "event", "approval", "statechange", "bookscheck", "jobrun"]
_ALL_PAYOUTS = [*_LEDGER, *_SELLERS, *_EARNINGS, *_PAYOUTS]
# Internals nobody looks at: IdempotencyRecord, EventConsumption, LoginAttempt, SignInLink.


def _views(app_label: str, models: list[str]) -> set[str]:
    return {f"{app_label}.view_{model}" for model in models}


_EVERYTHING = _views("payouts", _ALL_PAYOUTS) | _views("backoffice", _AROUND)
_SCREENS = _views("fraud", _SCREENING)
_AUDIT = {"backoffice.view_audit", "backoffice.view_auditentry"}
_STAFF = _views("auth", ["user", "group"])


def _acts(*codenames: str) -> set[str]:
    return {f"{ACTS[codename][0]}.{codename}" for codename in codenames}


_FINANCE = _acts(
    "build_run",
    "submit_run",
    "cancel_payout",
    "hold_payout",
    "place_hold",
    "import_earnings",
    "retry_rejected",
    "import_bank_file",
    "explain_bank_entry",
    "resolve_unknown",
    "request_adjustment",
    "check_books",
    "export_rows",
)

ROLES: dict[str, set[str]] = {
    "finance": _EVERYTHING | _FINANCE,
    # A lead stands in for finance, too: what a lead made, another lead checks; the verbs see to that.
    "lead": _EVERYTHING
    | _views("payouts", _REVIEWS)
    | _FINANCE
    | _AUDIT
    | _STAFF
    | _SCREENS
    | _acts(
        "judge_hits",
        "approve_clearances",
        "load_lists",
        "propose_policy",
        "approve_policy",
        "screen_names",
        "approve_run",
        "cancel_payout",
        "hold_payout",
        "place_hold",
        "release_hold",
        "change_reserve_plan",
        "resolve_unknown",
        "confirm_absence",
        "close_period",
        "approve_adjustment",
        "set_seller_status",
        "review_sellers",
        "open_documents",
        "change_tiers",
        "check_books",
        "change_payee",
        "manage_keys",
        "deliver_events",
        "export_rows",
    ),
    "compliance": _views("payouts", [*_SELLERS, *_REVIEWS, *_EARNINGS, *_PAYOUTS, "account", "balance"])
    | _views("backoffice", ["approval", "statechange", "event"])
    | _SCREENS
    | _acts(
        "set_seller_status",
        "review_sellers",
        "open_documents",
        "change_payee",
        "place_hold",
        "release_hold",
        "hold_payout",
        "export_rows",
    )
    | _acts("judge_hits", "approve_clearances", "load_lists", "propose_policy", "screen_names"),
    "risk": _views("payouts", [*_SELLERS, *_REVIEWS, *_EARNINGS, *_PAYOUTS, "account", "balance"])
    | _views("backoffice", ["approval", "statechange", "event"])
    | _SCREENS
    | _acts("place_hold", "release_hold", "hold_payout", "change_reserve_plan", "export_rows")
    | _acts("propose_policy", "approve_policy", "screen_names"),
    "support": _views("payouts", [*_SELLERS, *_EARNINGS, "payout", "payoutrun", "runskip", "account", "balance"])
    | _views("backoffice", ["statechange"]),
    "auditor": _EVERYTHING | _SCREENS | _views("payouts", _REVIEWS) | _AUDIT | _STAFF | _acts("export_rows"),
}

# Decisions of fraud: risk makes and judges, a lead approves (and stands in); who audits sees all of it.
for _role in ("risk", "lead", "auditor", "compliance", "finance"):
    ROLES[_role] |= _views("fraud", _DECISIONS)
ROLES["risk"] |= _acts("write_rules", "change_lists", "judge_decisions")
ROLES["lead"] |= _acts("write_rules", "approve_rules", "change_lists", "approve_lists", "judge_decisions")
ROLES["risk"] |= _acts("train_models")
ROLES["lead"] |= _acts("train_models", "approve_models")

# What decisions keep, and what they wait for; ending a reserve frees money, which those do who approve.
for _role in ("risk", "lead", "auditor", "compliance", "finance"):
    ROLES[_role] |= _views("fraud", ["riskreserve", "saletodecide", "training", "exposurenight"])
for _role in ("lead", "compliance"):
    ROLES[_role] |= _acts("end_risk_reserves")

# Cases and exposure: risk and compliance work, a lead approves. Reports of suspicions: compliance and leads alone; auditors see that there are some.
_CASES = ["case", "alert", "casejoin", "casenote", "casefile", "casedecision", "exposuresnapshot", "fraudpolicy"]
for _role in ("risk", "lead", "auditor", "compliance"):
    ROLES[_role] |= _views("fraud", _CASES)
for _role in ("lead", "auditor", "compliance"):
    ROLES[_role] |= _views("fraud", ["suspicionreport"])
ROLES["risk"] |= _acts("work_cases", "propose_fraud_policies")
ROLES["compliance"] |= _acts(
    "work_cases", "approve_case_decisions", "write_suspicion_reports", "file_suspicion_reports", "open_suspicion_reports"
)
ROLES["compliance"] |= _acts("propose_fraud_policies")
ROLES["lead"] |= _acts(
    "work_cases", "assign_cases", "approve_case_decisions", "write_suspicion_reports", "file_suspicion_reports"
)
ROLES["lead"] |= _acts("open_suspicion_reports", "propose_fraud_policies", "approve_fraud_policies")

_MONEY_IN = _views("billing", ["payment", "attempt", "cardsetup", "refund", "refundlimit"])
ROLES["finance"] |= _MONEY_IN | _acts("charge_customers", "resolve_unknown_payment", "request_refund")
ROLES["lead"] |= _MONEY_IN | _acts(
    "charge_customers", "resolve_unknown_payment", "confirm_payment_absence", "request_refund", "approve_refund", "release_short_refund",
    "propose_refund_limit", "approve_refund_limit",
)  # fmt: skip
ROLES["support"] |= _views("billing", ["payment", "refund"])
ROLES["risk"] |= _views("billing", ["payment", "refund"])
ROLES["auditor"] |= _MONEY_IN
# Disputes, and the events of the card provider. Evidence names buyers: for those who work on it and those who audit.
_DISPUTES = ["dispute", "disputemovement", "disputesubmission", "disputepolicy"]
_EVIDENCE = ["evidencepack", "evidencefile"]
_INBOUND = ["inboundevent", "refusednotice", "healermark"]
ROLES["finance"] |= _views("billing", [*_DISPUTES, *_EVIDENCE, *_INBOUND])
ROLES["finance"] |= _acts("work_disputes", "submit_disputes", "propose_dispute_policy", "replay_events")
ROLES["lead"] |= _views("billing", [*_DISPUTES, *_EVIDENCE, *_INBOUND])
ROLES["lead"] |= _acts("work_disputes", "submit_disputes", "accept_disputes", "propose_dispute_policy", "approve_dispute_policy")
ROLES["lead"] |= _acts("replay_events", "open_event_bodies")
ROLES["risk"] |= _views("billing", [*_DISPUTES, *_EVIDENCE]) | _acts("work_disputes")
ROLES["support"] |= _views("billing", ["dispute"])
ROLES["auditor"] |= _views("billing", [*_DISPUTES, *_EVIDENCE, *_INBOUND])
# Tax reports: finance and compliance prepare, a lead or compliance files what another froze; support sees what a seller was asked for.
_TAX = _views("payouts", ["taxreport", "taxreportline", "taxreportfile", "taxfile"])
for _role, _more in {
    "finance": _TAX | _acts("prepare_tax_report", "open_tax_files"),
    "lead": _TAX | _acts("prepare_tax_report", "file_tax_report", "open_tax_files", "exclude_from_tax_report"),
    "compliance": _TAX | _acts("prepare_tax_report", "file_tax_report", "open_tax_files", "exclude_from_tax_report"),
    "support": _views("payouts", ["taxfile"]),
    "auditor": _TAX,
}.items():
    ROLES[_role] |= _more
# Invoices: finance bills, collects and credits; a lead approves write-offs and keeps entities and rates; support and auditors look.
_BILLS = _views("billing", _INVOICES) | _acts("change_customers", "finalise_invoices", "ask_write_off", "issue_credit_notes")
ROLES["finance"] |= _BILLS
ROLES["lead"] |= _BILLS | _acts("approve_write_off", "change_legal_entities", "set_tax_rates")
ROLES["support"] |= _views("billing", ["customer", "invoice", "creditnote"])
ROLES["auditor"] |= _views("billing", _INVOICES)
# Subscriptions: finance runs them, a lead decides what holds for many, support and auditors look.
_SUBSCRIPTIONS = ["plan", "price", "coupon", "subscription", "subscriptionchange", "redemption", "pendingline"]
_SUBSCRIPTIONS += [
    "renewalbatch",
    "renewalitem",
    "clockadvance",
    "collection",
    "collectionattempt",
    "dunningpolicy",
    "billingbrake",
]
_SUBSCRIBES = _views("billing", _SUBSCRIPTIONS) | _acts(
    "change_subscriptions", "retry_collections", "run_renewals", "brake_billing"
)
ROLES["finance"] |= _SUBSCRIBES
ROLES["lead"] |= _SUBSCRIBES | _acts("change_plans", "set_dunning")
ROLES["support"] |= _views("billing", _SUBSCRIPTIONS)
ROLES["auditor"] |= _views("billing", _SUBSCRIPTIONS)
# Proof of what providers and banks say: finance matches and asks, a lead approves, an auditor looks.
_RECONCILIATION = [
    "feed",
    "matchrulebook",
    "matchgroup",
    "stagedline",
    "differenceline",
    "providerpayout",
    "break",
    "reconciliationrun",
]
_MATCHING = _acts("reconcile", "work_breaks", "request_break_correction", "propose_match_rules")
ROLES["finance"] |= _views("billing", _RECONCILIATION) | _MATCHING
ROLES["lead"] |= _views("billing", _RECONCILIATION) | _MATCHING | _acts("approve_break_correction", "approve_match_rules")
ROLES["auditor"] |= _views("billing", _RECONCILIATION)

# Webhooks to partners: a lead keeps endpoints, finance may send again what partners missed, support and auditors look.
_WEBHOOKS = _views("backoffice", ["webhookendpoint", "webhookdelivery", "deliveryattempt"])
for _role in ("finance", "lead", "support", "auditor"):
    ROLES[_role] |= _WEBHOOKS
ROLES["finance"] |= _acts("replay_deliveries")
ROLES["lead"] |= _acts("replay_deliveries", "manage_endpoints")

# Trade-ins: finance works on them, a lead approves and takes back, everybody who sees payouts sees them.
for _role in ("finance", "lead", "compliance", "risk", "support", "auditor"):
    ROLES[_role] |= _views("payouts", ["tradein"])
ROLES["finance"] |= _acts("work_trade_ins")
ROLES["lead"] |= _acts("work_trade_ins", "approve_trade_ins", "withdraw_trade_ins")


def after_migrate(**facts: Any) -> None:
    """Write the roles when `migrate` is through; one that went back to the beginning has left no tables to write them to."""
    if "auth_group_permissions" in connection.introspection.table_names():
        write_roles()


def write_roles(apps: Any = live_apps) -> None:
    """Make every permission and group say what ROLES says: nothing else gives a right. Harmless to repeat."""
    content_type = apps.get_model("contenttypes", "ContentType")
    permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group")
    # What is known is read at once, not asked for one by one.
    kinds = {(one.app_label, one.model): one for one in content_type.objects.all()}
    known = {(one.content_type_id, one.codename): one for one in permission.objects.all()}

    def ensure(app_label: str, model: str, codename: str, name: str) -> Any:
        kind = kinds.get((app_label, model)) or content_type.objects.create(app_label=app_label, model=model)
        kinds[app_label, model] = kind
        found = known.get((kind.pk, codename)) or permission.objects.create(content_type=kind, codename=codename, name=name)
        known[kind.pk, codename] = found
        return found

    rows = {f"{label}.{codename}": ensure(label, model, codename, says) for codename, (label, model, says) in ACTS.items()}
    for role, wanted in ROLES.items():
        for one in wanted - rows.keys():
            label, _, codename = one.partition(".")
            model = codename.removeprefix("view_")
            rows[one] = ensure(label, model, codename, f"Can view {model}")
        group.objects.get_or_create(name=role)[0].permissions.set([rows[one] for one in sorted(wanted)])


def has_role(user: Any, *names: str) -> bool:
    """Tell whether an active staff member has one of these roles."""
    return bool(user.is_active and user.is_staff and user.groups.filter(name__in=names).exists())
