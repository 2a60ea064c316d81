"""The demo marketplace: invented sellers and sales, and a bank that answers. Deterministic; everything goes through the real doors."""
