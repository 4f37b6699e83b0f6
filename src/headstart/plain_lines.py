"""Which connections to other machines would not be encrypted, or lead to whoever answers."""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_VERIFIED = ("verify-ca", "verify-full")  # the others accept any certificate, or none


def plain_databases(address: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The hosts on other machines that this address of PostgreSQL trusts without a certificate.

    As the driver reads addresses: several hosts, parted by commas, ``host=``, or else ``PGHOST``; a
    path is a socket. What a ``service=`` stands for is in another file, and so counts as a host.
    """
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if query.get("sslmode") in _VERIFIED:
        return
    user, at, after = parts.netloc.partition("@")
    named = [after if at else user, query.get("host", ""), query.get("service", "")]
    for listed in named if any(named) else [environment.get("PGHOST", "")]:
        yield from (host for host in _hosts(listed) if host not in LOOPBACK)


def plain_nats(address: str) -> Iterator[str]:
    """The same of an address of a NATS server."""
    parts = urlsplit(address)
    if parts.scheme != "tls" and parts.hostname not in LOOPBACK:
        yield parts.hostname or ""


def _hosts(listed: str) -> Iterator[str]:
    for one in listed.split(","):
        name = one[1:].partition("]")[0] if one.startswith("[") else one.partition(":")[0]
        if name and not unquote(name).startswith("/"):
            yield unquote(name).lower()
