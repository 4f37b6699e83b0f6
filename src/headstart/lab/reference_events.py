"""Every message that is told to people: its name, who gets it on which topic, and its fields."""

from collections.abc import Iterator

from headstart.app.messages import MECHANIC, REQUEST, Message, messages
from headstart.app.views import OFFER_FIELDS
from headstart.core.audience import (
    EligibleMechanics,
    EveryMechanic,
    ItsCustomer,
    Notice,
    OneMechanic,
)

OF_EVERY_MESSAGE = ("payload_version", "session_id", "version", "at", "server_now")


def events_part() -> str:
    """One heading for each message, and below it who gets it when."""
    sections: dict[str, list[str]] = {}
    for message in messages():
        sections.setdefault(message.notice.event, []).append(_line(message))
    return "\n\n".join(f"### `{name}`\n\n" + "\n".join(lines) for name, lines in sections.items())


def _line(message: Message) -> str:
    notice = message.notice
    topic = notice.topic.replace(str(REQUEST), "{id}").replace(str(MECHANIC), "{id}")
    fields = ", ".join(_fields(message)) or "nothing more"
    return f"- {message.when} → **{_told(notice)}**, on `{topic}`: {fields}"


def _told(notice: Notice) -> str:
    match notice.to:
        case OneMechanic():
            return "that mechanic alone"
        case EligibleMechanics():
            return "the mechanics who can accept, except those who had their turn"
        case EveryMechanic():
            return "all approved mechanics"
        case ItsCustomer():
            return "its customer, and operators"


def _fields(message: Message) -> Iterator[str]:
    """What this frame has beside the fields of every frame."""
    if message.notice.card:
        yield "the card"
    known = {*OF_EVERY_MESSAGE, *(OFFER_FIELDS if message.notice.card else ())}
    yield from (f"`{name}`" for name in message.payload if name not in known)
