"""The journal: accounts, postings, entries, balances. The only writer of entries.

Knows no seller and no payout: a party is a number (`holder_id`), a reason is a template. Step 2 of the walk of a sale.
"""
