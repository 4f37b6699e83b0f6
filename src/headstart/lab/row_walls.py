"""What the database itself shows to whom, and what it lets whom write (migration 0004): declared
here, proved by direct SQL in ``tests/walls``.

``CELLS`` is the whole matrix, one line for each role, table, verb and relation. ``COLUMNS`` names
the columns of a table that a role may read, where it may not read all. A new table needs a row in
``TABLES``: a test finds the ones that have none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headstart.core.access import ANY, KNOWN, NO, OWN, Relation


class Asker(StrEnum):
    """A role of the database, with the claims of somebody in its transaction, or without."""

    SERVICE = "headstart_service"
    CUSTOMER = "headstart_customer"
    MECHANIC = "headstart_mechanic"
    OPERATOR = "headstart_operator"
    REPORTING = "headstart_reporting"
    UNNAMED_CUSTOMER = "headstart_customer without claims"
    UNNAMED_MECHANIC = "headstart_mechanic without claims"
    UNNAMED_OPERATOR = "headstart_operator without claims"
    STRANGER = "any other account"

    @property
    def role(self) -> str:
        """As the database calls it."""
        return self.value.partition(" ")[0]


class Verb(StrEnum):
    """What can be done to rows."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Answer(StrEnum):
    """What the database says."""

    DONE = "yes"
    NO_SUCH_ROW = "no such row"
    REFUSED = "refused"


class Holds(StrEnum):
    """What a table's rows belong to: it says which relations to them there are."""

    REQUESTS = "one request each"
    CUSTOMERS = "one customer each"
    MECHANICS = "one mechanic each"
    NOBODY = "nobody in particular"


RELATIONS: Mapping[tuple[Asker, Holds], Relation] = {
    (Asker.CUSTOMER, Holds.REQUESTS): Relation.OWN | Relation.OTHER,
    (Asker.CUSTOMER, Holds.CUSTOMERS): Relation.OWN | Relation.OTHER,
    (Asker.CUSTOMER, Holds.MECHANICS): Relation.OWN | Relation.OTHER,
    (Asker.MECHANIC, Holds.REQUESTS): KNOWN | Relation.OTHER,
    (Asker.MECHANIC, Holds.MECHANICS): Relation.OWN | Relation.OTHER,
}
"""Everybody else is related to everything alike. A mechanic is a customer's OWN who is a favourite,
or was asked for them by name, or has accepted."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or view: whose rows it holds, to which of them one must be what to select them
    (None: the role has no right at all), and what the service may write."""

    holds: Holds
    customer: Relation | None = None
    mechanic: Relation | None = None
    operator: Relation | None = ANY
    reporting: Relation | None = None
    service: Relation | None = ANY
    writes: frozenset[Verb] = frozenset()


_ADDS = frozenset({Verb.INSERT})
_KEEPS = frozenset({Verb.INSERT, Verb.UPDATE})
_ALL = frozenset({Verb.INSERT, Verb.UPDATE, Verb.DELETE})
_REQUESTS, _CUSTOMERS, _MECHANICS, _NOBODY = Holds

TABLES: Mapping[str, Table] = {
    "customers": Table(_REQUESTS, OWN, KNOWN, ANY, ANY, writes=_KEEPS),
    "intakes": Table(_REQUESTS, OWN, KNOWN, ANY, ANY, writes=_KEEPS),
    "session_requests": Table(_REQUESTS, OWN, KNOWN, ANY, ANY, writes=_KEEPS),
    "session_events": Table(_REQUESTS, OWN, None, ANY, ANY, writes=_ADDS),
    "payments": Table(_REQUESTS, OWN, None, ANY, ANY, writes=_KEEPS),
    "stripe_operations": Table(_REQUESTS, OWN, None, ANY, ANY, writes=_KEEPS),
    "favorites": Table(_CUSTOMERS, OWN, None, ANY, ANY, writes=_ALL),
    "mechanics": Table(_MECHANICS, OWN, OWN, ANY, ANY, writes=_KEEPS),
    "presence": Table(_MECHANICS, ANY, ANY, ANY, ANY, writes=_KEEPS),
    "attendance": Table(_MECHANICS, None, OWN, ANY, ANY, writes=_KEEPS),
    "offer_notes": Table(_MECHANICS, None, OWN, ANY, ANY, writes=_KEEPS),
    "plans": Table(_NOBODY, ANY, ANY, ANY, ANY),
    "test_clock": Table(_NOBODY, ANY, None, ANY, ANY, writes=frozenset({Verb.UPDATE})),
    "feature_flags": Table(_NOBODY, None, None, ANY, ANY, writes=_KEEPS),
    "feature_flag_changes": Table(_NOBODY, None, None, ANY, ANY, writes=_ADDS),
    "operator_actions": Table(_NOBODY, writes=_ADDS),
    "audit_checkpoints": Table(_NOBODY, writes=_ADDS),
    "stripe_events": Table(_NOBODY, writes=_KEEPS),
    "trouble_dismissals": Table(_NOBODY, writes=_ADDS),
    "backfill_report": Table(_NOBODY),
    "logins": Table(_NOBODY, operator=None, writes=_KEEPS),
    "sign_ins": Table(_NOBODY, operator=None, writes=_ALL),
    "realtime_processes": Table(_NOBODY, operator=None, writes=_ALL),
    "realtime_bookmarks": Table(_NOBODY, operator=None, writes=_ALL),
    "presence_watch": Table(_NOBODY, ANY, None, ANY, ANY, writes=frozenset({Verb.UPDATE})),
    "publications": Table(_NOBODY, operator=None, writes=_KEEPS),
    "log_offset": Table(_NOBODY, operator=None, writes=frozenset({Verb.UPDATE})),
    "schema_migrations": Table(_NOBODY, operator=None),
    # views, which show what their reader may see
    "offer_cards": Table(_REQUESTS, None, KNOWN),
    "customer_requests": Table(_REQUESTS, OWN, None),
    "request_money": Table(_REQUESTS, OWN, None),
    "mechanic_facts": Table(_MECHANICS),
    # views for figures, which say themselves who sees anything (migration 0012)
    "priority_offers": Table(_NOBODY, reporting=ANY, service=None),
    "request_outcomes": Table(_NOBODY, reporting=ANY, service=None),
    "eligible_mechanics": Table(_MECHANICS, operator=None),
}

