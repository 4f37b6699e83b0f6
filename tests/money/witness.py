"""What the attacks look at: did anything change, what was counted, what does Stripe have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families

from tests.money.conftest import Bank, Json

AUTH = {"Authorization": "Bearer sk_test_any"}
TABLES = ("intakes", "session_requests", "session_events", "payments", "stripe_operations")


async def rows(bank: Bank) -> dict[str, list[str]]:
    """Everything that a payment can change, as text."""
    return {
        table: [
            str(row["kept"])
            for row in await bank.pool.fetch(
                f"select kept::text from headstart.{table} kept order by 1"
            )
        ]
        for table in TABLES
    }


async def counted(bank: Bank, **labels: str) -> float:
    """What /metrics says of one outcome of webhooks, or of one kind of operation."""
    family = "headstart_operations" if "kind" in labels else "headstart_webhooks"
    text = (await bank.world.client.get("/metrics")).text
    return sum(
        sample.value
        for metric in text_string_to_metric_families(text)
        for sample in metric.samples
        if sample.name == f"{family}_total" and labels.items() <= sample.labels.items()
    )


@asynccontextmanager
async def nothing_changes(bank: Bank, **webhooks: int) -> AsyncIterator[None]:
    """No row does, and these outcomes are counted so many times."""
    before = await rows(bank)
    already = {outcome: await counted(bank, outcome=outcome) for outcome in webhooks}
    yield
    assert await rows(bank) == before
    for outcome, times in webhooks.items():
        assert await counted(bank, outcome=outcome) - already[outcome] == times, outcome


async def request_row(bank: Bank, page: str) -> dict[str, Any]:
    """The request that a payment page became."""
    await bank.request_of(page)
    query = "select * from headstart.session_requests where checkout_session_id = $1"
    return dict(await bank.pool.fetchrow(query, page))


async def listed(bank: Bank, path: str) -> list[Json]:
    """What Stripe has, newest first."""
    found: list[Json] = (await bank.world.sandbox.get(path, headers=AUTH)).json()["data"]
    return found


async def troubles(bank: Bank) -> set[tuple[str, str | None]]:
    """What an operator is asked to see to."""
    answer = await bank.world.client.get("/api/v1/money-troubles", headers=bank.world.operator)
    return {(one["trouble"], one["detail"]) for one in answer.json()["troubles"]}


async def matched(bank: Bank, capture: str) -> UUID:
    """Paid in this mode, and a mechanic is coming."""
    await bank.use(capture)
    request = await bank.book(await bank.customer())
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    return request
