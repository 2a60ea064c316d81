"""Roles: what each may do, and that the rest is denied."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group

from backoffice.staff import roles
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db
# previews are shown on the page of their document; what a screening server is at shows in the coverage
NOT_SHOWN = {"documentpreview", "serveredition", "idempotencyrecord", "eventconsumption", "loginattempt", "signinlink"}


def may(user, *permissions):
    return [user.has_perm(permission) for permission in permissions]


def test_finance_makes_and_the_lead_checks():
    finance, lead = make_staff("finance"), make_staff("lead")
    made = ("payouts.build_run", "payouts.submit_run", "payouts.import_bank_file", "payouts.request_adjustment")
    checked = ("payouts.approve_run", "payouts.close_period", "payouts.release_hold", "payouts.approve_adjustment")
    assert may(finance, *made) == [True] * 4 and not any(may(finance, *checked))
    assert may(lead, *checked, *made) == [True] * 8, "a lead stands in for finance; the verbs refuse their own approval"


def test_the_auditor_sees_everything_and_changes_nothing():
    auditor = make_staff("auditor")
    for app_label in ("payouts", "backoffice", "fraud"):
        for model in apps.get_app_config(app_label).get_models():
            if model._meta.model_name not in NOT_SHOWN:
                assert auditor.has_perm(f"{app_label}.view_{model._meta.model_name}"), model
    harmless = {"export_rows", "view_audit"}
    assert not any(auditor.has_perm(f"{label}.{name}") for name, (label, *_) in roles.ACTS.items() if name not in harmless)


@pytest.mark.parametrize("role", list(roles.ROLES))
def test_nobody_may_add_change_or_delete_rows_by_hand(role):
    user = make_staff(role)
    assert not [one for one in user.get_all_permissions() if one.split(".")[1].startswith(("add_", "delete_"))]
    assert not user.has_perm("payouts.change_seller") and not user.is_superuser


def test_support_only_looks():
    support = make_staff("support")
    assert all(one.split(".")[1].startswith("view_") for one in support.get_all_permissions())
    assert not support.has_perm("payouts.view_posting")


def test_writing_the_roles_again_takes_away_what_was_added_by_hand():
    group = Group.objects.get(name="support")
    before = set(group.permissions.values_list("pk", flat=True))
    group.permissions.add(*Group.objects.get(name="lead").permissions.all())
    roles.write_roles()
    assert set(group.permissions.values_list("pk", flat=True)) == before


def test_a_role_needs_an_active_staff_member():
    assert roles.has_role(make_staff("lead"), "lead", "compliance")
    assert not roles.has_role(make_staff("finance"), "lead", "compliance")
    assert not roles.has_role(make_staff("lead", is_active=False), "lead")
