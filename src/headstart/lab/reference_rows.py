"""What the database itself shows to whom, as a reference: the matrix that direct SQL proves."""

from collections import Counter

from headstart.core.access import ANY, Relation
from headstart.lab.reference_tables import code, table
from headstart.lab.row_walls import CELLS, COLUMNS, TABLES, Answer, Asker, Verb

ASKERS = [one for one in Asker if one.value == one.role]


def rows_part() -> str:
    """Every table and view: whose rows each role can select, and what it may write."""
    said = {(cell.asker, cell.table, cell.verb, cell.relation): cell.answer for cell in CELLS}
    rows = [[code(name), *(_rights(said, asker, name) for asker in ASKERS)] for name in TABLES]
    return f"{_counted()}\n\n{table(['table or view', *map(code, ASKERS)], rows)}"


def _counted() -> str:
    counts = Counter(cell.answer for cell in CELLS)
    told = ", ".join(f"{counts[answer]} times “{answer.value}”" for answer in Answer)
    return f"{len(CELLS)} cells: {told}."


def _rights(said: dict[tuple[Asker, str, Verb, Relation], Answer], asker: Asker, name: str) -> str:
    """As ``own; insert``: to whose rows, and what else."""
    seen = [
        relation
        for (who, where, verb, relation), answer in said.items()
        if (who, where, verb, answer) == (asker, name, Verb.SELECT, Answer.DONE)
    ]
    whose = ", ".join("all" if one == ANY else str(one.name).lower() for one in seen)
    verbs = (Verb.INSERT, Verb.UPDATE, Verb.DELETE)
    written = ", ".join(verb for verb in verbs if said[asker, name, verb, ANY] is Answer.DONE)
    return "; ".join(filter(None, [whose, written])) or "–"


def columns_part() -> str:
    """Where a role may read some columns and not all: which ones."""
    rows = [
        [code(asker), code(name), " ".join(map(code, columns.split()))]
        for (asker, name), columns in COLUMNS.items()
    ]
    return table(["role", "table", "columns it may read"], rows)
