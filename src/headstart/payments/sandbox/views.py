"""What callers see of the ledger: single objects, pages of lists, and expanded references."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headstart.payments.sandbox import objects
from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.refusals import Refusal

PAGE_DEFAULT: Final = 10
PAGE_MAX: Final = 100
EXPAND_DEPTH_MAX: Final = 4

_REFERENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "checkout.session": {"payment_intent": "payment_intent"},
    "payment_intent": {"latest_charge": "charge"},
    "charge": {"payment_intent": "payment_intent"},
    "refund": {"charge": "charge", "payment_intent": "payment_intent"},
}


class Views:
    """Reading, without changing anything."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def one(self, kind: str, id: str, expand: list[str]) -> Json:
        """One object; a Refusal when there is none."""
        return self.expanded(self._current(self._ledger.need(kind, id)), expand)

    def page(
        self, kind: str, url: str, params: Mapping[str, Any], wanted: Callable[[Json], bool]
    ) -> Json:
        """A page of the objects that `wanted` and the filter `created` let through."""
        limit = params.get("limit", PAGE_DEFAULT)
        if not 1 <= limit <= PAGE_MAX:
            raise Refusal(400, "This value must be between 1 and 100.", param="limit")
        after = params.get("starting_after")
        if after is not None and self._ledger.get(kind, after) is None:
            raise Refusal.missing(kind, after, "starting_after")
        found, has_more = self._ledger.newest(
            kind,
            limit=limit,
            after=after,
            wanted=lambda each: _in_range(each, params.get("created", {})) and wanted(each),
        )
        listing = objects.listing(url, [self._current(each) for each in found], has_more=has_more)
        return self.expanded(listing, params.get("expand", []))

    def line_items(self, session_id: str) -> Json:
        """The list of what was ordered."""
        order = self._ledger.get("order", session_id)
        items = [] if order is None else order["items"]
        return objects.listing(f"/v1/checkout/sessions/{session_id}/line_items", items)

    def expanded(self, found: Json, expand: list[str]) -> Json:
        """With the references named in `expand` replaced by what they refer to."""
        for path in expand:
            parts = path.split(".")
            if len(parts) > EXPAND_DEPTH_MAX:
                raise Refusal(400, "You cannot expand more than 4 levels.", param="expand")
            self._expand(found, parts, path)
        return found

    def _expand(self, found: Json, parts: list[str], path: str) -> None:
        name, *rest = parts
        kind = found["object"]
        if kind == "list" and name == "data":
            for each in found["data"]:
                self._expand(each, rest, path)
        elif (kind, name) == ("checkout.session", "line_items"):
            found["line_items"] = self.line_items(found["id"])
        elif name in _REFERENCES.get(kind, {}):
            self._resolve(found, name, _REFERENCES[kind][name])
            if rest and found[name] is not None:
                self._expand(found[name], rest, path)
        else:
            message = f"This property cannot be expanded ({path[:100]})."
            raise Refusal(400, message, param="expand")

    def _resolve(self, found: Json, name: str, kind: str) -> None:
        if isinstance(found[name], str):
            found[name] = self._ledger.get(kind, found[name])

    def _current(self, found: Json) -> Json:
        """An event is stored as it was sent; how many deliveries are pending changes."""
        if found["object"] == "event":
            found["pending_webhooks"] = self._ledger.pending_webhooks(found["id"])
        return found


def _in_range(each: Json, created: Mapping[str, int]) -> bool:
    tests: Mapping[str, Callable[[int, int], bool]] = {
        "gt": int.__gt__,
        "gte": int.__ge__,
        "lt": int.__lt__,
        "lte": int.__le__,
    }
    return all(tests[name](each["created"], bound) for name, bound in created.items())
