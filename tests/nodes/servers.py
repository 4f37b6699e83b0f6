"""Real servers of NATS, from a wheel: one, or a cluster of three."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headstart.lab.backstage import free_port

GUARD_S = 10.0


@dataclass
class Server:
    """One of them; it can be killed and started again where it was."""

    port: int
    arguments: Sequence[str] = ()
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """For clients."""
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns once it takes connections."""
        executable = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert executable, "the lock of the tests brings nats-server"
        where = ["--addr", "127.0.0.1", "--port", str(self.port)]
        self.process = await asyncio.create_subprocess_exec(
            executable, *where, *self.arguments, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(GUARD_S):
            while not await self._answers():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            await writer.wait_closed()
            return True
        return False

    async def kill(self) -> None:
        """Without a word."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None


@asynccontextmanager
async def servers(number: int = 1) -> AsyncIterator[list[Server]]:
    """Of one cluster, if there is more than one."""
    routes = [free_port() for _ in range(number)]
    async with AsyncExitStack() as stack:
        made = []
        for own in routes:
            known = ",".join(f"nats://127.0.0.1:{route}" for route in routes if route != own)
            cluster = ["--cluster_name", "tests", "--cluster", f"nats://127.0.0.1:{own}"]
            server = Server(free_port(), [*cluster, "--routes", known] if number > 1 else ())
            stack.push_async_callback(server.kill)
            await server.start()
            made.append(server)
        yield made
