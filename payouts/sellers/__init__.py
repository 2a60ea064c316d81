"""Who sells and where they are paid: sellers, tiers, payee accounts as versions.

Knows no earning and no payout; tells others by events (`payee_account.changed`) and asks before by gates.
"""
