"""How the money of an invoice comes in: from the seller's balance, from the card, and what follows when it does not."""
