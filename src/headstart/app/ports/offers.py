"""What is said about offers, and what comes of not answering them."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from headstart.core.request import MechanicId, RequestId


class WhyNot(StrEnum):
    """Why a mechanic says no, in a tap. Nobody has to say it."""

    BUSY = "busy"
    NOT_MY_FIELD = "not_my_field"
    TOO_LITTLE_TIME = "too_little_time"
    TOO_LITTLE_PAY = "too_little_pay"
    OTHER = "other"


class Offers(Protocol):
    """Notes about offers: they move no request."""

    async def note(self, request_id: RequestId, mechanic: MechanicId, why: WhyNot) -> bool:
        """Why this mechanic said no, the last word counts; False when they have not said it."""
        ...

    async def send_away(self, missed: int, looking_back: timedelta) -> Sequence[MechanicId]:
        """Set off duty whoever missed so many priority windows in a row, among those of whom one
        ended lately; answers with them. It is noted who did it, and after which request."""
        ...
