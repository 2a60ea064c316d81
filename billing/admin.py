"""Index of the screens of this wing; each stands in its room."""

import billing.collection.admin
import billing.plans.admin
import billing.subscriptions.admin
import billing.subscriptions.admin_renewals  # noqa: F401 - importing it registers its screens
