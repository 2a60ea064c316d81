"""Is this party on a list? Lists as versioned deltas, an explained comparison of names, hits for people to judge, clearances that end."""
