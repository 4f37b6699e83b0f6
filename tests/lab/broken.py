"""The service, broken on purpose: in this process, or in every server that is started so."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import headstart
from headstart.app import dispatcher
from headstart.app.ports import Change, Seen
from headstart.core import decide as rules
from headstart.core import events as happened
from headstart.core.access import Principal
from headstart.core.request import RequestId, Reserved, SessionRequest
from headstart.store import queries
from headstart.store.requests import RequestStore

Fault = Callable[[], AbstractContextManager[None]]
EARLY_MS = 200


def in_servers(fault: Fault, directory: Path) -> dict[str, str]:
    """The environment of servers that have it from their first line on."""
    start = f"from tests.lab import broken\nfault = broken.{fault.__name__}()\nfault.__enter__()\n"
    (directory / "sitecustomize.py").write_text(start)
    package = Path(headstart.__file__).parents[1]
    tests = Path(__file__).parents[2]
    return {"PYTHONPATH": os.pathsep.join(map(str, (directory, package, tests)))}


@contextmanager
def _statements(old: str, new: str) -> Iterator[None]:
    pieces = {name: text.replace(old, new) for name, text in queries._pieces().items()}
    assert pieces != queries._pieces(), f"nowhere does it say {old!r} any more"
    queries.queries.cache_clear()
    with patch.object(queries, "_pieces", lambda: pieces):
        yield
    queries.queries.cache_clear()


@contextmanager
def no_version_check() -> Iterator[None]:
    """A row is written even if it is not the one that was judged."""
    with _statements("r.version = n.expected_version", "true"):
        yield


@contextmanager
def old_news_and_no_version_check() -> Iterator[None]:
    """Everybody is judged by the first sight of a request, and written all the same."""
    see, first = RequestStore.see, dict[RequestId, SessionRequest]()

    async def once(self: RequestStore, *args: Any, **named: Any) -> Sequence[Seen]:
        found = [one for one in await see(self, *args, **named) if one.request]
        return [
            replace(one, request=first.setdefault(one.request.id, one.request))
            for one in found
            if one.request
        ]

    with no_version_check(), patch.object(RequestStore, "see", once):
        yield


@contextmanager
def command_keys_ignored() -> Iterator[None]:
    """A repeated command is judged again as if it were new."""
    see = RequestStore.see

    async def forgetful(self: RequestStore, *args: Any, **named: Any) -> Sequence[Seen]:
        return await see(self, *args, **named | {"command_key": None})

    with patch.object(RequestStore, "see", forgetful):
        yield


@contextmanager
def obeyed_early() -> Iterator[None]:
    """The sweep takes what is due a little later for due."""
    enforce = rules._enforce_deadline

    def hurried(request: SessionRequest, facts: Any, now: datetime) -> Any:
        return enforce(request, facts, now + timedelta(milliseconds=EARLY_MS))

    early = f"(select headstart.clock() + interval '{EARLY_MS} ms')"
    with (
        _statements("due_at <= (select headstart.clock())", f"due_at <= {early}"),
        patch.object(rules, "_enforce_deadline", hurried),
    ):
        yield


@contextmanager
def acknowledged_only() -> Iterator[None]:
    """Who accepts is told that they won, and nothing is written."""
    write = RequestStore.write

    async def forget(self: RequestStore, changes: Sequence[Change]) -> frozenset[RequestId]:
        if isinstance(changes[0].events[0], happened.RequestMatched):
            return frozenset(change.request.id for change in changes)
        return await write(self, changes)

    with patch.object(RequestStore, "write", forget):
        yield


@contextmanager
def open_to_strangers() -> Iterator[None]:
    """Whoever asks first gets what is held for somebody else."""
    accept = rules._match

    def anybody(request: SessionRequest, order: Any, *more: Any) -> Any:
        state = request.state
        held = replace(state, mechanic=order.mechanic) if isinstance(state, Reserved) else state
        return accept(replace(request, state=held), order, *more)

    def may(_: Principal, *__: Any) -> bool:
        return True

    with (
        patch.object(rules, "_match", anybody),
        patch.object(dispatcher, "may", may),
    ):
        yield
