"""What we owe sellers and how it reaches them: the corridor money walks through."""
