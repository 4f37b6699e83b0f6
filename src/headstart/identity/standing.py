"""Is this sign-in still good? Asked for every request, and watched for every open connection.

Whoever keeps a connection open watches its credential, and is told once when it ends: by expiry,
log-out, suspension or disabling, wherever that happened. A wake-up brings it at once, polling is
the guarantee::

    with standing.watch(credential, lambda ending: connection.close(4401, ending)):
        ...
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from headstart.app.ports import Credential, Ending, SignIns
from headstart.app.wakeups import Wakeups

POLL_S = 1.0  # the backstop when a wake-up is lost
REST_S = 0.25  # many commits share one look, which leaves the news of them the first word
LOOK_S_MAX = 5.0  # a database that hangs is as good as none
BLIND_S_MAX = 15.0  # who cannot be verified for so long is not trusted any more
CREDENTIALS_PER_LOOK_MAX = 1_000  # in one go: whoever else waits for the loop comes between
FORGET_EVERY_S = 3600.0
FORGOTTEN_AFTER = timedelta(days=30)

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Watch:
    """One open connection's interest in a credential. ``ending`` is None while it is good."""

    credential: Credential
    on_end: Callable[[Ending], None]
    ending: Ending | None = None

    def end(self, ending: Ending) -> None:
        """Tell the owner, once."""
        if self.ending is None:
            self.ending = ending
            self.on_end(ending)


class Standing:
    """What has become of the credentials in use in this process. ``now`` is real time.

    ``apart`` is for the watching: a crowd that asks ``sign_ins`` must not delay it.
    """

    def __init__(
        self, sign_ins: SignIns, apart: SignIns, wakeups: Wakeups, now: Callable[[], datetime]
    ) -> None:
        self._sign_ins = sign_ins
        self._apart = apart
        self._woken = wakeups.subscribe()
        self._now = now
        self._watches: dict[Credential, set[Watch]] = defaultdict(set)

    async def ending(self, credential: Credential) -> Ending | None:
        """Why it is not good any more, as of now; None when it is good."""
        [ending] = await self._endings(self._sign_ins, [credential])
        return ending

    @contextmanager
    def watch(self, credential: Credential, on_end: Callable[[Ending], None]) -> Iterator[Watch]:
        """Be told once when it ends, from the event loop; within POLL_S and a look at the latest.

        What ended before is told as well.
        """
        watch = Watch(credential, on_end)
        self._watches[credential].add(watch)
        self._woken.set()
        try:
            yield watch
        finally:
            self._watches[credential].discard(watch)
            if not self._watches[credential]:
                del self._watches[credential]

    async def run(self) -> None:
        """Until cancelled. Without a database nobody is trusted for longer than BLIND_S_MAX."""
        clock = asyncio.get_running_loop().time
        blind_since: float | None = None
        forgot_at = clock() - FORGET_EVERY_S
        while True:
            await self._nap()
            self._end_expired()
            try:
                async with asyncio.timeout(LOOK_S_MAX):
                    await self._look()
                blind_since = None
                if clock() - forgot_at >= FORGET_EVERY_S:
                    await self._apart.forget_ended(older_than=FORGOTTEN_AFTER)
                    forgot_at = clock()
            except Exception as error:  # whatever it is, nobody stays trusted because of it
                log.warning("sign_ins_not_verified", error=f"{type(error).__name__}: {error}")
                blind_since = clock() if blind_since is None else blind_since
                if clock() - blind_since > BLIND_S_MAX:
                    self._end(list(self._watches), [Ending.UNVERIFIABLE] * len(self._watches))

    async def _nap(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._woken.wait()
        await asyncio.sleep(REST_S)
        self._woken.clear()

    def _end_expired(self) -> None:
        """This needs no database."""
        now = self._now()
        expired = [one for one in self._watches if _is_expired(one, now)]
        self._end(expired, [Ending.EXPIRED] * len(expired))

    async def _look(self) -> None:
        watched = list(self._watches)
        for first in range(0, len(watched), CREDENTIALS_PER_LOOK_MAX):
            some = watched[first : first + CREDENTIALS_PER_LOOK_MAX]
            self._end(some, await self._endings(self._apart, some))

    async def _endings(
        self, sign_ins: SignIns, credentials: Sequence[Credential]
    ) -> Sequence[Ending | None]:
        found = await sign_ins.endings(credentials)
        now = self._now()
        return [
            Ending.EXPIRED if _is_expired(credential, now) else ending
            for credential, ending in zip(credentials, found, strict=True)
        ]

    def _end(self, credentials: Sequence[Credential], endings: Sequence[Ending | None]) -> None:
        for credential, ending in zip(credentials, endings, strict=True):
            if ending is not None:
                for watch in tuple(self._watches.get(credential, ())):
                    watch.end(ending)


def _is_expired(credential: Credential, now: datetime) -> bool:
    """Of tokens. The database judges page sessions, by its own clock."""
    return credential.sign_in is None and credential.until <= now
