"""Whom we bill: a seller who pays for a plan, or a buyer; one row per billing relation and currency-free."""
