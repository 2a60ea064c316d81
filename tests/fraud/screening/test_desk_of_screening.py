"""The reviewer's way through the desk: next hit, both sides, cleared by two; coverage; a policy proposed with its picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backoffice.kit.ids import new_id
from fraud.screening.models import ListVersion, ScreeningPolicy
from tests.factories.screening import make_hit
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db
REASON = "Born in another town; passport seen."


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def press(client: Client, address: str, **asked: Any) -> Any:
    return client.post(address, {"key": new_id("frm"), **asked})


def test_a_reviewer_takes_the_next_hit_and_a_second_person_agrees(tmp_path: Path) -> None:
    hit = make_hit(tmp_path)
    first, second, risk = client_of("compliance"), client_of("lead"), client_of("risk")
    page = first.get("/admin/fraud/hit/next/", follow=True)
    shown = page.content.decode()
    assert page.redirect_chain[-1][0].endswith(f"/{hit.pk}/change/")
    assert "Born on the same day" in shown and "1961-04-17" in shown and "krabbenhoft" in shown

    do = f"/admin/fraud/hit/{hit.pk}/do/"
    assert press(risk, f"{do}clear/", reason=REASON).status_code == 403
    assert press(first, f"{do}clear/", reason=REASON).status_code == 302
    assert press(first, f"{do}approve/").status_code == 409, "one's own is refused"
    assert REASON in second.get(f"{do}approve/").content.decode()
    assert press(second, f"{do}approve/").status_code == 302
    hit.refresh_from_db()
    assert hit.state == "cleared"
    assert "No hit waits" in first.get("/admin/fraud/hit/next/", follow=True).content.decode()
    assert "Coverage of screening" in first.get("/admin/fraud/party/coverage/").content.decode()


def test_a_policy_is_proposed_with_what_was_measured_and_drawn(tmp_path: Path) -> None:
    points = [{"threshold": float(n), "recall": 1 - n / 1000, "false_alarm_rate": (100 - n) / 10_000} for n in range(60, 101)]
    measured = json.dumps({"curve": points, "positives": 683, "negatives": 20_000}).encode()
    asked = {
        "threshold": 84,
        "strong_threshold": 94,
        "clearance_days": 180,
        "shrink_percent": 5,
        "stale_hours": 12,
        "reason": REASON,
    }
    risk, lead = client_of("risk"), client_of("lead")
    propose = "/admin/fraud/screeningpolicy/do/propose/"
    assert press(risk, propose, curve=SimpleUploadedFile("curve.json", b"[1]"), **asked).status_code == 409
    assert press(risk, propose, curve=SimpleUploadedFile("curve.json", measured), **asked).status_code == 302
    policy = ScreeningPolicy.objects.get(version=2)
    page = lead.get(f"/admin/fraud/screeningpolicy/{policy.pk}/change/").content.decode()
    assert "<polyline" in page and "91.60%" in page
    assert press(risk, f"/admin/fraud/screeningpolicy/{policy.pk}/do/adopt/").status_code == 409
    assert press(lead, f"/admin/fraud/screeningpolicy/{policy.pk}/do/adopt/").status_code == 302
    assert list(ScreeningPolicy.objects.order_by("version").values_list("state", flat=True)) == ["replaced", "in_force"]


def test_a_list_is_loaded_from_the_desk_as_the_next_version(tmp_path: Path) -> None:
    hit = make_hit(tmp_path)
    content = (tmp_path / "list.csv").read_bytes().replace(b"TEST-1", b"TEST-3")
    given = {"list_format": "csv", "name": "invented", "accept_shrink": ""}
    answer = press(
        client_of("compliance"), "/admin/fraud/screeninglist/do/load/", file=SimpleUploadedFile("l.csv", content), **given
    )
    assert answer.status_code == 302
    version = ListVersion.objects.get(list=hit.entry.list, number=2)
    assert (version.changed, version.added, version.removed) == (2, 0, 0)
    page = client_of("lead").get(f"/admin/fraud/listversion/{version.pk}/change/").content.decode()
    assert "programmes" in page, "what changed is named"
