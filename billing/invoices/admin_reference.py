"""Screens around invoices: credit notes, our legal entities, tax rates, and the series with their gap audit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    DayRangeFilter,
    Download,
    ExportColumn,
    OperatorAdmin,
    Panel,
    choice_column,
    day_column,
    display,
    fields,
    link_column,
    money_column,
    number_column,
    person_column,
    reason_column,
)
from backoffice.kit.money import Money
from billing.invoices import operations, queries
from billing.invoices.models import CreditNote, Invoice, LegalEntity, NumberSeries, TaxRate
from billing.invoices.panels import NOTE_PANELS, missing
from payouts.ledger.panels import posting_link


def _note_document(row: CreditNote) -> tuple[bytes, str, str]:
    _, data = operations.credit_note_document(credit_note_id=row.pk, at=clock.now())
    return data, "application/pdf", f"{row.number}.pdf"


@admin.register(CreditNote)
class CreditNoteAdmin(OperatorAdmin):
    list_display = ("number", "invoice_shown", "issued", "settled", "why", "total_money")
    list_filter = (("settlement", ChoicesDropdownFilter), CurrencyFilter, ("issued_on", DayRangeFilter))
    list_select_related = ("invoice", "customer", "customer__seller", "posting")
    actor_fields = ("created_by",)
    search_by = (
        lambda term: Q(number=term.upper()),
        lambda term: Q(refund=term),
        lambda term: Q(invoice__in=Invoice.objects.filter(number=term.upper())),
    )
    search_help_text = "Id, number, its invoice's number, or refund"
    empty_title = "Nothing was credited yet"
    empty_text = "Credit notes are issued on an invoice's page."
    panels = NOTE_PANELS
    downloads = (Download("pdf", "Credit note (PDF with Factur-X)", _note_document),)
    export_columns = (
        ExportColumn("id", lambda n: n.public_id),
        ExportColumn("number", lambda n: n.number),
        ExportColumn("invoice", lambda n: n.invoice.number),
        ExportColumn("issued_on", lambda n: n.issued_on),
        ExportColumn("settlement", lambda n: n.get_settlement_display()),
        ExportColumn("net", lambda n: Money(n.subtotal_minor, n.currency)),
        ExportColumn("tax", lambda n: Money(n.tax_minor, n.currency)),
        ExportColumn("total", lambda n: Money(n.total_minor, n.currency)),
        ExportColumn("currency", lambda n: n.currency),
        ExportColumn("reason", lambda n: n.reason),
    )
    invoice_shown = link_column("Invoice", "invoice")
    issued = day_column("Issued", "issued_on")
    settled = choice_column("Settled by", "settlement")
    why = reason_column("Reason", "reason")
    total_money = money_column("Total", "total_minor")

    def headline(self, row: CreditNote) -> Any:
        return display.money(row.total_minor, row.currency)

    def page_title(self, row: CreditNote) -> str:
        return f"Credit note {row.number}"

    def standing(self, row: CreditNote) -> str:
        return row.reason

    def facts(self, row: CreditNote) -> list[tuple[str, Any]]:
        return [
            ("Invoice", display.link(row.invoice)),
            (
                "Customer",
                display.link(row.customer, row.customer.seller.legal_name if row.customer.seller else row.customer.external_id),
            ),
            ("Kind of reason", row.get_reason_code_display()),
            ("Settled by", row.get_settlement_display()),
            ("To the seller's balance", display.money(row.to_balance_minor, row.currency) if row.to_balance_minor else ""),
            ("To the customer's credit", display.money(row.to_customer_minor, row.currency) if row.to_customer_minor else ""),
            ("By a refund", display.plain(row.refund) if row.refund else ""),
            ("Posting", posting_link(row.posting)),
            ("Issued on", display.day(row.issued_on)),
            ("Issued by", self.person(row, "created_by")),
        ]


def _entity_fields(row: LegalEntity) -> dict[str, Any]:
    numbers = "\n".join(f"{country} {number}" for country, number in sorted(row.vat_numbers.items()))
    return {
        "name": fields.text("Name", initial=row.name),
        "line1": fields.text("Address", initial=row.line1),
        "postcode": fields.text("Postcode", max_length=20, initial=row.postcode),
        "town": fields.text("Town", max_length=80, initial=row.town),
        "registration_number": fields.text("Registration number", required=False, max_length=40, initial=row.registration_number),
        "vat_numbers": fields.long_text("VAT numbers", "One a line: country, then number.", required=False, initial=numbers),
        "oss": fields.switch("One-stop shop", "Consumers in other member states pay their own country's rate.", initial=row.oss),
        "bills_countries": fields.text(
            "Bills customers in", "Countries, with spaces. The default entity bills all others.", required=False,
            initial=" ".join(row.bills_countries),
        ),
        "payment_terms": fields.text("Payment terms", required=False, max_length=300, initial=row.payment_terms),
        "reason": fields.reason(),
    }  # fmt: skip


def _entity_arguments(row: LegalEntity, asked: dict[str, Any]) -> dict[str, Any]:
    changes = {name: value for name, value in asked.items() if name != "reason"}
    pairs = [line.split(maxsplit=1) for line in asked["vat_numbers"].splitlines() if line.strip()]
    changes["vat_numbers"] = {pair[0].upper(): pair[-1] for pair in pairs}
    changes["bills_countries"] = asked["bills_countries"].upper().split()
    return {"entity_id": row.pk, "changes": changes, "reason": asked["reason"]}


@admin.register(LegalEntity)
class LegalEntityAdmin(OperatorAdmin):
    list_display = ("code", "name", "town", "country", "vat_shown", "default_shown")
    search_by = (lambda term: Q(code__iexact=term), lambda term: Q(name__icontains=term))
    search_help_text = "Code or name"
    empty_title = "No company of ours issues invoices"
    buttons = (
        Button(
            name="change",
            label="Change",
            verb=operations.change_entity,
            permission="billing.change_legal_entities",
            arguments=_entity_arguments,
            fields=_entity_fields,
            explain="Holds for what is issued from now on. Documents that were made already stay as they are.",
            done="Changed.",
        ),
    )

    @admin.display(description="VAT numbers")
    def vat_shown(self, row: LegalEntity) -> str:
        return ", ".join(number for _, number in sorted(row.vat_numbers.items())) or display.EMPTY

    @admin.display(description="Default")
    def default_shown(self, row: LegalEntity) -> str:
        return "yes" if row.is_default else ""

    def facts(self, row: LegalEntity) -> list[tuple[str, Any]]:
        return [
            ("Code", row.code),
            ("Address", f"{row.line1}, {row.postcode} {row.town}, {row.country}"),
            ("Registration number", row.registration_number),
            ("VAT numbers", self.vat_shown(row)),
            ("One-stop shop", "yes" if row.oss else "no"),
            (
                "Bills customers in",
                " ".join(row.bills_countries) or ("every country no other entity bills" if row.is_default else ""),
            ),
            ("Day of issue in", row.time_zone),
            ("Payment terms", row.payment_terms),
            ("Since", display.instant(row.created_at)),
        ]


def _rate_arguments(row: Any, asked: dict[str, Any]) -> dict[str, Any]:
    percent = Decimal(asked["percent"]) if asked["percent"].replace(".", "", 1).isdecimal() else Decimal(-1)
    points = percent * 100
    whole = int(points) if points == int(points) else -1
    return {name: asked[name] for name in ("country", "tax_code", "valid_from", "source")} | {"basis_points": whole}


@admin.register(TaxRate)
class TaxRateAdmin(OperatorAdmin):
    list_display = ("country", "tax_code", "rate", "from_shown", "source", "by")
    actor_fields = ("made_by",)
    search_by = (lambda term: Q(country=term.upper()), lambda term: Q(tax_code=term))
    search_help_text = "Country or tax code"
    empty_title = "No tax rate is set"
    list_buttons = (
        Button(
            name="set",
            label="Set a rate",
            verb=operations.set_tax_rate,
            permission="billing.set_tax_rates",
            arguments=_rate_arguments,
            fields=lambda row: {
                "country": fields.text("Country", "Two letters.", max_length=2),
                "tax_code": fields.text("Tax code", "As prices and lines name it.", max_length=40, initial="standard"),
                "percent": fields.text("Rate in %", "Such as 20 or 5.5.", max_length=6),
                "valid_from": fields.on_date("In force from"),
                "source": fields.text("Source", "The law or page it comes from."),
            },
            explain="Earlier rates stay for what was issued under them. A rate is not changed; set another from a later day.",
            done=lambda row, rate: f"{rate} from {display.day_text(rate.valid_from)}.",
        ),
    )
    from_shown = day_column("In force from", "valid_from")
    by = person_column("Set by", "made_by")

    @admin.display(description="Rate")
    def rate(self, row: TaxRate) -> str:
        return f"{row.basis_points / 100:g} %"

    def facts(self, row: TaxRate) -> list[tuple[str, Any]]:
        return [
            ("Country", row.country),
            ("Tax code", row.tax_code),
            ("Rate", self.rate(row)),
            ("In force from", display.day(row.valid_from)),
            ("Source", row.source),
            ("Set by", self.person(row, "made_by")),
            ("Set", display.instant(row.made_at)),
        ]


@admin.register(NumberSeries)
class NumberSeriesAdmin(OperatorAdmin):
    """The gap audit: each series beside the documents that carry its numbers."""

    list_display = ("name", "kind_shown", "last", "documents", "lowest", "highest", "verdict")
    list_select_related = ("entity",)
    empty_title = "No number was given out yet"
    empty_text = "A series begins with the first document of a legal entity and year."
    panels = (Panel("missing", "Missing numbers", missing, lazy=False),)
    kind_shown = choice_column("Of", "kind")
    last = number_column("Counter", "last_number")

    def decorate(self, rows: list[Any]) -> None:
        found = {one["id"]: one for one in queries.series_state()}
        for row in rows:
            row.audit = found[row.pk]

    def _audit(self, row: NumberSeries) -> dict[str, Any]:
        if not hasattr(row, "audit"):
            self.decorate([row])
        return row.audit  # type: ignore[attr-defined,no-any-return]

    @admin.display(description="Series")
    def name(self, row: NumberSeries) -> str:
        return str(row)

    @admin.display(description="Documents")
    def documents(self, row: NumberSeries) -> Any:
        return display.number(self._audit(row)["documents"])

    @admin.display(description="Lowest")
    def lowest(self, row: NumberSeries) -> Any:
        return display.number(self._audit(row)["first"])

    @admin.display(description="Highest")
    def highest(self, row: NumberSeries) -> Any:
        return display.number(self._audit(row)["last"])

    @admin.display(description="Gap audit")
    def verdict(self, row: NumberSeries) -> Any:
        return display.label("gap", "bad") if self._audit(row)["broken"] else display.label("no gap", "good")

    def facts(self, row: NumberSeries) -> list[tuple[str, Any]]:
        return [
            ("Legal entity", display.link(row.entity)),
            ("Year", str(row.year)),
            ("Counter", self.last(row)),
            ("Documents", self.documents(row)),
            ("Lowest", self.lowest(row)),
            ("Highest", self.highest(row)),
            ("Gap audit", self.verdict(row)),
        ]
