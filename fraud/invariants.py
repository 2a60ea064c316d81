"""Index of the truths of this wing; importing it registers them."""

import fraud.cases.invariants
import fraud.decisions.invariants
import fraud.exposure.invariants
import fraud.model.invariants
import fraud.policies.invariants
import fraud.screening.invariants  # noqa: F401
