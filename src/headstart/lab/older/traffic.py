"""Traffic at a bounded rate: people book, accept and complete over HTTP, all day long."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import httpx

from headstart.lab.stage import Stage
from headstart.lab.visitors import Person

LANES = 3
SERVER_ERROR = 500


@dataclass(slots=True)
class Heard:
    """How long each kind of request took, and every answer that was not as it should be."""

    took_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    complaints: list[str] = field(default_factory=list)
    requests: set[UUID] = field(default_factory=set)

    @property
    def all_s(self) -> list[float]:
        """Every answer, sorted."""
        return sorted(took_s for several in self.took_s.values() for took_s in several)


def share_of(samples: Sequence[float], share: float) -> float:
    """The sample that so many do not exceed; 0 where there is none."""
    return samples[min(len(samples) - 1, int(len(samples) * share))] if samples else 0.0


@contextmanager
def traffic(stage: Stage, stories_per_s: float) -> Iterator[Heard]:
    """Within the block so many bookings a second begin, are accepted and completed."""
    heard, over = Heard(), threading.Event()
    lanes = [_Lane(stage, heard, LANES / stories_per_s) for _ in range(LANES)]
    threads = [threading.Thread(target=lane.run, args=(over,)) for lane in lanes]
    for thread in threads:
        thread.start()
    try:
        yield heard
    finally:
        over.set()
        for thread in threads:
            thread.join()


class _Lane:
    """One booking after the other, at its own pace."""

    def __init__(self, stage: Stage, heard: Heard, pause_s: float) -> None:
        self._stage = stage
        self._heard = heard
        self._pause_s = pause_s
        self._mechanic: Person = stage.mechanic("Fay")
        self._customer: Person = stage.customer("Carla", self._mechanic)
        self._operator: Person = stage.operator()

    def run(self, over: threading.Event) -> None:
        """Until it is over. Who is late does not hurry afterwards."""
        asks_for_favorite = False
        while not over.is_set():
            began_s = time.monotonic()
            asks_for_favorite = not asks_for_favorite
            try:
                self._story(self._mechanic if asks_for_favorite else None)
            except Exception as error:
                self._heard.complaints.append(f"a booking failed: {error!r}")
            over.wait(max(0.0, self._pause_s - (time.monotonic() - began_s)))

    def _story(self, favorite: Person | None) -> None:
        booking = self._timed(
            "book",
            lambda: self._customer.post(
                "/intakes",
                {
                    "plan": "free",
                    "concern": "It squeaks.",
                    "vehicle": "2016 Golf",
                    **_favorite(favorite),
                },
            ),
        )
        request = self._stage.request_of(UUID(booking.json()["intake_id"]))
        self._heard.requests.add(request)
        self._timed("offers", lambda: self._mechanic.get("/offers"))
        self._timed("accept", lambda: self._mechanic.accept(request))
        self._timed("look", lambda: self._customer.see(request))
        path = f"/session-requests/{request}/completion"
        self._timed("complete", lambda: self._mechanic.post(path))

    def _timed(self, kind: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
        began_s = time.perf_counter()
        answer = ask()
        self._heard.took_s[kind].append(time.perf_counter() - began_s)
        if not answer.is_success:
            said = f"{answer.status_code} {answer.text[:200]}"
            self._heard.complaints.append(f"{kind} was answered with {said}")
        return answer


def _favorite(favorite: Person | None) -> dict[str, str]:
    if favorite is None:
        return {}
    return {"preferred_mechanic_id": str(favorite.id), "routing_type": "priority_broadcast"}
