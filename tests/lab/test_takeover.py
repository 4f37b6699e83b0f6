"""An older table is taken over beside traffic, at the depth of every change."""

from headstart.lab.older import takeover
from headstart.lab.older.planted import WAYS, Planted

ROWS = 1_100  # each way of being broken occurs twice


def test_an_older_table_is_taken_over_and_nobody_notices(database_server: str) -> None:
    assert min(Planted(ROWS).times) == 2
    evidence = takeover.run(ROWS, 0, lambda _: None, database_url=database_server)
    assert evidence.violations == []
    figures = evidence.figures
    assert figures["killed on its way"]
    assert figures["answers beside it"]
    assert figures["rows broken on purpose"] == 2 * len(WAYS)
    assert figures["unreadable values in the report"] == figures["unreadable values planted"]
