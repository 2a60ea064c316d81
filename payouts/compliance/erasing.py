"""Erase who stood behind a seller, when the law lets go: persons, answers, papers and messages; the books stay as they are."""

from __future__ import annotations

from datetime import datetime, timedelta

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import timeline
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.compliance import vault
from payouts.compliance.models import Document, DocumentBytes, DocumentPreview, Person, Requirement, ReviewMessage
from payouts.sellers.models import Seller
from payouts.sellers.operations import ReasonMissing
from payouts.sellers.queries import lock_seller
from payouts.sellers.states import SELLER, SellerStatus

# Five years after the end of the business relationship: Directive (EU) 2015/849, article 40(1); 31 CFR 1010.430; SI 2017/692, regulation 40.
KEPT_DAYS = 5 * 365 + 2


class SellerNotClosed(Refusal):
    code = "seller_not_closed"
    sentence = "Data of a seller that is not closed is needed; close the seller first."


class MustBeKept(Refusal):
    code = "must_be_kept"
    sentence = "The law asks to keep what identified this seller until {until}."


@composable
def erase_personal_data(*, seller_id: int, actor: Actor, at: datetime, reason: str) -> dict[str, int]:
    """Erase persons, answers, papers and messages of a seller that was closed five years ago; the audit keeps how many of each.

    Papers are unreadable from the commit on, since their keys are gone; a worker deletes the files. Name, account and payouts stay: they are
    books. Tells `seller.data_erased`. Refuses: NotFound, ReasonMissing, SellerNotClosed, MustBeKept.
    """
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    if seller.status != SellerStatus.CLOSED:
        raise SellerNotClosed()
    closed = timeline(SELLER, seller.pk).filter(to_state=SellerStatus.CLOSED).latest("at")
    if at < (until := closed.at + timedelta(days=KEPT_DAYS)):
        raise MustBeKept(until=f"{until:%Y-%m-%d}")

    erased = _erase(seller, at)
    audit.record(actor, "seller.erase", seller.public_id, at, reason=reason, facts=erased | {"kept": "name, accounts, payouts"})
    tell("seller.data_erased", subject=seller.public_id, payload=erased, at=at, partner_id=seller.partner_id)
    return erased


def _erase(seller: Seller, at: datetime) -> dict[str, int]:
    sealed = {"name": "", "birth_on": "", "address": "", "phone": ""}
    indexes = {"name_index": "", "address_index": "", "phone_index": ""}
    waiting = DocumentBytes.objects.filter(document__seller=seller).select_related("document").defer("sealed")
    for one in waiting:
        # a worker that died while it moved the bytes out may have left a file that no row names
        Document.objects.filter(pk=one.pk, storage_name="").update(storage_name=vault.name_of(one.document))
    waiting.delete()
    DocumentPreview.objects.filter(document__seller=seller).delete()
    return {
        "persons": Person.objects.filter(seller=seller, erased_at__isnull=True).update(**sealed, **indexes, erased_at=at),
        "answers": Requirement.objects.filter(seller=seller).exclude(value="").update(value="", value_index=""),
        "documents": Document.objects.filter(seller=seller, erased_at__isnull=True).update(data_key="", erased_at=at),
        "messages": ReviewMessage.objects.filter(seller=seller).exclude(text="").update(text=""),
    }


@durable
def delete_erased_files(*, at: datetime, limit: int = 200) -> int:
    """Delete the files of erased papers from storage; a crash in between repeats the deletion of what is gone. Returns how many. Refuses: StorageDown."""
    gone = Document.objects.filter(erased_at__isnull=False).exclude(storage_name="").order_by("pk")
    count = 0
    for pk, name in list(gone.values_list("pk", "storage_name")[:limit]):
        vault.delete(name)
        count += Document.objects.filter(pk=pk).update(storage_name="")
    return count
