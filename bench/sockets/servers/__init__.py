"""The servers beside ours, each a program: ``python -m bench.sockets.servers.NAME PORT``.

Everybody who connects hears what is posted to ``/broadcast``. The answer to the post says when the
server began to tell it (Unix, seconds).
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

EVENT = "new_request"

Scope = dict[str, Any]
Tell = Callable[[Any], Awaitable[None]]


def posts(tell: Tell) -> Callable[..., Awaitable[None]]:
    """The application that takes them; ``tell`` returns when it has done its part."""

    async def application(_scope: Scope, receive: Any, send: Any) -> None:
        body = b""
        while (part := await receive()).get("more_body"):
            body += part["body"]
        payload = json.loads(body + part["body"])
        began_s = time.time()
        await tell(payload)
        answer = json.dumps({"began_s": began_s}).encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


def serve(application: Any) -> None:
    """On uvicorn with the fastest of what it offers, and no compression. Until it is killed."""
    import uvicorn

    config = uvicorn.Config(
        application,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        lifespan="off",
        backlog=4096,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve())
