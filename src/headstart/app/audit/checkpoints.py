"""Once a minute: a signed statement of what the trail holds, kept where the database ends."""

import asyncio
from contextlib import suppress

import structlog

from headstart.app.audit.notes import BadNote, Checkpoint, note_hash, opened, signed
from headstart.app.ports import AuditTrail, Cursor, Keys, Outside, Unavailable
from headstart.telemetry import CHECKPOINT_ERRORS, CHECKPOINT_NUMBER

EVERY_S = 60.0
BATCH_MAX = 2000  # events of one checkpoint: a few milliseconds of hashing
NOTHING_YET = Checkpoint(0, "", 0, (), Cursor())

log = structlog.get_logger()


class Refused(Exception):
    """What the database holds does not follow from what was signed before: nothing is signed."""


class Checkpoints:
    """Signs what was added since the last checkpoint, by whichever process that was made."""

    def __init__(self, trail: AuditTrail, keys: Keys, outside: Outside) -> None:
        self._trail = trail
        self._keys = keys
        self._outside = outside
        self._known = NOTHING_YET

    async def run(self) -> None:
        """Until cancelled. What was altered is reported again and again, and never signed."""
        remembers = False
        while True:
            try:
                if not remembers:
                    await self.remember()
                    remembers = True
                more = await self.advance()
                while more:
                    more = await self.advance(behind=True)
            except Unavailable as error:
                log.warning("checkpoints_wait_for_the_database", error=str(error))
            except (BadNote, Refused) as error:
                CHECKPOINT_ERRORS.inc()
                log.error("checkpoint_refused", error=str(error))
            except Exception:
                CHECKPOINT_ERRORS.inc()
                log.exception("checkpoint_failed")
            await asyncio.sleep(EVERY_S)

    async def remember(self) -> None:
        """What was published before this process began."""
        newest = await self._outside.newest()
        if newest:
            with suppress(BadNote):  # the doctor will say so
                self._known = opened(newest, self._keys)

    async def advance(self, *, behind: bool = False) -> bool:
        """One checkpoint, unless nothing is new, or another process was there a moment ago and we
        are not behind; whether there is more."""
        kept = await self._trail.latest()
        before = opened(kept.note, self._keys) if kept.note else NOTHING_YET
        if before.number < self._known.number:
            raise Refused(f"checkpoint {self._known.number} is gone: the newest is {before.number}")
        if before.number > self._known.number:
            await self._publish(before, kept.note)
        if kept.note and kept.age_s < EVERY_S / 2 and not behind:
            return False
        news = await self._trail.hashes_after(before.place, BATCH_MAX)
        ends = await self._trail.ends()
        if not news and ends == before.ends:
            return False
        tree = before.tree
        tree.extend(content for _, content in news)
        after = Checkpoint(
            number=before.number + 1,
            at=kept.now,
            size=tree.size,
            peaks=tuple(tree.peaks),
            place=news[-1][0] if news else before.place,
            previous=note_hash(kept.note) if kept.note else None,
            ends=ends,
        )
        note = signed(after, self._keys)
        if await self._trail.keep(after.number, note):
            await self._publish(after, note)
        return len(news) == BATCH_MAX

    async def _publish(self, checkpoint: Checkpoint, note: str) -> None:
        log.info("audit_checkpoint", number=checkpoint.number, size=checkpoint.size, note=note)
        await self._outside.publish(checkpoint.number, note)
        self._known = checkpoint
        CHECKPOINT_NUMBER.set(checkpoint.number)
