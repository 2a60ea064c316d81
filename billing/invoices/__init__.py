"""Invoices and credit notes: a claim from its draft to its end, numbered without gaps, taxed, immutable once it has a number."""
