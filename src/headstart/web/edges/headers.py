"""What every answer carries, as plain ASGI (streams pass untouched)."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.settings import Settings
from headstart.web.edges.origins import FOR_PROGRAMS, Origins

STRIPE_PAGE_ORIGIN = "https://checkout.stripe.com"
HSTS_S = 365 * 24 * 3600
PREFLIGHT_S = 600
_FEATURES = (
    *("accelerometer", "browsing-topics", "camera", "display-capture", "encrypted-media"),
    *("fullscreen", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts"),
    *("magnetometer", "microphone", "midi", "payment", "picture-in-picture", "serial", "usb"),
    *("web-share", "xr-spatial-tracking"),
)
_TEXT_AS_WELL = "image/svg+xml"  # says no encoding by itself
_REVALIDATED = ("/static/",)  # the same for everybody; asked for again, by its tag, every time


def security_headers(settings: Settings) -> Mapping[str, str]:
    """Nothing inline, nothing foreign; forms may lead to the payment page and nowhere else."""
    payment_page = settings.stripe_api_base or STRIPE_PAGE_ORIGIN
    is_https = settings.address.startswith("https:")
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; media-src 'self'; manifest-src 'self'; "
        f"worker-src 'self'; form-action 'self' {payment_page}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy + ("; upgrade-insecure-requests" if is_https else ""),
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",  # for what is too old for frame-ancestors
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    hsts = {"Strict-Transport-Security": f"max-age={HSTS_S}; includeSubDomains"}
    return headers | hsts if is_https else headers


class SecurityHeaders:
    """Adds the headers to every answer; what shows a person's data is not stored anywhere."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str], origins: Origins) -> None:
        self._app = app
        self._headers = headers
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cross_origin = self._cross_origin(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**self._headers, **cross_origin})
                is_static = scope["path"].startswith(_REVALIDATED)
                if headers.get("content-type") == _TEXT_AS_WELL:
                    headers["content-type"] = f"{_TEXT_AS_WELL}; charset=utf-8"
                headers.setdefault("Cache-Control", "no-cache" if is_static else "no-store")
            await send(message)

        if cross_origin and _is_preflight(scope):
            await _preflight()(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _cross_origin(self, scope: Scope) -> Mapping[str, str]:
        """What lets a page of an allowed origin read an answer. It has no use for our cookies."""
        origin = Headers(scope=scope).get("origin")
        if origin not in self._origins.allowed or not scope["path"].startswith(FOR_PROGRAMS):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "RateLimit, RateLimit-Policy, Retry-After",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Vary": "Origin",
        }


def _is_preflight(scope: Scope) -> bool:
    asked = Headers(scope=scope).get("access-control-request-method")
    return scope["method"] == "OPTIONS" and asked is not None


def _preflight() -> Response:
    """May a page of an allowed origin ask this at all?"""
    return Response(
        status_code=HTTPStatus.NO_CONTENT,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": (
                "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
            ),
            "Access-Control-Max-Age": str(PREFLIGHT_S),
        },
    )
