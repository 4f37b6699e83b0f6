"""python-socketio: one room, as its documentation says."""

from typing import Any

import socketio  # type: ignore[import-not-found]

from bench.sockets.servers import EVENT, posts, serve

ROOM = "mechanics"

server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])


@server.event  # type: ignore[untyped-decorator]
async def connect(sid: str, _environ: Any) -> None:
    """Everybody is in the room."""
    await server.enter_room(sid, ROOM)


async def tell(payload: Any) -> None:
    """To the room."""
    await server.emit(EVENT, payload, room=ROOM)


if __name__ == "__main__":
    serve(socketio.ASGIApp(server, other_asgi_app=posts(tell)))
