"""An erasure request: refused while the law asks to keep, then persons and papers are gone, and the books are as they were."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.staff.models import AuditEntry
from payouts.compliance import vault
from payouts.compliance.erasing import KEPT_DAYS, MustBeKept, SellerNotClosed
from payouts.compliance.models import Document, DocumentBytes, Person, Requirement
from payouts.compliance.operations import delete_erased_files, erase_personal_data, move_out, open_document
from payouts.ledger.models import Entry
from payouts.sellers.operations import set_seller_status
from tests.factories.compliance import AT, REVIEWER, make_newcomer, onboard, row, upload
from tests.factories.runs import give_money

pytestmark = pytest.mark.django_db


def test_personal_data_goes_when_the_law_lets_go_and_the_books_stay():
    seller = onboard(make_newcomer())
    give_money(seller, 1_000)
    give_money(seller, -1_000)
    move_out(at=AT)
    waiting = upload(row(seller, "bank_proof"))
    stored = Document.objects.filter(seller=seller).exclude(storage_name="").first()
    asked = {"seller_id": seller.pk, "actor": REVIEWER, "reason": "their letter of May"}
    books = list(Entry.objects.order_by("pk").values())

    with pytest.raises(SellerNotClosed):
        erase_personal_data(**asked, at=AT)
    set_seller_status(seller_id=seller.pk, to="closed", actor=REVIEWER, at=AT, reason="leaves")
    with pytest.raises(MustBeKept, match="2031-01-0"):
        erase_personal_data(**asked, at=AT + timedelta(days=KEPT_DAYS - 1))
    later = AT + timedelta(days=KEPT_DAYS)
    erased = erase_personal_data(**asked, at=later)

    assert erased == {"persons": 2, "answers": 4, "documents": 5, "messages": 0}
    assert {(one.name, one.birth_on, one.name_index) for one in Person.objects.filter(seller=seller)} == {("", "", "")}
    assert not Requirement.objects.filter(seller=seller).exclude(value="").exists() and not DocumentBytes.objects.exists()
    for paper in (waiting, stored):
        with pytest.raises(vault.DocumentGone):
            open_document(document_id=paper.pk, actor=REVIEWER, at=later)
    assert vault.storage().exists(stored.storage_name)
    # the one that was waiting is asked for, too: a worker that died may have left its file
    assert delete_erased_files(at=later) == 5 and delete_erased_files(at=later) == 0
    assert not vault.storage().exists(stored.storage_name)
    assert list(Entry.objects.order_by("pk").values()) == books
    assert AuditEntry.objects.get(action="seller.erase").facts["persons"] == 2
