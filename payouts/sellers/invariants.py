"""Truth 3 for sellers: how far a balance may fall is what the seller's terms say."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from backoffice.kit.invariants import rows_of, truth
from backoffice.kit.money import exponent_of


@truth(3, "floors_follow_limits", "Every seller's floor is the debt limit of the seller, or of the seller's tier.")
def floors_follow_limits() -> list[dict[str, Any]]:
    currencies = {*settings.CURRENCIES, *(row["currency"] for row in rows_of("SELECT DISTINCT currency FROM payouts_seller"))}
    return rows_of(
        """SELECT s.public_id AS seller, s.currency, coalesce(b.floor_wanted_minor, b.floor_minor) AS floor,
                  -coalesce(s.debt_limit_minor, t.debt_limit * (%(units)s::jsonb ->> s.currency)::bigint) AS terms
             FROM payouts_seller s JOIN payouts_tier t ON t.id = s.tier_id
             JOIN payouts_account a ON a.code = 'seller.available' AND a.holder_id = s.id AND a.holder = '' AND a.currency = s.currency
             JOIN payouts_balance b ON b.account_id = a.id
            WHERE coalesce(b.floor_wanted_minor, b.floor_minor)
                  <> -coalesce(s.debt_limit_minor, t.debt_limit * (%(units)s::jsonb ->> s.currency)::bigint)""",
        {"units": json.dumps({currency: 10 ** exponent_of(currency) for currency in sorted(currencies)})},
    )
