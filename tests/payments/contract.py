"""Holds JSON against the annotations of the SDK's own classes, which are generated from Stripe's
specification: unknown keys, missing fields, wrong types, values outside an enum, broken lists.

An enum is declared as `Union[Literal[...], str]`; the literals count. A field that is `Optional`
may be absent or null, any other must be there.
"""

import ast
import importlib
import inspect
import sys
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

import stripe
from stripe import ListObject, StripeObject
from stripe._stripe_object import UntypedStripeObject

CLASSES: Mapping[str, type[StripeObject]] = {
    "account": stripe.Account,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "item": stripe.LineItem,
    "payment_intent": stripe.PaymentIntent,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning,
    "refund": stripe.Refund,
    "review": stripe.Review,
}


def faults(value: Any, where: str = "") -> Iterator[str]:
    """What is wrong with a top-level object, an event's object or a list, one line each."""
    kind = str(value.get("object")) if isinstance(value, dict) else ""
    if kind == "list":
        yield from _list_faults(value, None, None, where)
    elif kind not in CLASSES:
        yield f"{where}: not an object of a known kind: {kind!r}"
    else:
        yield from _object_faults(value, CLASSES[kind], f"{where}{kind}")


def unwritten(value: Mapping[str, Any]) -> set[str]:
    """Declared fields of a top-level object that are absent."""
    return set(_fields(CLASSES[value["object"]])) - set(value)


def _object_faults(value: Any, of: type[StripeObject], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: expected an object, found {value!r}"
        return
    fields = _fields(of)
    yield from (f"{where}.{key}: unknown" for key in value if key not in fields)
    for name, declared in fields.items():
        if name in value:
            yield from _faults(value[name], declared, of, f"{where}.{name}")
        elif type(None) not in _options(declared):
            yield f"{where}.{name}: missing"
    if of is stripe.Event and isinstance(value.get("data"), dict):
        yield from faults(value["data"].get("object"), f"{where}.data.object:")


def _faults(value: Any, declared: Any, of: type, where: str) -> Iterator[str]:
    """The value must fit one option; what is reported is what kept it from the closest one."""
    options = [_resolved(option, of) for option in _options(declared)]
    literals = [
        each for option in options if get_origin(option) is Literal for each in get_args(option)
    ]
    if isinstance(value, str) and literals:
        if value not in literals:
            yield f"{where}: {value!r} is not in the enum"
        return
    attempts = [list(_option_faults(value, option, of, where)) for option in options]
    yield from min(attempts, key=len, default=[])


def _option_faults(value: Any, option: Any, of: type, where: str) -> Iterator[str]:
    origin, inner = get_origin(option) or option, get_args(option)
    walk = {ListObject: _list_faults, UntypedStripeObject: _map_faults, list: _array_faults}
    if origin in walk:
        yield from walk[origin](value, inner[0], of, where)
    elif isinstance(origin, type) and issubclass(origin, StripeObject):
        yield from _object_faults(value, origin, where)
    elif not _is_plain(value, origin, inner):
        yield f"{where}: expected {option}, found {value!r}"


def _is_plain(value: Any, kind: Any, literals: tuple[Any, ...]) -> bool:
    """A flag is not a number; a decimal travels as text."""
    if kind is Any or kind is Literal:
        return kind is Any or value in literals
    if kind is Decimal:
        return isinstance(value, str)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _list_faults(value: Any, item: Any, of: type | None, where: str) -> Iterator[str]:
    shape = {"object": str, "data": list, "has_more": bool, "url": str}
    if not isinstance(value, dict) or value.keys() != shape.keys() or value["object"] != "list":
        yield f"{where}: malformed list"
        return
    yield from (f"{where}.{key}: malformed" for key in shape if type(value[key]) is not shape[key])
    for index, each in enumerate(value["data"] if isinstance(value["data"], list) else []):
        if item is None or of is None:
            yield from faults(each, f"{where}[{index}]")
        else:
            yield from _faults(each, item, of, f"{where}[{index}]")


def _map_faults(value: Any, item: Any, of: type, where: str) -> Iterator[str]:
    """Free keys. Where anything goes as a value, null goes too; metadata are texts."""
    if not isinstance(value, dict):
        yield f"{where}: expected a map, found {value!r}"
        return
    for key, each in value.items():
        yield from _faults(each, item, of, f"{where}[{key}]")


def _array_faults(value: Any, item: Any, of: type, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where}: expected an array, found {value!r}"
        return
    for index, each in enumerate(value):
        yield from _faults(each, item, of, f"{where}[{index}]")


def _fields(of: Any) -> dict[str, Any]:
    """The data fields: what the class itself annotates, save for class variables."""
    annotated: dict[str, Any] = inspect.get_annotations(of)
    return {name: each for name, each in annotated.items() if name != "OBJECT_NAME"}


def _options(declared: Any) -> list[Any]:
    """A union's members, nested ones included; anything else is its own only option."""
    if get_origin(declared) in (Union, types.UnionType):
        return [option for each in get_args(declared) for option in _options(each)]
    return [declared]


def _resolved(option: Any, of: type) -> Any:
    """The class behind a name in quotes, with the module's own imports for type checkers."""
    if isinstance(option, ForwardRef):
        return _names(of.__module__)[option.__forward_arg__]
    assert not isinstance(option, TypeVar), f"{of}: unbound {option}"
    return option


@cache
def _names(module_name: str) -> dict[str, Any]:
    module = sys.modules[module_name]
    names = dict(vars(module))
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in (line for line in node.body if isinstance(line, ast.ImportFrom)):
                source = importlib.import_module(line.module or "")
                names |= {
                    each.asname or each.name: getattr(source, each.name) for each in line.names
                }
    return names
