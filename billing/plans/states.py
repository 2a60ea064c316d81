"""What is offered: plans, prices and coupons share two states."""

from django.db import models

from backoffice.kit.states import machine


class Offer(models.TextChoices):
    OFFERED = "offered", "offered"
    WITHDRAWN = "withdrawn", "withdrawn"


PLAN = machine(
    "plan", "billing_plan", Offer, {"": [Offer.OFFERED], Offer.OFFERED: [Offer.WITHDRAWN], Offer.WITHDRAWN: [Offer.OFFERED]}
)
PRICE = machine("price", "billing_price", Offer, {"": [Offer.OFFERED], Offer.OFFERED: [Offer.WITHDRAWN]})
COUPON = machine("coupon", "billing_coupon", Offer, {"": [Offer.OFFERED], Offer.OFFERED: [Offer.WITHDRAWN]})
