"""Payments: what a customer owes, taken through a gateway. A row before each call, a derived key, and never a second call by guess."""
