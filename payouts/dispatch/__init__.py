"""Payouts on their way: payment orders, rail files, the bank's answers. Steps 6 and 7 of the walk.

Claim, send, record: reliability.md section 6. Unknown stays unknown until evidence comes, and is never resent blindly.
"""
