"""Money in, news in, proof in: the street wall."""
