"""WebSocket frames as bytes (RFC 6455). A server does not mask, so one serves everybody."""

from websockets.frames import Frame, Opcode

PING_BYTES = 8  # of its payload: the pong brings the same, after everything that came before it
PING_HEAD = bytes((0x80 | Opcode.PING, PING_BYTES))


def text_frame(text: str) -> bytes:
    """A whole message."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
