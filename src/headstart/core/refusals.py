"""Every named, polite "no". A refusal is an answer, not an error."""

from enum import StrEnum
from typing import Self


class Refusal(StrEnum):
    """The value is the promise to other people's programs; ``sentence`` is for a person, and may be
    shown to anybody who receives this refusal."""

    UNKNOWN_REQUEST = "unknown_request", "There is no such session request."
    RESERVED = "reserved", "This request is held for another mechanic."
    ALREADY_MATCHED = "already_matched", "This request is taken: a mechanic is matched with it."
    GONE = "gone", "This request has ended."
    ALREADY_DECLINED = "already_declined", "Whoever declined or left this request cannot take it."
    MECHANIC_NOT_APPROVED = "mechanic_not_approved", "Only approved mechanics may take a request."
    MECHANIC_BUSY = "mechanic_busy", "One job at a time: the present one has to end first."
    NOT_YOURS = "not_yours", "This request is not yours to change."
    NOT_MATCHED = "not_matched", "This request is not matched with anybody."
    NOT_RESERVED = "not_reserved", "Nobody is being asked alone any more."
    WINDOW_AT_LIMIT = "window_at_limit", "They cannot be given any more time."

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        refusal = str.__new__(cls, value)
        refusal._value_, refusal.sentence = value, sentence
        return refusal
