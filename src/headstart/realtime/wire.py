"""WebSocket frames as bytes (RFC 6455). A server does not mask, so one serves everybody."""

from websockets.frames import Frame, Opcode


def text_frame(text: str) -> bytes:
    """A whole message."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def ping_frame(payload: bytes) -> bytes:
    """Answered by a pong with the same payload, after everything that came before it."""
    return Frame(Opcode.PING, payload).serialize(mask=False)
