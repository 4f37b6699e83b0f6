"""Stripe's way of sending parameters: `line_items[0][price_data][currency]=usd`, and what is
refused on the way in. A shape names every parameter the sandbox understands; Stripe has many
more, and both kinds of unknown ones get Stripe's answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from headstart.payments.sandbox.refusals import Refusal

FIELDS_MAX: Final = 1000
METADATA_KEYS_MAX: Final = 50
METADATA_KEY_CHARS_MAX: Final = 40
METADATA_VALUE_CHARS_MAX: Final = 500
TEXT_CHARS_MAX: Final = 5000

Tree = dict[str, Any]
_NAME = re.compile(r"[^\[\]]+(\[[^\[\]]*\])*")


def parse(encoded: bytes) -> Tree:
    """Nested dictionaries of text. Lists stay dictionaries keyed "0", "1" … until they are read.
    The names are not judged here, save for their brackets."""
    try:
        pairs = parse_qsl(
            encoded.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except ValueError:
        raise Refusal(400, "The request body could not be read.") from None
    tree: Tree = {}
    for name, value in pairs:
        if not _NAME.fullmatch(name):
            raise Refusal.unknown_parameter(name)
        _place(tree, name.replace("]", "").split("["), value, name)
    return tree


def _place(tree: Tree, parts: list[str], value: str, name: str) -> None:
    """An empty part, as in `expand[]`, means the next free place."""
    *path, last = parts
    for part in path:
        branch = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(branch, dict):
            raise Refusal(400, f"Invalid parameter: {name}", param=name)
        tree = branch
    tree[last or str(len(tree))] = value


Reader = Callable[[Any, str], Any]
"""Takes what was sent and the parameter's name; returns the value or raises `Refusal`."""


def text(sent: Any, name: str) -> str:
    if not isinstance(sent, str):
        raise Refusal(400, f"Invalid string: {name}", param=name)
    if len(sent) > TEXT_CHARS_MAX:
        raise Refusal(400, f"Invalid string: {name} is too long", param=name)
    return sent


def whole(sent: Any, name: str) -> int:
    if not isinstance(sent, str) or not re.fullmatch(r"-?[0-9]{1,15}", sent):
        raise Refusal(400, "Invalid integer", code="parameter_invalid_integer", param=name)
    return int(sent)


def flag(sent: Any, name: str) -> bool:
    if sent not in ("true", "false"):
        raise Refusal(400, "Invalid boolean", param=name)
    return bool(sent == "true")


def metadata(sent: Any, name: str) -> dict[str, str]:
    """Text to text within Stripe's limits. An empty value means "not set", as at Stripe."""
    if sent == "":
        return {}
    if not isinstance(sent, dict):
        raise Refusal(400, "Invalid hash", param=name)
    if len(sent) > METADATA_KEYS_MAX:
        raise Refusal(400, f"You can have at most {METADATA_KEYS_MAX} metadata keys.", param=name)
    for key, value in sent.items():
        if len(key) > METADATA_KEY_CHARS_MAX:
            raise Refusal(400, "Metadata keys can have up to 40 characters.", param=name)
        if not isinstance(value, str):
            raise Refusal(400, "Metadata values must be strings.", param=f"{name}[{key}]")
        if len(value) > METADATA_VALUE_CHARS_MAX:
            message = "Metadata values can have up to 500 characters."
            raise Refusal(400, message, param=f"{name}[{key}]")
    return {key: value for key, value in sent.items() if value}


@dataclass(frozen=True, slots=True)
class Shape:
    """A dictionary of exactly these parameters, each of them optional."""

    readers: Mapping[str, Reader]

    def __call__(self, sent: Any, name: str) -> Tree:
        if not isinstance(sent, dict):
            raise Refusal(400, "Invalid object", param=name)
        found = {}
        for key, value in sent.items():
            inner = f"{name}[{key}]" if name else key
            if key not in self.readers:
                raise Refusal.unknown_parameter(inner)
            found[key] = self.readers[key](value, inner)
        return found


@dataclass(frozen=True, slots=True)
class Several:
    """A list, sent as `name[0]`, `name[1]` … without gaps."""

    reader: Reader

    def __call__(self, sent: Any, name: str) -> list[Any]:
        indexes = [str(index) for index in range(len(sent))]
        if not isinstance(sent, dict) or sorted(sent) != sorted(indexes):
            raise Refusal(400, "Invalid array", param=name)
        return [self.reader(sent[index], f"{name}[{index}]") for index in indexes]


def shape(**readers: Reader) -> Shape:
    """The parameters by their names."""
    return Shape(readers)


def one_of(*values: str) -> Reader:
    """A closed list of values, which may be shorter than Stripe's."""

    def read(sent: Any, name: str) -> str:
        if sent not in values:
            message = f"Invalid {name}: must be one of {', '.join(values)} (in the sandbox)"
            raise Refusal(400, message, param=name)
        return str(sent)

    return read


_RANGE = shape(gt=whole, gte=whole, lt=whole, lte=whole)


def moment(sent: Any, name: str) -> dict[str, int]:
    """A `created` filter: one second, or a range of them."""
    if isinstance(sent, Mapping):
        return _RANGE(sent, name)
    second = whole(sent, name)
    return {"gte": second, "lte": second}
