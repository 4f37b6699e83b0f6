"""The versions of the protocol, as clients ask for them in the query string."""

from enum import StrEnum


class Version(StrEnum):
    """1.0.0 writes objects; 2.0.0 writes arrays, and its clients send broadcasts as binary."""

    V1 = "1.0.0"
    V2 = "2.0.0"


def version_asked(vsn: str | None) -> Version | None:
    """The version of a connection; None for one that is not spoken here. Old clients do not say."""
    if not vsn:
        return Version.V1
    return next((version for version in Version if version.value == vsn), None)
