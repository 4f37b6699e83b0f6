"""A project of Supabase, as far as one can publish into it over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from headstart.realtime.publishing.messages import Message

BATCH = "/realtime/v1/api/broadcast"
ANSWER_S_MAX = 10.0
SAID_CHARACTERS_MAX = 200
_SECRET_KEY = "sb_"  # a key of the new kind is no token, and goes nowhere else


class Outcome(StrEnum):
    """What a project answers. ``accepted`` is its word that it has the message, not that anybody
    was told."""

    ACCEPTED = "accepted"
    TOO_MUCH = "too_much"
    REFUSED = "refused"
    UNFIT = "unfit"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Answer:
    """With the project's own words, for the log."""

    outcome: Outcome
    status: int = 0
    said: str = ""


_OUTCOMES: Mapping[int, Outcome] = {
    HTTPStatus.TOO_MANY_REQUESTS: Outcome.TOO_MUCH,
    HTTPStatus.BAD_REQUEST: Outcome.UNFIT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Outcome.UNFIT,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Outcome.UNFIT,
    HTTPStatus.UNPROCESSABLE_ENTITY: Outcome.UNFIT,
}


class Project:
    """``key`` must be one that may write: a secret key, or one of the role ``service_role``."""

    def __init__(self, url: str, key: str, client: httpx.AsyncClient | None = None) -> None:
        self._headers = {"apikey": key}
        if not key.startswith(_SECRET_KEY):
            self._headers["Authorization"] = f"Bearer {key}"
        self._url = url.rstrip("/")
        self._client = client or httpx.AsyncClient(timeout=ANSWER_S_MAX)
        self._takes_single = True

    async def close(self) -> None:
        """No more."""
        await self._client.aclose()

    async def publish(self, messages: Sequence[Message]) -> Answer:
        """All of them, or none."""
        listed = [
            {
                "topic": one.topic,
                "event": one.event,
                "payload": one.payload,
                "private": True,
                "id": str(one.id),
            }
            for one in messages
        ]
        return await self._post(f"{self._url}{BATCH}", {"messages": listed})

    async def publish_priority(self, message: Message) -> Answer:
        """One offer, by the way that says so when a policy refuses it: a batch would be accepted,
        and the offer dropped without a word. It has no id there; its version tells copies apart."""
        if self._takes_single:
            topic, event = quote(message.topic, safe=""), quote(message.event, safe="")
            address = f"{self._url}{BATCH}/{topic}/events/{event}?private=true"
            answer = await self._post(address, message.payload)
            if answer.status != HTTPStatus.NOT_FOUND:
                return answer
            self._takes_single = False  # an older server
        return await self.publish([message])

    async def _post(self, address: str, body: dict[str, Any]) -> Answer:
        try:
            answer = await self._client.post(address, json=body, headers=self._headers)
        except httpx.HTTPError as error:
            return Answer(Outcome.AWAY, said=type(error).__name__)
        status, said = answer.status_code, answer.text[:SAID_CHARACTERS_MAX]
        if answer.is_success:
            return Answer(Outcome.ACCEPTED, status)
        if answer.is_server_error:
            return Answer(Outcome.AWAY, status, said)
        return Answer(_OUTCOMES.get(status, Outcome.REFUSED), status, said)
