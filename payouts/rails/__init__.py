"""Ways money leaves: the rail port and its rails. Knows no seller and no payout: instructions in, answers out."""
