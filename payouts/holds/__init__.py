"""What is not free yet: maturing, holds, reserves. Step 3 of the walk: pending → available, available ↔ reserved."""
