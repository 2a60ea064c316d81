"""What a reviewer can do on a seller's page; four eyes and limits live in the verbs."""

from __future__ import annotations

from typing import Any

from backoffice.kit.admin import Button, display, fields
from payouts.compliance import claiming, operations
from payouts.compliance.buttons import REVIEW, agree, disagree, is_asked, next_in_queue
from payouts.compliance.models import PersonKind, Role
from payouts.compliance.operations import REACTIVATE, REJECT
from payouts.compliance.rating import OVERRIDE
from payouts.compliance.scorecard import scorecard
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus

_OPEN = [SellerStatus.CREATED, SellerStatus.REVIEW, SellerStatus.ACTIVE, SellerStatus.PAUSED]


def _effect(row: Seller) -> list[tuple[str, Any]]:
    return [("Seller", row.legal_name), ("Now", display.state(row))]


def _about(row: Seller, asked: dict[str, Any]) -> dict[str, Any]:
    return {"seller_id": row.pk, **asked}


def _decision(action: str, name: str, word: str, states: list[SellerStatus], explain: str) -> tuple[Button, ...]:
    """Return the three buttons of a decision that takes two people: ask, approve, refuse."""

    def arguments(row: Seller, asked: dict[str, Any]) -> dict[str, Any]:
        return {"seller_id": row.pk, "action": action, **asked}

    waits = is_asked(action)
    return (
        Button(
            name=f"ask_{name}",
            label=f"Ask to {word}",
            verb=operations.ask_decision,
            permission=REVIEW,
            arguments=arguments,
            states=states,
            when=lambda row: not waits(row),
            fields=lambda row: {"reason": fields.reason()},
            effect=_effect,
            explain=f"{explain} A second person has to approve it.",
            danger=True,
            done="A second person has to approve it.",
            order=80,
        ),
        agree(
            action,
            f"approve_{name}",
            f"Approve: {word}",
            operations.approve_decision,
            arguments=arguments,
            effect=_effect,
            states=states,
            explain=explain,
            danger=True,
            done=lambda row, seller: f"{seller.legal_name} is now: {seller.get_status_display()}.",
            order=81,
        ),
        disagree(
            action,
            f"refuse_{name}",
            f"Do not {word}",
            operations.refuse_decision,
            arguments=arguments,
            effect=_effect,
            states=states,
            done="Refused; nothing has changed.",
            order=82,
        ),
    )


def _person_fields(row: Seller) -> dict[str, Any]:
    return {
        "kind": fields.choice("Kind", PersonKind.choices),
        "name": fields.text("Name"),
        "role": fields.choice("Role", Role.choices),
        "country": fields.text("Country", "Two letters.", max_length=2, initial=row.country),
        "birth_on": fields.on_date("Date of birth", "Of a person.", required=False),
        "address": fields.text("Address", required=False, max_length=300),
        "phone": fields.text("Phone", required=False, max_length=40),
    }


def _person_arguments(row: Seller, asked: dict[str, Any]) -> dict[str, Any]:
    return {"seller_id": row.pk, "roles": [asked["role"]], **{name: value for name, value in asked.items() if name != "role"}}


SELLER_BUTTONS = (
    Button(
        name="claim",
        label="Work on this seller",
        verb=claiming.claim,
        permission=REVIEW,
        arguments=lambda row, asked: {"seller_id": row.pk},
        states=_OPEN,
        explain=f"For {claiming.CLAIM_MINUTES} minutes colleagues get others from the queue.",
        done="Yours for an hour.",
        order=5,
    ),
    next_in_queue(order=6),
    Button(
        name="ask_more",
        label="Ask the seller",
        verb=operations.ask_seller,
        permission=REVIEW,
        arguments=_about,
        states=_OPEN,
        fields=lambda row: {"text": fields.long_text("Message", "Sent to the seller's system as it stands.")},
        effect=_effect,
        done="Sent, and kept with the seller.",
        order=15,
    ),
    Button(
        name="add_person",
        label="Name a person",
        verb=operations.add_person,
        permission=REVIEW,
        arguments=_person_arguments,
        states=_OPEN,
        fields=_person_fields,
        effect=_effect,
        explain="What the role asks of them becomes a requirement; they are screened.",
        done="Named.",
        order=16,
    ),
    Button(
        name="start_review",
        label="Start a review",
        verb=operations.start_review,
        permission=REVIEW,
        arguments=_about,
        states=_OPEN,
        fields=lambda row: {
            "stop_payouts": fields.switch("Stop payouts until it is done"),
            "reason": fields.reason(),
        },
        effect=_effect,
        done="The seller is in the queue.",
        order=17,
    ),
    Button(
        name="erase",
        label="Erase personal data",
        verb=operations.erase_personal_data,
        permission=REVIEW,
        arguments=_about,
        states=[SellerStatus.CLOSED],
        fields=lambda row: {"reason": fields.reason()},
        effect=_effect,
        explain="Persons, answers, documents and messages are gone for good, five years after the closing. The books stay.",
        danger=True,
        done=lambda row, erased: f"Erased: {', '.join(f'{count} {what}' for what, count in erased.items())}.",
        order=90,
    ),
    Button(
        name="ask_override",
        label="Ask to set the risk level",
        verb=operations.ask_override,
        permission=REVIEW,
        arguments=_about,
        states=_OPEN,
        fields=lambda row: {
            "level": fields.choice("Level", [(one.code, one.code) for one in scorecard().levels]),
            "until": fields.on_date("Until", "Within a year; then the scorecard decides again."),
            "reason": fields.reason(),
        },
        effect=_effect,
        explain="A second person has to approve it.",
        done="A second person has to approve it.",
        order=75,
    ),
    agree(
        OVERRIDE,
        "approve_override",
        "Approve the risk level",
        operations.approve_override,
        arguments=_about,
        effect=_effect,
        done=lambda row, rating: f"The risk is now: {rating.level}.",
        order=76,
    ),
    disagree(
        OVERRIDE,
        "refuse_override",
        "Leave the risk level",
        operations.refuse_override,
        arguments=_about,
        effect=_effect,
        done="Refused; the risk level stays as it was.",
        order=77,
    ),
    *_decision(
        REJECT, "rejection", "reject this seller", _OPEN, "Nothing is paid to a rejected seller. Their money stays theirs."
    ),
    *_decision(REACTIVATE, "reactivation", "reactivate this seller", [SellerStatus.BLOCKED], "Payouts become possible again."),
)
