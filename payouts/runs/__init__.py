"""Who is paid, how much, and with whose approval: runs and payouts. Step 4 of the walk: available → in_payout."""
