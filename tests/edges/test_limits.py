"""Nobody may ask for everything, and nobody honest ever notices: least of all at an accept."""

import re
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.settings import Settings
from headstart.web.edges.buckets import Buckets, Quota
from headstart.web.problems import PROBLEM_TYPE
from tests.web.conftest import World, world_on

FIELD = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
PRESSES_A_SECOND = 10  # faster than any thumb


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(1 / PRESSES_A_SECOND, 100), max_size=300))
def test_no_thumb_empties_the_bucket_of_accepts(pauses_s: list[float]) -> None:
    default = Settings.model_fields["rate_accepts_per_minute"].default
    clock = Clock()
    buckets = Buckets(Quota("accepts", default), clock)
    for pause_s in [0.0, *pauses_s, *[1 / PRESSES_A_SECOND] * 2000]:
        clock.now += pause_s
        assert buckets.take("somebody").granted


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=200))
def test_nobody_gets_more_than_the_quota_and_its_refill(
    per_minute: int, asked: list[tuple[float, bool]]
) -> None:
    clock = Clock()
    buckets = Buckets(Quota("any", per_minute), clock)
    granted = 0
    for pause_s, give_back in asked:
        clock.now += pause_s
        allowance = buckets.take("somebody")
        granted += allowance.granted
        assert 0 <= allowance.left <= per_minute
        if give_back and allowance.granted:
            assert buckets.give_back(allowance).left <= per_minute
            granted -= 1
    assert granted <= per_minute * (1 + clock.now / 60) + 1e-6


def test_who_waits_as_long_as_told_is_served() -> None:
    clock = Clock()
    buckets = Buckets(Quota("any", 7), clock)
    while (allowance := buckets.take("somebody")).granted:
        pass
    clock.now += allowance.retry_after_s
    assert buckets.take("somebody").granted


def test_the_memory_is_bounded_and_the_busiest_is_not_forgotten() -> None:
    buckets = Buckets(Quota("any", 60), Clock(), buckets_max=100)
    for number in range(1000):
        buckets.take("flooder")
        buckets.take(f"address {number}")
        assert len(buckets) <= 100
    assert not buckets.take("flooder").granted


# --- through the socket ----------------------------------------------------------------------


async def free_request(world: World) -> str:
    """One that needs no payment."""
    submitted = await world.submit(plan="free")
    assert submitted.status_code == 201, submitted.text
    return str(submitted.json()["session_id"])


async def test_a_thousand_honest_accepts_of_one_mechanic_are_all_answered(world: World) -> None:
    """As fast as they can be sent: each wins, or repeats what it won, so none counts."""
    mechanic = world.mechanic(world.cast.others[0])
    for _ in range(4):
        request_id = await free_request(world)
        for _ in range(250):
            answer = await world.order(request_id, "acceptance", mechanic)
            assert answer.status_code == 200, answer.text
            assert FIELD.fullmatch(answer.headers["ratelimit"])
        done = await world.order(request_id, "completion", mechanic)
        assert done.status_code == 200


@pytest.fixture
async def strict(database: str) -> AsyncIterator[World]:
    """The least that may be configured."""
    async with world_on(
        database,
        HEADSTART_RATE_ACCEPTS_PER_MINUTE=60,
        HEADSTART_RATE_PERSON_PER_MINUTE=60,
        HEADSTART_RATE_ADDRESS_PER_MINUTE=60,
        HEADSTART_RATE_BOOKINGS_PER_MINUTE=1,
    ) as made:
        yield made


async def statuses(
    world: World, path: str, headers: dict[str, str], times: int, method: str = "GET"
) -> list[int]:
    return [
        (await world.client.request(method, path, headers=headers)).status_code
        for _ in range(times)
    ]


async def test_one_person_is_limited_and_others_are_not(strict: World) -> None:
    path = "/api/v1/session-requests"
    first = await strict.client.get(path, headers=strict.customer)
    assert first.headers["ratelimit-policy"] == '"person";q=60;w=60'
    assert first.headers["ratelimit"] == '"person";r=59;t=1'
    asked = await statuses(strict, path, strict.customer, 80)
    assert asked[:59] == [200] * 59
    assert 429 in asked
    refused = await strict.client.get(path, headers=strict.customer)
    assert refused.headers["content-type"] == PROBLEM_TYPE
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"].startswith('"person";r=0;')
    page = await strict.client.get("/dashboard", headers=strict.customer | {"Accept": "text/html"})
    assert (page.status_code, "too much at once" in page.text) == (429, True)
    other = strict.mechanic(strict.cast.favorite)
    assert (await strict.client.get("/api/v1/offers", headers=other)).status_code == 200


async def test_an_accept_is_free_of_everything_else_that_was_asked(strict: World) -> None:
    request_id = await free_request(strict)
    mechanic, other = (strict.mechanic(one) for one in strict.cast.others)
    assert 429 in await statuses(strict, "/api/v1/offers", mechanic, 70)
    assert 429 in await statuses(strict, "/nowhere", {}, 70)  # the same address
    path = f"/api/v1/session-requests/{request_id}/acceptance"
    assert set(await statuses(strict, path, mechanic, 100, "POST")) == {200}
    assert (await strict.order(request_id, "acceptance", other)).status_code == 409


async def test_accepts_that_lead_nowhere_do_count(strict: World) -> None:
    mechanic = strict.mechanic(strict.cast.favorite)
    path = f"/api/v1/session-requests/{uuid4()}/acceptance"
    asked = await statuses(strict, path, mechanic, 80, "POST")
    assert asked[:60] == [404] * 60
    assert 429 in asked


async def test_bookings_have_a_quota_of_their_own(strict: World) -> None:
    first, second = [await strict.submit(plan="micro") for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 429)
    assert second.headers["ratelimit-policy"] == '"bookings";q=1;w=60'
    assert int(second.headers["retry-after"]) in range(1, 61)


async def test_an_address_that_tries_tokens_is_limited(strict: World) -> None:
    guess = jwt.encode({"sub": str(UUID(int=1))}, "k" * 32, algorithm="HS256")
    bad = {"Authorization": f"Bearer {guess}"}
    asked = await statuses(strict, "/api/v1/offers", bad, 80)
    assert asked[:60] == [401] * 60
    assert 429 in asked
    good = await strict.client.get("/api/v1/session-requests", headers=strict.customer)
    assert good.status_code == 200, "who is known does not pay for their address"


async def test_probes_styles_and_webhooks_are_not_limited(strict: World) -> None:
    for path in ("/healthz", "/readyz", "/static/style.css"):
        answers = [await strict.client.get(path) for _ in range(70)]
        assert {one.status_code for one in answers} == {200}
        assert "ratelimit" not in answers[0].headers
    posted = await statuses(strict, "/webhooks/stripe", {}, 70, "POST")
    assert set(posted) == {400}
