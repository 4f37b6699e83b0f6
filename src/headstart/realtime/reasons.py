"""Why a join is refused, and why channels and connections end. Closed lists, in one place.

Where they fit, the words are those of Supabase, which its clients know: a reason that ends in
``RateLimitReached`` slows some of them down.
"""

from enum import StrEnum

from headstart.app.ports import Ending


class JoinRefusal(StrEnum):
    """The whole reason a client is told; its first word is the code."""

    NO_TOPIC = "TopicNameRequired: there is no such topic"
    NO_TOKEN = "Unauthorized: join with an access_token"
    BAD_TOKEN = "InvalidJWTToken: the token is not valid, or no longer"
    SIGNED_OUT = "Unauthorized: signed out"
    NOT_YOURS = "Unauthorized: this topic is not yours"
    NOT_A_MECHANIC = "Unauthorized: this topic is for mechanics"
    NOT_APPROVED = "Unauthorized: only approved mechanics hear of requests"
    BAD_REPLAY = "UnableToReplayMessages: Replay params are not valid"
    TOO_MANY_CHANNELS = "ChannelRateLimitReached: too many channels; leave some, or retry in 30 s"
    TOO_MANY_OF_A_PERSON = "ConnectionRateLimitReached: this person has too many; retry in 30 s"
    BUSY = "DatabaseLackOfConnections: the database is busy; retry in 2 s"

    @property
    def code(self) -> str:
        """The word before the colon."""
        return self.value.partition(":")[0]


JOINED = "ok"
JOIN_OUTCOMES = (JOINED, *sorted({refusal.code for refusal in JoinRefusal}))


class End(StrEnum):
    """Of a channel, or of a connection."""

    TOKEN_EXPIRED = "token_expired"
    SIGNED_OUT = "signed_out"
    DISABLED = "disabled"
    REASSIGNED = "reassigned"
    SUSPENDED = "suspended"
    UNVERIFIABLE = "unverifiable"
    NOT_APPROVED = "not_approved"
    MATCH_RELEASED = "match_released"
    ANOTHER_PERSON = "another_person"
    BUSY = "busy"
    RESTART = "restart"
    SILENT = "silent"
    TOO_SLOW = "too_slow"
    NO_CHANNEL = "no_channel"
    NOT_REJOINED = "channel_not_rejoined"
    MALFORMED = "too_many_malformed_messages"

    @classmethod
    def of(cls, ending: Ending) -> "End":
        """How a channel ends when the credential behind it does."""
        return cls.TOKEN_EXPIRED if ending is Ending.EXPIRED else cls(ending.value)

    @property
    def code(self) -> int:
        """For a channel 44xx; for a connection a close code of RFC 6455."""
        return _CODES[self]


CHANNEL_CODES = 4400  # from here on

_CODES = {
    End.TOKEN_EXPIRED: 4401,
    End.SIGNED_OUT: 4401,
    End.REASSIGNED: 4401,
    End.UNVERIFIABLE: 4401,
    End.DISABLED: 4403,
    End.SUSPENDED: 4403,
    End.NOT_APPROVED: 4403,
    End.MATCH_RELEASED: 4403,
    End.ANOTHER_PERSON: 4403,
    End.BUSY: 4429,
    End.RESTART: 1012,
    End.SILENT: 1012,
    End.NOT_REJOINED: 1012,
    End.TOO_SLOW: 1013,
    End.NO_CHANNEL: 1013,
    End.MALFORMED: 1008,
}


def ends_of_channels() -> list[End]:
    """The ends that are told by ``phx_error``."""
    return [end for end in End if end.code >= CHANNEL_CODES]
