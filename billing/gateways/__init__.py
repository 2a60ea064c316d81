"""Where cards are charged: the port, and the gateways that speak it. Knows no invoice and no customer row."""
