"""The settings, refusals, kinds of events and metrics as tables, from the code that knows them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from prometheus_client import Counter, Gauge, Histogram
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from headstart import telemetry
from headstart.app.fulfilment import Outcome
from headstart.core.events import Stage
from headstart.core.request import FallbackReason
from headstart.payments.webhook import BadWebhookReason
from headstart.realtime.publishing.project import Outcome as Published
from headstart.realtime.reasons import JOIN_OUTCOMES, End
from headstart.settings import Settings
from headstart.store.rows import EVENT_TYPES
from headstart.web.problems import STATUS_OF_REFUSAL


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: object) -> str:
    """As code."""
    return f"`{text}`"


# --- settings --------------------------------------------------------------------------------


def settings_part() -> str:
    """Every variable, with its default, what may stand there, and what it means."""
    rows = [
        [code(field.alias), _default(field.default), _allowed(field), field.description or ""]
        for field in Settings.model_fields.values()
    ]
    return table(["variable", "default", "may be", "meaning"], rows)


def _default(value: Any) -> str:
    if value is None or value == []:
        return "unset"
    if isinstance(value, Enum):
        return code(value.value)
    return code(str(value).lower() if isinstance(value, bool) else value)


def _allowed(field: FieldInfo) -> str:
    kinds = [one for one in get_args(field.annotation) if one is not NoneType]
    kind = kinds[0] if kinds else field.annotation
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " ".join(code(one.value) for one in kind)
    limits = [text for one in field.metadata for text in _limits(one)]
    return ", ".join([_KINDS.get(kind, "text"), *limits])


_KINDS: Mapping[Any, str] = {
    bool: "`true` `false`",
    int: "whole number",
    float: "number",
    Path: "path",
    SecretStr: "secret",
}
_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _limits(constraint: object) -> Iterator[str]:
    for name, sign in _SIGNS.items():
        if (limit := getattr(constraint, name, None)) is not None:
            yield f"{sign} {limit}"


# --- refusals, kinds -------------------------------------------------------------------------


def refusals_part() -> str:
    """Every refusal of the rules, with its status and its sentence."""
    rows = [
        [code(refusal.value), str(status.value), refusal.sentence]
        for refusal, status in STATUS_OF_REFUSAL.items()
    ]
    return table(["code", "status", "sentence"], rows)


def kinds_part() -> str:
    """Every kind of event in the log."""
    return ", ".join(code(kind) for kind in EVENT_TYPES)


# --- metrics ---------------------------------------------------------------------------------

LABEL_VALUES: Mapping[tuple[str, str], Iterable[str]] = {
    ("headstart_fallbacks", "reason"): FallbackReason,
    ("headstart_matches", "stage"): Stage,
    ("headstart_socket_joins", "outcome"): JOIN_OUTCOMES,
    ("headstart_socket_ends", "reason"): End,
    ("headstart_published", "outcome"): Published,
    ("headstart_webhooks", "outcome"): [
        *Outcome,
        *(f"refused_{reason}" for reason in BadWebhookReason),
    ],
}


def metrics_part() -> str:
    """Every figure on ``/metrics`` that is ours."""
    rows = []
    for metric in vars(telemetry).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        [family] = metric.describe()
        name = f"{family.name}_total" if isinstance(metric, Counter) else family.name
        rows.append([code(name), family.type, _labels(family.name), family.documentation])
    return table(["metric", "type", "labels", "meaning"], rows)


def _labels(name: str) -> str:
    labels = [
        f"{code(label)}: {' '.join(code(value) for value in values)}"
        for (metric, label), values in LABEL_VALUES.items()
        if metric == name
    ]
    return "; ".join(labels)
