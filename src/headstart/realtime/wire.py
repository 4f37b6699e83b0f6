"""WebSocket frames as bytes (RFC 6455). A server does not mask, so one serves everybody."""

from websockets.frames import Frame, Opcode

PING_HEAD = bytes((0x80 | Opcode.PING,))  # whole; 125 bytes at most, which stand in the next byte


def text_frame(text: str) -> bytes:
    """A whole message."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def ping_frame(payload: bytes) -> bytes:
    """Answered by a pong with the same payload, after everything that came before it."""
    return PING_HEAD + bytes((len(payload),)) + payload
