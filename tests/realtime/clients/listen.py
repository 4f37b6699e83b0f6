"""One of the official Python clients, driven by lines of JSON: commands in, what it says out.

Runs in an environment of its own, of either age: the old release knows neither some options nor
some callbacks of the new one.
"""

import asyncio
import json
import sys
from typing import Any

from realtime import AsyncRealtimeClient  # type: ignore[import-not-found]

_, url, token = sys.argv


def say(**what: Any) -> None:
    """One line."""
    sys.stdout.write(f"{json.dumps(what, default=str)}\n")
    sys.stdout.flush()


async def join(client: AsyncRealtimeClient, topic: str, **how: Any) -> Any:
    """Join a channel and report everything of it."""
    config = {"broadcast": None, "presence": None, "private": False, **(how.get("config") or {})}
    channel = client.channel(topic, {"config": config})

    def on_broadcast(message: Any) -> None:
        say(topic=topic, **{name: message.get(name) for name in ("event", "payload", "meta")})

    for event in how.get("events", ()):
        channel.on_broadcast(event, on_broadcast)
    if how.get("presence"):
        channel.on_presence_sync(
            lambda: say(
                topic=topic,
                sync={
                    key: [{n: v for n, v in meta.items() if n != "presence_ref"} for meta in metas]
                    for key, metas in channel.presence_state().items()
                },
            )
        )
    await channel.subscribe(
        lambda status, error: say(topic=topic, status=status.value, error=error and str(error))
    )
    return channel


async def main() -> None:
    """Until standard input ends."""
    client = AsyncRealtimeClient(url, token, auto_reconnect=True)
    await client.connect()
    channels: dict[str, Any] = {}
    say(ready="python")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        name, topic = command.pop("do"), command.get("topic")
        if name == "join":
            channels[topic] = await join(client, **command)
        elif name == "token":
            await client.set_auth(command["token"])
        elif name == "send":
            await channels[topic].send_broadcast(command["event"], command["payload"])
        elif name == "track":
            await channels[topic].track(command["meta"])
        elif name == "untrack":
            await channels[topic].untrack()
        elif name == "leave":
            await channels[topic].unsubscribe()


asyncio.run(main())
