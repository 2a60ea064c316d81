"""API clients of partners: who they are, their keys and scopes. Knows no seller and no payout."""
