"""Logs as data, and the figures operators watch. The names are promises, listed in the docs."""

import logging
import sys
from asyncio import CancelledError
from contextlib import suppress
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

FALLBACKS = Counter("headstart_fallbacks", "Changes from reserved to open.", ["reason"])
MATCHES = Counter("headstart_matches", "Accepted requests, by the stage they were in.", ["stage"])
PRIORITY_ERRORS = Counter("headstart_priority_errors", "Requests opened by an internal error.")
CONFLICTS = Counter("headstart_conflicts", "Commands judged again after a lost race.")
DEADLINE_ERRORS = Counter("headstart_deadline_errors", "Due requests on which acting failed.")
DEADLINE_LAG_S = Histogram(
    "headstart_deadline_lag_seconds",
    "From a deadline to the system's act.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)
DEADLINE_HEARTBEAT = Gauge(
    "headstart_deadline_heartbeat_seconds", "When the sweep last ran (Unix)."
)
FEED_LAG_S = Histogram(
    "headstart_feed_lag_seconds",
    "From an event to its frames.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
FEED_STALL_S = Gauge(
    "headstart_feed_stall_seconds",
    "How long the oldest event waits because a transaction somewhere in the server still runs.",
)
STREAMS = Gauge("headstart_streams", "Open streams.")
STREAMS_CUT = Counter("headstart_streams_cut", "Streams cut because their reader was too slow.")
SOCKETS = Gauge("headstart_sockets", "Open WebSocket connections.")
SOCKET_JOINS = Counter("headstart_socket_joins", "Answered joins of a topic.", ["outcome"])
SOCKET_ENDS = Counter(
    "headstart_socket_ends", "Channels and connections ended by the server.", ["reason"]
)
OFFERS_SEEN = Counter("headstart_offers_seen", "Offers that a client reported as seen.")
SENT_AWAY = Counter(
    "headstart_mechanics_sent_away", "Mechanics set off duty because they missed offers."
)
PUBLISHED = Counter(
    "headstart_published", "Messages sent to a Supabase project, by what it answered.", ["outcome"]
)
PUBLISH_LAG_S = Gauge(
    "headstart_publish_lag_seconds", "How old the first event is that is not published there yet."
)
WEBHOOKS = Counter("headstart_webhooks", "Payment events received.", ["outcome"])
OPERATIONS = Counter(
    "headstart_operations", "Attempts at the payment service.", ["kind", "outcome"]
)
LIMITED = Counter("headstart_limited", "Requests refused as too many.", ["quota"])
RECONCILED = Counter("headstart_reconciled", "What the reconciler found to be looked at.")
CHECKPOINT_NUMBER = Gauge(
    "headstart_checkpoint_number", "The newest checkpoint of the audit trail."
)
CHECKPOINT_ERRORS = Counter(
    "headstart_checkpoint_errors", "Checkpoints that could not, or must not, be signed."
)


def within(histogram: Histogram, share: float) -> tuple[float, int] | None:
    """The bound under which this share of all observations stayed, infinite beyond the last one,
    and how many there were in this process; None before the first."""
    samples = [one for metric in histogram.collect() for one in metric.samples]
    counts = [
        (float(one.labels["le"]), int(one.value)) for one in samples if one.name.endswith("_bucket")
    ]
    total = counts[-1][1]
    if not total:
        return None
    return next(bound for bound, count in counts if count >= share * total), total


class _StandardError:
    """Writes lines, and never fails: a closed pipe must not stop what is being reported on."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, line: str) -> None:
        """One line."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    log = debug = info = warn = warning = error = err = critical = fatal = exception = msg


class _Libraries(logging.Handler):
    """What libraries log, as one line of ours each."""

    def emit(self, record: logging.LogRecord) -> None:
        """With the trace, but for the driver's (that a database is away needs none) and for what
        was given up."""
        known: dict[str, Any] = {"logger": record.name, "said": record.getMessage()}
        error = record.exc_info[1] if record.exc_info else None
        level = record.levelno
        if error is not None:
            known["error"] = f"{type(error).__name__}: {error}"
        if isinstance(error, CancelledError):
            level = logging.INFO  # a stream that was open when the server had to end: no fault
        elif error is not None and not record.name.startswith("asyncpg"):
            known["exc_info"] = record.exc_info
        structlog.get_logger().log(level, "library_reports", **known)


def configure_logging(*, readable: bool) -> None:
    """One JSON object per line on standard error, or coloured lines for a person."""
    renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_StandardError,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING)
