"""Who owns a seller in the end: exact shares, circles, gaps, and what follows for the persons."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.compliance.operations import accept_requirement, declare_ownership, remove_person
from payouts.compliance.persons import PersonHoldsShares, PersonInvalid, StakesInvalid
from payouts.compliance.queries import linked_sellers, ownership_picture
from payouts.compliance.structure import Edge, understand
from tests.factories.compliance import AT, REVIEWER, SELLER, make_newcomer, name_person, row, states
from tests.factories.sellers import make_iban, make_payee


def codes(structure):
    return sorted(problem.code for problem in structure.problems)


def test_shares_multiply_down_each_way_and_add_up_over_ways():
    holding, ada, ben = 1, 2, 3
    found = understand(
        [Edge(holding, None, 5_000), Edge(ada, None, 5_000), Edge(ada, holding, 5_000), Edge(ben, holding, 5_000)],
        {holding: True},
    )
    assert found.shares == {holding: Fraction(1, 2), ada: Fraction(3, 4), ben: Fraction(1, 4)}
    assert codes(found) == []
    assert found.owners([ada, ben], 2_500, inclusive=False) == {ada}
    assert found.owners([ada, ben], 2_500, inclusive=True) == {ada, ben}


def test_circles_gaps_excess_and_loose_companies_are_flagged():
    assert codes(understand([], {})) == ["owners_missing"]
    assert codes(understand([Edge(1, None, 9_000)], {})) == ["ownership_gap"]
    assert codes(understand([Edge(1, None, 9_000), Edge(2, None, 2_000)], {})) == ["ownership_excess"]
    assert codes(understand([Edge(1, None, 10_000)], {1: True})) == ["ownership_gap"]
    circle = [Edge(1, None, 10_000), Edge(2, 1, 10_000), Edge(1, 2, 10_000)]
    assert "ownership_cycle" in codes(understand(circle, {1: True, 2: True}))
    assert codes(understand([Edge(1, None, 10_000), Edge(2, 9, 10_000)], {9: True})) == ["company_not_an_owner"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=5), min_size=1, max_size=6))
def test_a_structure_without_gaps_gives_away_exactly_everything(layers):
    """Each company splits all of itself over a person each, and one company that goes on; the persons' shares then add up to one."""
    edges, companies, holder, company = [], {}, 0, None
    for number, weights in enumerate(layers):
        total = sum(weights)
        parts = [weight * 10_000 // total for weight in weights]
        parts[0] += 10_000 - sum(parts)
        first, last = holder + 1, number == len(layers) - 1
        for part in parts:
            holder += 1
            edges.append(Edge(holder, company, part))
            companies[holder] = False
        if not last:
            companies[first], company = True, first
    found = understand(edges, companies)
    assert found.problems == []
    assert sum(share for one, share in found.shares.items() if not companies[one]) == 1


def test_a_wide_and_deep_web_is_understood_at_once():
    wide, deep = 8, 40
    edges = [Edge(one, None, 1_250) for one in range(1, wide + 1)]
    for layer in range(deep):
        base = layer * wide + 1
        edges += [Edge(base + wide + to, base + of, 1_250) for of in range(wide) for to in range(wide)]
    found = understand(edges, dict.fromkeys(range(1, deep * wide + 1), True))
    assert found.problems == [] and found.shares[deep * wide + 1] == Fraction(1, 8)


@pytest.mark.django_db
def test_owners_above_the_threshold_have_to_show_who_they_are_and_those_below_do_not():
    seller = make_newcomer()
    ada, ben = name_person(seller, "Ada Martin"), name_person(seller, "Ben Durand")
    holding = name_person(seller, "Holding SAS", kind="company")
    declare_ownership(
        seller_id=seller.pk, actor=SELLER, at=AT,
        stakes=[(ada.public_id, None, 6_000), (holding.public_id, None, 4_000), (ben.public_id, holding.public_id, 10_000)],
    )  # fmt: skip
    assert {r.person for r in seller.requirements.filter(code="owner_identity")} == {ada, ben}
    assert states(seller)["beneficial_owners"] == "pending_verification"
    accept_requirement(requirement_id=row(seller, "beneficial_owners").pk, actor=REVIEWER, at=AT, reason="as in the register")

    with pytest.raises(PersonHoldsShares):
        remove_person(person_id=ben.pk, actor=SELLER, at=AT)
    declare_ownership(
        seller_id=seller.pk, stakes=[(ada.public_id, None, 8_000), (ben.public_id, None, 2_000)], actor=SELLER, at=AT
    )
    assert row(seller, "owner_identity", ben).state == "withdrawn"
    assert row(seller, "beneficial_owners").state == "pending_verification", "what changed is looked at again"
    declare_ownership(seller_id=seller.pk, stakes=[(ada.public_id, None, 8_000)], actor=SELLER, at=AT)
    due = row(seller, "beneficial_owners")
    assert (due.state, due.error_code) == ("currently_due", "ownership_gap") and "20 %" in due.error_text
    lines, problems = ownership_picture(seller)
    assert [line.person for line in lines] == [ada] and len(problems) == 1


@pytest.mark.django_db
def test_what_cannot_be_is_refused():
    seller, other = make_newcomer(), make_newcomer()
    ada, stranger = name_person(seller), name_person(other)
    for wrong in (
        [(ada.public_id, None, 1), (ada.public_id, None, 2)],
        [(ada.public_id, ada.public_id, 5)],
        [(ada.public_id, None, 10_001)],
    ):
        with pytest.raises(StakesInvalid):
            declare_ownership(seller_id=seller.pk, stakes=wrong, actor=SELLER, at=AT)
    with pytest.raises(Exception, match="no person"):
        declare_ownership(seller_id=seller.pk, stakes=[(stranger.public_id, None, 10_000)], actor=SELLER, at=AT)
    with pytest.raises(PersonInvalid, match="birth"):
        name_person(seller, "No Birthday", birth_on=None)


@pytest.mark.django_db
def test_sellers_that_share_an_account_a_person_a_phone_or_an_address_are_linked():
    one, account, person, phone, nobody = (make_newcomer() for _ in range(5))
    number = make_iban()
    make_payee(one, number=number)
    make_payee(account, number=number)
    name_person(one, "Ada Martin", phone="+33 1 23 45 67 89")
    name_person(person, "ada  martin")
    name_person(phone, "Somebody Else", phone="+33123456789")
    name_person(nobody, "Nobody Known")

    found = {(link.seller, link.what) for link in linked_sellers(one)}
    assert found == {(account, "bank account"), (person, "person"), (phone, "phone")}
