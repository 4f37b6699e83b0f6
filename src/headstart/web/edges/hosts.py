"""Which names lead here, and who is at the other end of the connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from headstart.settings import Mode, Settings

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
FORWARDED_ADDRESSES_MAX = 20  # of one request; what stands further left, nobody vouches for

Network = IPv4Network | IPv6Network


def name_in(host: str) -> str:
    """The name in a ``Host`` header, without its port; brackets stay around an IPv6 address."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which people reach this service. No answer is made from any other."""

    names: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The public address and what else is configured; outside production, where everybody may
        know the secret of all tokens, this machine and nothing else."""
        if settings.mode is not Mode.PRODUCTION:
            return cls(LOOPBACK_NAMES)
        own = name_in(urlsplit(settings.address).netloc)
        names = {own, *(one.lower() for one in settings.trusted_hosts)}
        return cls(frozenset(names if settings.public_url else names | LOOPBACK_NAMES))

    def know(self, host: str) -> bool:
        """Is this header one of ours?"""
        return name_in(host) in self.names


@dataclass(frozen=True, slots=True)
class Proxies:
    """The machines whose word about a client's address counts."""

    networks: tuple[Network, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As configured; nobody by default."""
        return cls(tuple(ip_network(one) for one in settings.trusted_proxies))

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address of the client: the last one in ``X-Forwarded-For`` that no proxy of ours
        wrote about another of them. Without a trusted proxy it is whoever connected."""
        found = peer
        claims = [one.strip() for header in forwarded for one in header.split(",")]
        for claim in reversed(claims[-FORWARDED_ADDRESSES_MAX:]):
            if not self._trust(found) or not _is_address(claim):
                break
            found = claim
        return found

    def _trust(self, address: str) -> bool:
        if not self.networks or not _is_address(address):
            return False
        found = ip_address(address)
        return any(found in network for network in self.networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def neighbourhood(address: str) -> str:
    """What counts as one place: an IPv4 address, or the 64 bits that one IPv6 customer is given."""
    if not _is_address(address):
        return address
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, 64), strict=False))
    return str(found)
