"""Django Channels: one group on its layer for Redis. The other, in memory, is for tests, and takes
longer for each listener the more there are. ``python -m … PORT ADDRESS``.
"""

import json
import sys
from typing import Any

import django  # type: ignore[import-not-found]
from django.conf import settings  # type: ignore[import-not-found]

from bench.sockets.servers import EVENT, posts, serve

GROUP = "mechanics"

settings.configure(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [sys.argv[2].replace("redis+socket:", "unix:")]},
        }
    },
    SECRET_KEY="not one",
)
django.setup()

from channels.generic.websocket import (  # type: ignore[import-untyped]  # noqa: E402
    AsyncWebsocketConsumer,
)
from channels.layers import get_channel_layer  # type: ignore[import-untyped]  # noqa: E402
from channels.routing import ProtocolTypeRouter  # type: ignore[import-untyped]  # noqa: E402


class Consumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Everybody is in the group."""

    groups = (GROUP,)

    async def news(self, message: Any) -> None:
        """What was encoded once."""
        await self.send(text_data=message["text"])


async def tell(payload: Any) -> None:
    """To the group."""
    text = json.dumps({"event": EVENT, "payload": payload}, separators=(",", ":"))
    await get_channel_layer().group_send(GROUP, {"type": "news", "text": text})


if __name__ == "__main__":
    serve(ProtocolTypeRouter({"http": posts(tell), "websocket": Consumer.as_asgi()}))
