"""Verbs on staff: make a member with a role, a link to sign in with once, its redemption."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.core.validators import validate_email

from backoffice.kit.actors import Actor, staff
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from backoffice.staff.models import SignInLink
from backoffice.staff.roles import ROLES

NAME_MAX = 150  # Django's column for user names; the address serves as name
LINK_LIFETIME = timedelta(hours=24)
_SALT = "backoffice.staff.sign-in"


class UnknownRole(InputError):
    code = "unknown_role"
    sentence = "The role is one of {roles}."


class InvalidStaffEmail(InputError):
    code = "invalid_email"
    sentence = "The e-mail address is not valid."


class PasswordTooWeak(InputError):
    code = "password_too_weak"
    sentence = "The password cannot be used: {why}"


class StaffExists(Refusal):
    code = "staff_exists"
    sentence = "There is already a staff member with that address."


class LinkNotValid(Refusal):
    code = "sign_in_link_not_valid"
    sentence = "This link does not work: it was used, it is too old, or it is not complete. Ask for a new one."


@composable
def create_staff(*, email: str, role: str, actor: Actor, at: datetime, password: str = "") -> Any:
    """Make a staff member with one role; without a password they come in by a sign-in link only.

    Refuses: UnknownRole, InvalidStaffEmail, PasswordTooWeak, StaffExists.
    """
    email = email.strip().lower()
    if role not in ROLES:
        raise UnknownRole(roles=", ".join(ROLES))
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidStaffEmail() from None
    if len(email) > NAME_MAX:
        raise InvalidStaffEmail()
    users = get_user_model().objects
    if users.filter(username__iexact=email).exists() or users.filter(email__iexact=email).exists():
        raise StaffExists()
    user = users.model(username=email, email=email, is_staff=True)
    _set_password(user, password)

    user.save()
    user.groups.set([Group.objects.get(name=role)])
    audit.record(actor, "staff.create", f"staff:{user.pk}", at, facts={"role": role})
    return user


@composable
def make_sign_in_link(*, user_id: int, actor: Actor, at: datetime) -> str:
    """Return the token of a link that lets this person set a password once, within LINK_LIFETIME; earlier unused links end."""
    secret = secrets.token_urlsafe(32)
    SignInLink.objects.filter(user_id=user_id, used_at=None).update(used_at=at)
    SignInLink.objects.create(
        user_id=user_id, token_hash=_hash(secret), created_by=str(actor), created_at=at, expires_at=at + LINK_LIFETIME
    )
    audit.record(actor, "staff.sign_in_link", f"staff:{user_id}", at)
    return Signer(salt=_SALT).sign(secret)


def peek_sign_in_link(*, token: str, at: datetime) -> Any:
    """Return whose link this is, without using it. Refuses: LinkNotValid."""
    return _live_link(token, at).user


@composable
def redeem_sign_in_link(*, token: str, password: str, at: datetime) -> Any:
    """Set the password of the link's owner and spend the link; two at once get one success. Refuses: LinkNotValid, PasswordTooWeak."""
    link = _live_link(token, at, locked=True)
    user = link.user
    _set_password(user, password)

    user.save(update_fields=["password"])
    link.used_at = at
    link.save(update_fields=["used_at"])
    audit.record(staff(user.pk), "staff.sign_in_link_used", f"staff:{user.pk}", at)
    return user


def _live_link(token: str, at: datetime, *, locked: bool = False) -> SignInLink:
    """Return an unused, unexpired link; one refusal for every kind of wrong, so that nobody learns which kind."""
    try:
        secret = Signer(salt=_SALT).unsign(token)
    except BadSignature:
        raise LinkNotValid() from None
    links = SignInLink.objects.filter(token_hash=_hash(secret), used_at=None, expires_at__gt=at, user__is_active=True)
    link = (links.select_for_update(of=("self",)) if locked else links).select_related("user").first()
    if link is None:
        raise LinkNotValid()
    return link


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _set_password(user: Any, password: str) -> None:
    if not password:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordTooWeak(why=" ".join(error.messages)) from None
    user.set_password(password)
