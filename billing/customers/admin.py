"""Screens of customers: whom we bill, and what is known of their VAT number."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    ExportColumn,
    OperatorAdmin,
    choice_column,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
)
from billing.customers import operations
from billing.customers.models import Customer
from billing.customers.queries import names_of
from billing.customers.vat import INVALID, NOT_CHECKED, VALID, vat_state
from payouts.ledger.naming import name_holders_by
from payouts.sellers.models import Seller

name_holders_by(names_of, codes=("receivable.invoice", "buyer.payable"))
_VAT_WORDS = {
    "": ("no number", "plain"), VALID: ("valid", "good"), INVALID: ("not valid", "bad"), NOT_CHECKED: ("NOT CHECKED", "warn"),
}  # fmt: skip


def _checker(row: Customer) -> str:
    by = str(row.vat_evidence.get("by", ""))
    return display.people([by]).get(by, by) if by else ""


def vat_label(row: Customer) -> Any:
    """Return what is known of a VAT number as a label; not checked is said as loudly as not valid."""
    words, tone = _VAT_WORDS[vat_state(row.vat_number, row.vat_evidence)]
    return display.label(words, tone)


def _vat_effect(row: Customer) -> list[tuple[str, Any]]:
    return [("VAT number", row.vat_number), ("Known so far", vat_label(row)), ("Said then", str(row.vat_evidence.get("why", "")))]


def _change_fields(row: Customer) -> dict[str, Any]:
    return {
        "name": fields.text("Name", initial=row.name),
        "email": fields.text("E-mail", required=False, max_length=254, initial=row.email),
        "address": fields.long_text("Address", "Lines as they stand on an invoice.", required=False, initial=row.address),
        "country": fields.text("Country", "Two letters, such as FR.", max_length=2, initial=row.country),
        "vat_number": fields.text("VAT number", required=False, max_length=20, initial=row.vat_number),
    }


@admin.register(Customer)
class CustomerAdmin(OperatorAdmin):
    list_display = ("id_shown", "external", "seller_shown", "kind_shown", "country", "currency", "vat", "method", "created")
    wide_only = ("kind_shown", "created")
    list_filter = (("kind", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("seller", "partner")
    search_by = (
        lambda term: Q(external_id=term),
        lambda term: Q(vat_number="".join(term.split()).upper()),
        lambda term: Q(seller__in=Seller.objects.filter(external_id=term)),
        lambda term: Q(seller__in=Seller.objects.filter(legal_name__icontains=term)),
    )
    search_help_text = "Id, external id, VAT number, or seller"
    empty_title = "Nobody is billed yet"
    empty_text = "A seller becomes a customer with its first plan; partners open others by the API."
    buttons = (
        Button(
            name="change",
            label="Change",
            verb=operations.update_customer,
            permission="billing.change_customers",
            arguments=lambda row, asked: {"customer_id": row.pk, "changes": asked},
            fields=_change_fields,
            explain="Issued invoices keep what they were made out to. Another country or VAT number has to be checked again.",
            done="Changed.",
        ),
        Button(
            name="check_vat",
            label="Check the VAT number",
            verb=operations.check_vat_number,
            permission="billing.change_customers",
            arguments=lambda row, asked: {"customer_id": row.pk},
            when=lambda row: bool(row.vat_number),
            effect=_vat_effect,
            explain="The tax authorities' service is asked now, and its answer kept as evidence.",
            done=lambda row, answer: f"{_VAT_WORDS[answer.state][0].capitalize()}. {answer.why}".strip(),
        ),
        Button(
            name="accept_vat",
            label="Accept the VAT number",
            verb=operations.accept_vat_number,
            permission="billing.change_customers",
            arguments=lambda row, asked: {"customer_id": row.pk, "reason": asked["reason"]},
            when=lambda row: bool(row.vat_number) and vat_state(row.vat_number, row.vat_evidence) != VALID,
            fields=lambda row: {"reason": fields.reason("On what evidence: which paper, from whom, and where it is kept.")},
            effect=_vat_effect,
            explain="Coming invoices to this customer abroad are without our VAT, on your word.",
            danger=True,
            done="Accepted, with your evidence.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda c: c.public_id),
        ExportColumn("external_id", lambda c: c.external_id),
        ExportColumn("seller", lambda c: c.seller.external_id if c.seller else ""),
        ExportColumn("kind", lambda c: c.get_kind_display()),
        ExportColumn("country", lambda c: c.country),
        ExportColumn("currency", lambda c: c.currency),
        ExportColumn("vat_number", lambda c: c.vat_number),
        ExportColumn("vat_state", lambda c: vat_state(c.vat_number, c.vat_evidence)),
    )
    id_shown = id_column()
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    kind_shown = choice_column("Kind", "kind")
    created = instant_column("Since", "created_at")

    @admin.display(description="External id")
    def external(self, row: Customer) -> Any:
        return display.shortened(row.external_id)

    @admin.display(description="VAT number")
    def vat(self, row: Customer) -> Any:
        return vat_label(row) if row.vat_number else display.EMPTY

    @admin.display(description="Card")
    def method(self, row: Customer) -> str:
        return "on file" if row.gateway_method else display.EMPTY

    def page_title(self, row: Customer) -> str:
        return row.seller.legal_name if row.seller else row.name

    def standing(self, row: Customer) -> str:
        if vat_state(row.vat_number, row.vat_evidence) == NOT_CHECKED:
            return "The VAT number was NOT CHECKED: invoices that hang on it wait until somebody checks or accepts it."
        return ""

    def facts(self, row: Customer) -> list[tuple[str, Any]]:
        return [
            ("External id", row.external_id),
            ("Name", row.name),
            ("E-mail", row.email),
            ("Address", row.address),
            ("Country", row.country),
            ("Currency", row.currency),
            ("Kind", row.get_kind_display()),
            ("Seller", display.link(row.seller)),
            ("Partner", display.link(row.partner)),
            ("VAT number", row.vat_number),
            ("VAT check", vat_label(row) if row.vat_number else ""),
            ("Checked", display.instant(row.vat_checked_at)),
            ("Checked by", _checker(row)),
            ("Evidence", str(row.vat_evidence.get("why") or row.vat_evidence.get("consultation", ""))),
            ("Gateway", row.gateway),
            ("Customer there", row.gateway_customer),
            ("Card", "on file" if row.gateway_method else "none"),
            ("Test clock", display.instant(row.clock_at)),
            ("Since", display.instant(row.created_at)),
        ]
