"""Staff: roles, the audit trail, sign-in. Knows no seller and no payout."""
