"""Disputes: what the provider says of them, what we do about them, and the money on its way to and fro."""
