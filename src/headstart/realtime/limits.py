"""What one connection, and one process, may use. Every wait and size of the socket stands here."""

from dataclasses import dataclass, field

SOCKET_PATH = "/realtime/v1/websocket"


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds."""

    message_bytes: int = 64 * 1024
    waiting_frames: int = 256  # for a reader who is slower than the news
    connections: int = 15_000  # the web server has room for 20,000, pages included
    channels: int = 100  # of one connection
    channels_of_a_person: int = 200
    malformed: int = 20
    messages_per_s: float = 50.0
    messages_at_once: float = 200.0
    replayed_events: int = 50_000  # read at the most to bring one listener up to date
    asked_again: int = 1_000  # frames, for a client that asks for a replay without a limit
    join_s: float = 8.0  # clients give up after 10
    ping_every_s: float = 20.0
    pings_unanswered: int = 2
    channelless_s: float = 60.0
    rejoin_s: float = 15.0  # after phx_error; very old clients ignore it, but come back after 1012
    closing_s: float = 5.0
    tick_s: float = 1.0
    drain_s: float = 2.0
    drained_per_s: float = 200.0
    idle_receipt_s: float = 300.0


@dataclass(slots=True)
class Bucket:
    """A token bucket. ``take`` says how long to wait before reading on; 0 when there is room."""

    per_s: float
    at_once: float
    level: float = field(init=False)
    at_s: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.at_once

    def take(self, now_s: float) -> float:
        """One message has come."""
        self.level = min(self.at_once, self.level + (now_s - self.at_s) * self.per_s) - 1
        self.at_s = now_s
        return max(0.0, -self.level / self.per_s)
