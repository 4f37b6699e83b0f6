"""Levers that are pulled wrongly, on nothing, or by strangers."""

from typing import Any

import httpx
import pytest

from .stand import Json, Stand


@pytest.mark.parametrize(
    ("lever", "wishes"),
    [
        ("clock", {}),
        ("clock", {"advance_s": -1}),
        ("clock", {"advance_s": True}),
        ("clock", {"advance_s": 1e12}),
        ("settle", {"id": "re_unknown", "outcome": "lost"}),
        ("settle", {"outcome": "succeeded"}),
        ("refund", {"payment_intent": 7}),
        ("refund", {"payment_intent": "pi_1", "amount": "1"}),
        ("close_dispute", {"id": "du_1", "outcome": "draw"}),
        ("metadata", {"id": "pi_1", "metadata": {"key": 7}}),
        ("trouble", {"call": "pay", "fault": "500"}),
        ("trouble", {"call": "capture", "fault": "503", "times": 0}),
        ("trouble", {"call": "capture", "fault": "explode"}),
        ("trouble", {"call": "capture", "fault": "refuse"}),
        ("trouble", {"call": "capture", "fault": "500", "code": "card_declined"}),
        ("trouble", {"call": "capture", "fault": "500", "when": "now"}),
        ("trouble", ["capture"]),
    ],
)
async def test_a_lever_pulled_wrongly_moves_nothing(stand: Stand, lever: str, wishes: Any) -> None:
    response = await stand.http.post(f"/_sandbox/{lever}", json=wishes)
    assert response.status_code == 400
    assert (await stand.http.get("/_sandbox/trouble")).json() == []
    assert (await stand.get("/_sandbox/clock"))["ahead_s"] == 0


@pytest.mark.parametrize(
    ("lever", "wishes"),
    [
        ("dispute", {"payment_intent": "pi_unknown"}),
        ("settle", {"id": "re_unknown", "outcome": "failed"}),
        ("settle", {"id": "cs_unknown", "outcome": "failed"}),
        ("close_dispute", {"id": "du_unknown", "outcome": "won"}),
        ("metadata", {"id": "xx_unknown", "metadata": {}}),
    ],
)
async def test_a_lever_on_nothing_says_so(stand: Stand, lever: str, wishes: Json) -> None:
    response = await stand.http.post(f"/_sandbox/{lever}", json=wishes)
    assert response.json()["error"]["code"] == "resource_missing"


async def test_strangers_pull_no_levers(stand: Stand) -> None:
    async with httpx.AsyncClient(base_url=stand.url, headers={"Host": "evil.test"}) as stranger:
        response = await stranger.post("/_sandbox/clock", json={"advance_s": 1})
    assert response.status_code == 403
