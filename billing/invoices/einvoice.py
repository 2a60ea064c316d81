"""The structured half of an invoice: Cross Industry Invoice XML in the EN 16931 profile of Factur-X, embedded in the PDF.

Sources: EN 16931-1, Factur-X 1.07; the library checks the result against the profile's schema and refuses what does not fit.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from facturx import generate_from_binary
from lxml import etree

from billing.invoices.models import TaxCategory
from billing.invoices.paper import Paper, Party

_RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
_RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
_UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
_PROFILE = "urn:cen.eu:en16931:2017"
_TYPES = {"invoice": "380", "credit_note": "381"}
_REASONS = {
    TaxCategory.REVERSE_CHARGE: "Reverse charge",
    TaxCategory.EXEMPT: "Exempt from VAT",
    TaxCategory.OUTSIDE: "Not subject to VAT",
}


class _Node:
    """An element that grows its children by name."""

    def __init__(self, element: Any) -> None:
        self.element = element

    def add(self, name: str, text: str | None = None, **attributes: str) -> _Node:
        child = etree.SubElement(self.element, f"{{{_RAM}}}{name}", **attributes)
        if text is not None:
            child.text = text
        return _Node(child)

    def day(self, name: str, on: date, namespace: str = _UDT) -> None:
        holder = self.add(name)
        text = etree.SubElement(holder.element, f"{{{namespace}}}DateTimeString", format="102")
        text.text = f"{on:%Y%m%d}"


def einvoice_xml(paper: Paper) -> bytes:
    """Return the XML of a paper."""
    root = etree.Element(f"{{{_RSM}}}CrossIndustryInvoice", nsmap={"rsm": _RSM, "ram": _RAM, "udt": _UDT})
    context = _Node(etree.SubElement(root, f"{{{_RSM}}}ExchangedDocumentContext"))
    context.add("GuidelineSpecifiedDocumentContextParameter").add("ID", _PROFILE)
    document = _Node(etree.SubElement(root, f"{{{_RSM}}}ExchangedDocument"))
    document.add("ID", paper.number)
    document.add("TypeCode", _TYPES[paper.kind])
    document.day("IssueDateTime", paper.issued_on)
    for text in [*paper.texts, paper.note, paper.terms]:
        if text:
            document.add("IncludedNote").add("Content", text)
    trade = _Node(etree.SubElement(root, f"{{{_RSM}}}SupplyChainTradeTransaction"))
    _lines(trade, paper)
    agreement = trade.add("ApplicableHeaderTradeAgreement")
    _party(agreement.add("SellerTradeParty"), paper.seller)
    _party(agreement.add("BuyerTradeParty"), paper.buyer)
    trade.add("ApplicableHeaderTradeDelivery")
    _settlement(trade.add("ApplicableHeaderTradeSettlement"), paper)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _lines(trade: _Node, paper: Paper) -> None:
    for line in paper.lines:
        item = trade.add("IncludedSupplyChainTradeLineItem")
        item.add("AssociatedDocumentLineDocument").add("LineID", str(line.position))
        item.add("SpecifiedTradeProduct").add("Name", line.description)
        price = item.add("SpecifiedLineTradeAgreement").add("NetPriceProductTradePrice")
        price.add("ChargeAmount", paper.decimal(line.price_minor))
        item.add("SpecifiedLineTradeDelivery").add("BilledQuantity", f"{line.quantity:f}", unitCode="C62")
        settled = item.add("SpecifiedLineTradeSettlement")
        _tax(settled.add("ApplicableTradeTax"), line.category, line.basis_points)
        if line.period:
            _period(settled, line.period)
        settled.add("SpecifiedTradeSettlementLineMonetarySummation").add("LineTotalAmount", paper.decimal(line.amount_minor))


def _tax(node: _Node, category: str, basis_points: int) -> None:
    node.add("TypeCode", "VAT")
    node.add("CategoryCode", category)
    if category != TaxCategory.OUTSIDE:
        node.add("RateApplicablePercent", f"{basis_points / 100:.2f}")


def _period(node: _Node, period: tuple[date, date]) -> None:
    holder = node.add("BillingSpecifiedPeriod")
    holder.day("StartDateTime", period[0])
    holder.day("EndDateTime", period[1])


def _party(node: _Node, party: Party) -> None:
    node.add("Name", party.name)
    if party.registration_number:
        node.add("SpecifiedLegalOrganization").add("ID", party.registration_number)
    address = node.add("PostalTradeAddress")
    if party.postcode:
        address.add("PostcodeCode", party.postcode)
    for name, text in zip(("LineOne", "LineTwo", "LineThree"), party.lines[:3], strict=False):
        address.add(name, text)
    if party.town:
        address.add("CityName", party.town)
    address.add("CountryID", party.country)
    if party.vat_number:
        node.add("SpecifiedTaxRegistration").add("ID", party.vat_number, schemeID="VA")


def _settlement(node: _Node, paper: Paper) -> None:
    node.add("InvoiceCurrencyCode", paper.currency)
    for tax in paper.taxes:
        one = node.add("ApplicableTradeTax")
        one.add("CalculatedAmount", paper.decimal(tax.tax_minor))
        one.add("TypeCode", "VAT")
        if tax.category in _REASONS:
            one.add("ExemptionReason", _REASONS[TaxCategory(tax.category)])
        one.add("BasisAmount", paper.decimal(tax.base_minor))
        one.add("CategoryCode", tax.category)
        if tax.category != TaxCategory.OUTSIDE:
            one.add("RateApplicablePercent", f"{tax.basis_points / 100:.2f}")
    if paper.period:
        _period(node, paper.period)
    if paper.due_on:
        node.add("SpecifiedTradePaymentTerms").day("DueDateDateTime", paper.due_on)
    sums = node.add("SpecifiedTradeSettlementHeaderMonetarySummation")
    sums.add("LineTotalAmount", paper.decimal(paper.net_minor))
    sums.add("TaxBasisTotalAmount", paper.decimal(paper.net_minor))
    sums.add("TaxTotalAmount", paper.decimal(paper.tax_minor), currencyID=paper.currency)
    sums.add("GrandTotalAmount", paper.decimal(paper.total_minor))
    if paper.prepaid_minor:
        sums.add("TotalPrepaidAmount", paper.decimal(paper.prepaid_minor))
    sums.add("DuePayableAmount", paper.decimal(paper.due_minor))
    if paper.refers_to:
        earlier = node.add("InvoiceReferencedDocument")
        earlier.add("IssuerAssignedID", paper.refers_to)
        if paper.refers_on:
            earlier.day("FormattedIssueDateTime", paper.refers_on, "urn:un:unece:uncefact:data:standard:QualifiedDataType:100")


def embed(pdf: bytes, paper: Paper) -> bytes:
    """Return the PDF with its XML inside, after the library's schema check."""
    title = "Invoice" if paper.kind == "invoice" else "Credit note"
    about = {"author": paper.seller.name, "title": f"{title} {paper.number}", "subject": title, "keywords": "Factur-X"}
    return bytes(
        generate_from_binary(
            pdf, einvoice_xml(paper), flavor="factur-x", level="en16931", check_xsd=True, pdf_metadata=about, lang="en"
        )
    )
