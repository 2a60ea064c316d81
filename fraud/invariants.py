"""Index of the truths of this wing; importing it registers them."""

import fraud.decisions.invariants
import fraud.model.invariants
import fraud.screening.invariants  # noqa: F401
