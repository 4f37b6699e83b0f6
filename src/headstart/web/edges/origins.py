"""Whose page sent this? A browser says so; what it says is compared whole, never in part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from headstart.settings import Mode, Settings
from headstart.web.edges.hosts import LOOPBACK_NAMES

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
NOT_FROM_BROWSERS = ("/webhooks/",)  # signed, and sent by programs
FOR_PROGRAMS = ("/api/", "/realtime/")
_OUR_OWN_PAGE = frozenset({"same-origin", "none"})  # "none": a person, without any page
_PORTS = {"http": 80, "https": 443}


def origin_of(address: str) -> str:
    """An address's origin as browsers write it: the scheme's own port is left out."""
    parts = urlsplit(address)
    shown = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    name = parts.hostname or ""
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}{shown}"


@dataclass(frozen=True, slots=True)
class Origins:
    """Our own pages, and the pages of others that may read the API with a token of their own."""

    own: frozenset[str]
    allowed: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The public address; outside production this machine under all its names."""
        own = {origin_of(settings.address)}
        if settings.mode is not Mode.PRODUCTION:
            own |= {f"http://{name}:{settings.port}" for name in LOOPBACK_NAMES}
        return cls(frozenset(own), frozenset(settings.allowed_origins))

    def admits(self, origin: str | None) -> bool:
        """May this origin use the API, the stream and the socket? A program names none."""
        return origin is None or origin in self.own or origin in self.allowed

    def admits_cookie(self, origin: str | None) -> bool:
        """May this origin use the page session's cookie? A handshake must say where it is from."""
        return origin in self.own

    def refuse(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        """Why this request is refused, if it is: another site's page must not act for anybody.

        A cookie is sent by the browser, whoever made it send; so a request that would change
        something, and bears no token of its own, must come from a page of ours. A form is no
        exception, and neither is signing in.
        """
        if path.startswith(NOT_FROM_BROWSERS):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if headers.get("authorization"):  # an empty one proves nothing: then the cookie counts
            return None if self.admits(origin) else FOREIGN
        if method not in SAFE_METHODS:
            return self._refuse_write(origin, site, has_cookie="cookie" in headers)
        if not path.startswith(FOR_PROGRAMS):
            return None
        embedded = site not in (None, *_OUR_OWN_PAGE) and not _is_navigation(headers)
        if not self.admits(origin) or (origin is None and embedded):
            return FOREIGN
        return None

    def _refuse_write(
        self, origin: str | None, site: str | None, *, has_cookie: bool
    ) -> str | None:
        if origin is not None:
            return None if origin in self.own and site in (None, "same-origin") else FOREIGN
        if site is not None:
            return None if site in _OUR_OWN_PAGE else FOREIGN
        return NOWHERE if has_cookie else None


FOREIGN = "This request came from another site's page."
NOWHERE = "This request bears a cookie and does not say which page it came from."


def _is_navigation(headers: Mapping[str, str]) -> bool:
    return headers.get("sec-fetch-mode") == "navigate"
