"""Checkpoints beside the database: a file to which lines are added, and nothing else."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

TAIL_BYTES = 65_536  # the last line is among these


class CheckpointFile:
    """The port ``Outside``: a JSON object on each line. Without a path it forgets, and the log line
    is the copy."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def newest(self) -> str | None:
        """The note on the last line."""
        return await asyncio.to_thread(self._newest)

    def _newest(self) -> str | None:
        if self._path is None or not self._path.exists():
            return None
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        notes = [note for line in lines if (note := note_on(line)) is not None]
        return notes[-1] if notes else None

    async def publish(self, number: int, note: str) -> None:
        """On disk when this returns."""
        await asyncio.to_thread(self._append, json.dumps({"number": number, "note": note}) + "\n")

    def _append(self, line: str) -> None:
        if self._path is None:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def notes_in(path: Path) -> Iterator[str]:
    """All notes of a file: ours, or the service's own log."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            note = note_on(line)
            if note is not None:
                yield note


def note_on(line: str) -> str | None:
    """The note on one line, if it is a JSON object that has one."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    note = said.get("note") if isinstance(said, dict) else None
    return note if isinstance(note, str) else None
