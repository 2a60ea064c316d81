"""Proof: what providers and banks say, line by line, against what we booked. Differences stay open until two people close them."""
