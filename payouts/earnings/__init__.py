"""What sales leave to sellers: earnings, imports, rejected lines. Step 1 of the walk; matures nothing and pays nothing."""
