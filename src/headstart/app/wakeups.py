"""Hints that something has changed. Losing one costs time, never correctness: all poll too."""

import asyncio
from collections.abc import Callable


class Wakeups:
    """Wakes the loops of this process, and through ``tell_others`` those of all others."""

    def __init__(self) -> None:
        self._sleepers: list[asyncio.Event] = []
        self.tell_others: Callable[[], None] = lambda: None

    def subscribe(self) -> asyncio.Event:
        """An event that is set by every announcement; its owner clears it."""
        sleeper = asyncio.Event()
        self._sleepers.append(sleeper)
        return sleeper

    def announce(self) -> None:
        """Something was committed here."""
        self.wake()
        self.tell_others()

    def wake(self) -> None:
        """Something was committed somewhere."""
        for sleeper in self._sleepers:
            sleeper.set()
