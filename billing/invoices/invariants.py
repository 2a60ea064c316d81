"""Truth 10, first half: invoices add up, agree with the ledger, and no number is missing."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth
from billing.invoices.queries import missing_numbers, series_state

Rows = list[dict[str, Any]]


@truth(10, "invoices_add_up", "Every invoice is the sum of its lines and taxes, less what was applied to it.")
def invoices_add_up() -> Rows:
    return rows_of(
        """SELECT i.public_id AS invoice, i.status, i.subtotal_minor, l.total AS lines, i.tax_minor, t.tax AS taxes, i.amount_due_minor
             FROM billing_invoice i
             LEFT JOIN (SELECT invoice_id, sum(amount_minor) AS total FROM billing_invoiceline GROUP BY 1) l ON l.invoice_id = i.id
             LEFT JOIN (SELECT invoice_id, sum(tax_minor) AS tax, sum(base_minor) AS base FROM billing_invoicetax GROUP BY 1) t
                    ON t.invoice_id = i.id
             LEFT JOIN (SELECT invoice_id,
                               coalesce(sum(amount_minor) FILTER (WHERE source IN ('balance', 'card', 'credit')), 0) AS paid,
                               coalesce(sum(amount_minor) FILTER (WHERE source = 'credit_note'), 0) AS credited,
                               coalesce(sum(amount_minor) FILTER (WHERE source IN ('void', 'write_off')), 0) AS given_up
                          FROM billing_application GROUP BY 1) a ON a.invoice_id = i.id
             LEFT JOIN (SELECT invoice_id, sum(to_balance_minor + to_customer_minor) AS refunded FROM billing_creditnote GROUP BY 1) c
                    ON c.invoice_id = i.id
            WHERE i.subtotal_minor IS DISTINCT FROM l.total
               OR i.number <> '' AND (i.tax_minor IS DISTINCT FROM coalesce(t.tax, 0) OR coalesce(t.base, 0) <> i.subtotal_minor)
               OR i.paid_minor <> coalesce(a.paid, 0) OR i.credited_minor <> coalesce(a.credited, 0)
               OR i.given_up_minor <> coalesce(a.given_up, 0) OR i.refunded_minor <> coalesce(c.refunded, 0)
               OR (i.status IN ('paid', 'uncollectible') OR i.status = 'void' AND i.number <> '') AND i.amount_due_minor <> 0
               OR i.status = 'open' AND i.amount_due_minor <= 0"""
    )


@truth(10, "credit_notes_add_up", "Every credit note is the sum of its lines and taxes, and no line is credited beyond itself.")
def credit_notes_add_up() -> Rows:
    return rows_of(
        """SELECT n.public_id AS document, n.subtotal_minor AS stored, coalesce(l.total, 0)::bigint AS summed
             FROM billing_creditnote n
             LEFT JOIN (SELECT credit_note_id, sum(amount_minor) AS total FROM billing_creditnoteline GROUP BY 1) l ON l.credit_note_id = n.id
             LEFT JOIN (SELECT credit_note_id, sum(tax_minor) AS tax FROM billing_creditnotetax GROUP BY 1) t ON t.credit_note_id = n.id
            WHERE n.subtotal_minor IS DISTINCT FROM l.total OR n.tax_minor <> coalesce(t.tax, 0)
           UNION ALL
           SELECT i.public_id, l.amount_minor, sum(c.amount_minor)::bigint
             FROM billing_creditnoteline c JOIN billing_invoiceline l ON l.id = c.invoice_line_id JOIN billing_invoice i ON i.id = l.invoice_id
            GROUP BY i.public_id, l.id, l.amount_minor
           HAVING abs(sum(c.amount_minor)) > abs(l.amount_minor) OR sum(c.amount_minor) * l.amount_minor < 0"""
    )


@truth(10, "receivables_agree", "What invoices say is due equals the ledger's receivable, customer by customer.")
def receivables_agree() -> Rows:
    return rows_of(
        """SELECT coalesce(d.customer_id, b.customer_id) AS customer_id, coalesce(d.currency, b.currency) AS currency,
                  coalesce(d.due, 0)::bigint AS due, coalesce(b.booked, 0)::bigint AS booked
             FROM (SELECT customer_id, currency, sum(amount_minor) AS due FROM (
                       SELECT customer_id, currency, amount_due_minor AS amount_minor FROM billing_invoice WHERE number <> '') AS x GROUP BY 1, 2) d
             FULL JOIN (SELECT a.holder_id AS customer_id, a.currency, b.amount_minor * b.normal_sign AS booked
                          FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                         WHERE a.code = 'receivable.invoice' AND a.holder = '' AND a.holder_id <> 0) b USING (customer_id, currency)
            WHERE coalesce(d.due, 0) <> coalesce(b.booked, 0)"""
    )


@truth(10, "applications_are_booked", "Every part applied to an invoice is what its posting took off the customer's receivable.")
def applications_are_booked() -> Rows:
    return rows_of(
        """SELECT p.invoice, p.posting_id, p.applied, coalesce(e.booked, 0)::bigint AS booked
             FROM (SELECT i.public_id AS invoice, i.customer_id, p.posting_id, p.currency, sum(p.amount_minor)::bigint AS applied
                     FROM billing_application p JOIN billing_invoice i ON i.id = p.invoice_id GROUP BY 1, 2, 3, 4) p
             LEFT JOIN (SELECT n.posting_id, a.holder_id, a.currency, -sum(n.amount_minor) AS booked
                          FROM payouts_entry n JOIN payouts_account a ON a.id = n.account_id AND a.code = 'receivable.invoice' AND a.holder = ''
                         GROUP BY 1, 2, 3) e
                    ON e.posting_id = p.posting_id AND e.holder_id = p.customer_id AND e.currency = p.currency
            WHERE e.booked IS DISTINCT FROM p.applied"""
    )


@truth(10, "no_gap_in_numbers", "No invoice or credit note series lacks a number below its counter.")
def no_gap_in_numbers() -> Rows:
    return [row | {"missing": missing_numbers(row["id"], limit=10)} for row in series_state() if row["broken"]]
