"""Money in, news in, proof in: the street wall. Its rooms are built with the billing issue."""