COLUMNS: Mapping[tuple[Asker, str], str] = {
    (Asker.CUSTOMER, "intakes"): "id customer_id plan_code amount currency routing_type"
    " preferred_mechanic_ids specialist urgent concern vehicle contact_email contact_phone status"
    " capture created_at",
    (
        Asker.CUSTOMER,
        "session_requests",
    ): "id intake_id customer_id plan_code payment_intent_id hold"
    " status stage due_at routing_type preferred_mechanic_id reserved_for priority_window_minutes"
    " priority_notified_at fallback_broadcast_at fallback_reason broadcast_at matched_mechanic_id"
    " matched_at round version created_at",
    (Asker.CUSTOMER, "session_events"): "request_id version kind at actor round payload eligible",
    (Asker.CUSTOMER, "mechanics"): "id name status",
    (Asker.CUSTOMER, "payments"): "payment_intent_id amount currency amount_received"
    " amount_refunded",
    (Asker.CUSTOMER, "stripe_operations"): "key kind request_id state result",
    (Asker.MECHANIC, "customers"): "id first_name",
    (Asker.MECHANIC, "intakes"): "id customer_id vehicle concern urgent specialist",
    (Asker.MECHANIC, "session_requests"): "id intake_id customer_id plan_code status stage due_at"
    " created_at version priority_window_minutes",
    (Asker.MECHANIC, "mechanics"): "id name status",
    (Asker.REPORTING, "customers"): "id created_at",
    (Asker.REPORTING, "mechanics"): "id status created_at",
    (Asker.REPORTING, "intakes"): "id customer_id plan_code amount currency routing_type specialist"
    " urgent status capture created_at",
    (Asker.REPORTING, "session_requests"): "id intake_id customer_id plan_code hold status stage"
    " due_at routing_type preferred_mechanic_id chain_step reserved_for window_shortened"
    " window_extensions"
    " priority_window_minutes priority_notified_at fallback_broadcast_at fallback_reason"
    " broadcast_at matched_mechanic_id matched_at round version created_at",
    (Asker.REPORTING, "feature_flag_changes"): "id name at actor was_enabled"
    " was_rollout_percentage enabled rollout_percentage",
    (Asker.REPORTING, "session_events"): "id request_id version kind at round eligible",
    (Asker.REPORTING, "payments"): "status amount currency amount_capturable amount_received"
    " amount_refunded capture_before disputed seen_at",
    (Asker.REPORTING, "stripe_operations"): "id kind request_id state due_at attempts amount result"
    " created_at settled_at",
}
"""The columns a role may read, where it may read some and not all of them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the matrix. ``relation`` is a single one, or ANY for who is related to all rows
    alike."""

    asker: Asker
    table: str
    verb: Verb
    relation: Relation
    answer: Answer


def selectable(asker: Asker, table: Table) -> Relation | None:
    """To which rows somebody must be what; without claims nobody is anything."""
    allowed: Relation | None = getattr(table, asker.role.removeprefix("headstart_"), None)
    return allowed if allowed is None or asker.value == asker.role else NO


def _cells() -> Iterator[Cell]:
    for name, table in TABLES.items():
        for asker in Asker:
            allowed = selectable(asker, table)
            for relation in relations(asker, table):
                yield Cell(asker, name, Verb.SELECT, relation, _answer(allowed, relation))
            for verb in (Verb.INSERT, Verb.UPDATE, Verb.DELETE):
                may = asker is Asker.SERVICE and verb in table.writes
                yield Cell(asker, name, verb, ANY, Answer.DONE if may else Answer.REFUSED)


def relations(asker: Asker, table: Table) -> Sequence[Relation]:
    """What this asker can be to the rows of a table, one by one."""
    found = RELATIONS.get((asker, table.holds))
    return [ANY] if found is None else list(found)


def _answer(allowed: Relation | None, being: Relation) -> Answer:
    if allowed is None:
        return Answer.REFUSED
    return Answer.DONE if allowed & being else Answer.NO_SUCH_ROW


CELLS: Sequence[Cell] = tuple(_cells())
