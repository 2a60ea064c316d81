"""Walk a test customer's clock to an instant, doing what falls due on the way."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.db.models import Q

from backoffice.kit.clock import parse_at
from backoffice.kit.commands import OperatorCommand, actor_of
from backoffice.kit.errors import InputError, NotFound
from billing.customers.models import Customer
from billing.subscriptions.operations import advance


class Command(OperatorCommand):
    help = "Walk a test customer's clock to an instant; customers of live partners are refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", metavar="CUSTOMER", help="its id or external id")
        parser.add_argument("to", metavar="TO", help="the instant, ISO 8601")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(self, at: datetime, customer: str = "", to: str = "", email: str | None = None, **options: Any) -> dict[str, Any]:
        try:
            until = parse_at(to)
        except ValueError as error:
            raise InputError(detail=str(error)) from None
        found = list(Customer.objects.filter(Q(public_id=customer) | Q(external_id=customer))[:2])
        if not found:
            raise NotFound(what="customer", ref=customer[:120])
        if len(found) > 1:
            raise InputError(detail=f"Several partners have a customer {customer[:120]}; name it by its id.")
        actor = actor_of(email, permission="billing.change_subscriptions", fallback="clock")
        stops = advance(customer_id=found[0].pk, to=until, actor=actor, at=at)
        return {"customer": found[0].public_id, "clock": until, "stops": stops}
