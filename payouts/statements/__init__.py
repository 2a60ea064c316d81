"""What a seller is shown of a payout: its frozen lines as JSON, CSV and PDF, the same rows and total in all three."""
