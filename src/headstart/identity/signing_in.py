"""What signing in at an identity provider is, for those who only ask for it."""

from dataclasses import dataclass

AWAY_S_MAX = 600  # how long somebody may take at the provider


class SignInFailed(Exception):
    """It did not work out; the message says why, for our log and not for the browser."""


class ProviderAway(Exception):
    """The identity provider cannot be reached, or is not what it was configured to be."""


@dataclass(frozen=True, slots=True)
class Client:
    """What we are to the provider. ``secret`` is None for a public client."""

    id: str
    secret: str | None
    scopes: str
    callback: str
    home: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes now, and the sealed note it brings back."""

    address: str
    note: str
