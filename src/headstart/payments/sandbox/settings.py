"""How a sandbox is set up, and the switches that make its webhooks misbehave on request."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self

import httpx

from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET

API_VERSION: Final = "2026-10-28.endive"
"""The only shape of objects this sandbox speaks: that of the pinned SDK."""
DUPLICATES_MAX: Final = 100
DELAY_S_MAX: Final = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,100}")


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What a sandbox needs to know. Without `webhook_url` nobody is told anything; without
    `state_path` everything is forgotten at the end. Times are in seconds."""

    public_url: str
    webhook_url: str | None = None
    webhook_secret: str = field(default=SANDBOX_WEBHOOK_SECRET, repr=False)
    state_path: Path | None = None
    retry_delays_s: tuple[float, ...] = (1, 2, 5, 15, 60, 300, 900)
    """Before the second attempt, the third …; after the last one the sender gives up. Stripe's
    own steps take hours and are not published."""
    webhook_timeout_s: float = 10.0
    page_wait_s: float = 10.0
    """How long the hosted page waits for the webhook's answer, as Stripe's does."""
    transport: httpx.AsyncBaseTransport | None = None
    """How webhooks travel: over the network, unless somebody stands in its place."""
    clock: Callable[[], float] = time.time
    seed: int = 0
    """Of the order that the switch `shuffle` produces."""


@dataclass(frozen=True, slots=True)
class Switches:
    """What goes wrong from now on. All off: every event is sent once, at once, in order."""

    duplicate: int = 1
    """The same event, with the same id, this many times."""
    twin_event: bool = False
    """A second event of the same type about the same object, with an id of its own."""
    shuffle: bool = False
    """Events that are due together leave in a random order."""
    delay: float = 0.0
    """Seconds before the first attempt."""
    drop: bool = False
    """Events are recorded and never sent, until somebody resends them."""
    concurrent: bool = False
    """Everything that is due is sent at the same moment."""
    first_attempt_lost_ack: bool = False
    """The first answer gets lost: the receiver did the work and is asked again."""
    before_api_response: bool = False
    """Webhooks overtake the answer to the call that caused them. Creating a Checkout Session
    causes none, so it is paid on the spot as well: the fastest customer there can be."""

    livemode: bool = False
    """Events claim to be of live mode."""
    api_version: str | None = None
    """Events claim this version instead of the sandbox's. Their shape stays the same."""
    account: str | None = None
    """Events claim to be about this connected account."""
    slow_refunds: bool = False
    """Refunds are made pending, until somebody settles them."""

    def changed(self, wishes: Mapping[str, Any]) -> Self:
        """With `wishes` applied; ValueError, naming the first bad one, if any is not understood."""
        known = {each.name: each.default for each in fields(self)}
        for name, value in wishes.items():
            if name not in known:
                raise ValueError(f"unknown switch: {name}")
            _check(name, value, known[name])
        return replace(self, **wishes)


def _check(name: str, value: object, default: object) -> None:
    match default:
        case bool():
            fits = isinstance(value, bool)
        case None:
            fits = value is None or (isinstance(value, str) and bool(_NAME.fullmatch(value)))
        case int():
            fits = type(value) is int and 1 <= value <= DUPLICATES_MAX
        case _:
            fits = type(value) in (int, float) and 0 <= float(str(value)) <= DELAY_S_MAX
    if not fits:
        raise ValueError(f"bad value for switch {name}")
