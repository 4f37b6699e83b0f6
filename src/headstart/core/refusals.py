"""Every named, polite "no". A refusal is an answer, not an error."""

from enum import StrEnum


class Refusal(StrEnum):
    """The value is the promise to other people's programs; ``sentence`` is for a person."""

    UNKNOWN_REQUEST = "unknown_request"
    RESERVED = "reserved"
    ALREADY_MATCHED = "already_matched"
    GONE = "gone"
    ALREADY_DECLINED = "already_declined"
    MECHANIC_NOT_APPROVED = "mechanic_not_approved"
    MECHANIC_BUSY = "mechanic_busy"
    NOT_YOURS = "not_yours"
    NOT_MATCHED = "not_matched"

    @property
    def sentence(self) -> str:
        """One sentence that may be shown to anybody who receives this refusal."""
        return _SENTENCES[self]


_SENTENCES = {
    Refusal.UNKNOWN_REQUEST: "There is no such session request.",
    Refusal.RESERVED: "This request is held for another mechanic.",
    Refusal.ALREADY_MATCHED: "This request is taken: a mechanic has been matched with it.",
    Refusal.GONE: "This request has ended.",
    Refusal.ALREADY_DECLINED: "You declined or withdrew from this request.",
    Refusal.MECHANIC_NOT_APPROVED: "Only approved mechanics may accept.",
    Refusal.MECHANIC_BUSY: "Finish or release your current job first: one job at a time.",
    Refusal.NOT_YOURS: "This request is not matched with you.",
    Refusal.NOT_MATCHED: "This request is not matched with anybody.",
}
