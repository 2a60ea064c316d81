"""What tax authorities are told of sellers: DAC7 in the Union, Form 1099-K in the United States. All figures come from the ledger."""
