"""Which connections to other machines would not be encrypted, or lead to whoever answers."""

from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_VERIFIED = ("verify-ca", "verify-full")  # the others accept any certificate, or none


def plain_databases(address: str) -> Iterator[str]:
    """The hosts on other machines that this address of PostgreSQL trusts without a certificate.

    As libpq reads addresses: several hosts, parted by commas, and ``host=``; a path is a socket.
    """
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    if query.get("sslmode", [""])[-1] in _VERIFIED:
        return
    named = ",".join(query.get("host", [])).split(",")
    for host in (*_hosts(parts), *filter(None, named)):
        if not host.startswith("/") and host not in LOOPBACK:
            yield host


def plain_nats(address: str) -> Iterator[str]:
    """The same of an address of a NATS server."""
    parts = urlsplit(address)
    if parts.scheme != "tls":
        yield from (host for host in _hosts(parts) if host not in LOOPBACK)


def _hosts(parts: SplitResult) -> Iterator[str]:
    for one in parts.netloc.rpartition("@")[2].split(","):
        if host := urlsplit(f"//{one}").hostname:
            yield unquote(host)
