"""The limit of the machine: PostgreSQL's own load generator, with the statements of the rivals.

It is written in C and decides nothing, so what it needs is what the server and the disk need. Ids
are made from numbers, since its scripts can count but not fetch work.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from bench.figures import percentile
from headstart.store.embedded.binaries import bindir
from headstart.store.postgres import SERVER_SETTINGS

NUMBERS_PER_CLIENT = 1_000_000
PATIENCE_S = 120.0

COUNT = f"\\set i :i + 1\n\\set n :client_id * {NUMBERS_PER_CLIENT} + :i\n"


def numbered(kind: str, number: int) -> UUID:
    """The id that ``numbered_sql`` makes of the same number."""
    return UUID(md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest())


def numbered_sql(kind: str, variable: str = "n") -> str:
    """An id, scattered as ids are, from a variable of the script."""
    return f"md5('{kind}' || cast(:{variable} as text))::uuid"


def with_arguments(statement: str, *arguments: str, ends: str = ";") -> str:
    """A statement with ``$1`` and so on, as a script writes it."""
    for index, argument in reversed(list(enumerate(arguments, start=1))):
        statement = statement.replace(f"${index}", argument)
    return f"{statement.strip()}{ends}\n"


@dataclass(slots=True)
class PgBench:
    """One script, run again and again, each time with numbers it has not used."""

    dsn: str
    script: str
    used: int = 0

    def next_numbers(self, clients: int, each: int) -> Iterator[int]:
        """What the next run will use."""
        for client in range(clients):
            start = client * NUMBERS_PER_CLIENT + self.used + 1
            yield from range(start, start + each)

    async def run(self, clients: int, each: int) -> Mapping[str, float]:
        """Every client runs the script so often; answers what one run costs, in microseconds."""
        with tempfile.TemporaryDirectory(prefix="hs-pgbench-") as made:
            directory = Path(made)
            (directory / "script.sql").write_text(COUNT + self.script)
            said = await self._call(directory, clients, each)
            latencies_s = list(_latencies_s(directory))
        self.used += each
        assert len(latencies_s) == clients * each, said
        [per_s] = [float(line.split()[2]) for line in said.splitlines() if line[:3] == "tps"]
        return {
            "per_s": per_s,
            "cost_us": 1e6 / per_s,
            "p50_ms": percentile(latencies_s, 0.50) * 1e3,
            "p99_ms": percentile(latencies_s, 0.99) * 1e3,
        }

    async def _call(self, directory: Path, clients: int, each: int) -> str:
        threads = min(clients, os.cpu_count() or 1)
        process = await asyncio.create_subprocess_exec(
            str(bindir().directory / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", "--log", f"--log-prefix={directory}/log"),
            *(f"--client={clients}", f"--jobs={threads}", f"--transactions={each}"),
            *(f"--define=i={self.used}", f"--file={directory}/script.sql"),
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
        text = said.decode()
        assert process.returncode == 0, text
        return text

    def _environment(self) -> dict[str, str]:
        address = urlsplit(self.dsn)
        query = parse_qs(address.query)
        wanted = {name: SERVER_SETTINGS[name] for name in ("search_path", "timezone", "jit")}
        return os.environ | {
            "PGHOST": query.get("host", [address.hostname or ""])[0],
            "PGPORT": query.get("port", [str(address.port or 5432)])[0],
            "PGUSER": address.username or "postgres",
            "PGPASSWORD": address.password or "",
            "PGDATABASE": address.path.strip("/"),
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in wanted.items()),
        }


def _latencies_s(directory: Path) -> Iterator[float]:
    for log in directory.glob("log*"):
        for line in log.read_text().splitlines():
            yield int(line.split()[2]) / 1e6


def is_there() -> bool:
    """Some packages of PostgreSQL come without it."""
    return (bindir().directory / "pgbench").exists()


NOT_RUN = "NOT RUN: this PostgreSQL came without pgbench, so the limit of the machine is not shown"
