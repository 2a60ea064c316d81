"""Index of the truths of this wing; importing it registers them."""

import fraud.screening.invariants  # noqa: F401
import fraud.decisions.invariants  # noqa: F401
