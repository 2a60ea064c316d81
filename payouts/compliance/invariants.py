"""Truth 9, the part of compliance: what a seller may do is what its requirement rows say."""

from typing import Any

from backoffice.kit.invariants import truth
from payouts.compliance.deriving import disagreeing


@truth(9, "capabilities_equal_derivation", "Each seller's stored capabilities are what its requirement rows say.")
def capabilities_equal_derivation() -> list[dict[str, Any]]:
    return disagreeing()
