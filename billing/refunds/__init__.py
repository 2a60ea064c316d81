"""Refunds: money back to where it came from, never more than came, and above a limit only by two people."""
