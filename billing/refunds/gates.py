"""Whom a refund is asked before: `block` keeps it cancelled, `hold` makes it wait for a second person whatever its amount."""

from backoffice.kit.gates import Gate

before_refund = Gate("before_refund")
