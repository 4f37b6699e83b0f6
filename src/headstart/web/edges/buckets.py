"""Token buckets in memory: so many at once, refilled evenly; never more than so many buckets."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

WINDOW_S = 60
BUCKETS_MAX = 50_000  # of one kind and process: about 10 MB. The least used one is forgotten first


@dataclass(frozen=True, slots=True)
class Quota:
    """So many a minute; all of them at once, if they come at once."""

    name: str
    per_minute: int

    @property
    def field(self) -> str:
        """For ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.per_minute};w={WINDOW_S}'


@dataclass(frozen=True, slots=True)
class Allowance:
    """How a bucket stands after somebody took from it, or could not."""

    quota: Quota
    key: str
    granted: bool
    left: float

    @property
    def field(self) -> str:
        """For ``RateLimit``: how many are left, and in how many seconds there are all again."""
        missing = self.quota.per_minute - self.left
        full_in_s = ceil(missing * WINDOW_S / self.quota.per_minute)
        return f'"{self.quota.name}";r={int(self.left)};t={full_in_s}'

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until there is one again."""
        return max(1, ceil((1 - self.left) * WINDOW_S / self.quota.per_minute))


class Buckets:
    """One bucket for each key, full at first. ``now`` is in seconds and never goes back."""

    def __init__(
        self, quota: Quota, now: Callable[[], float], *, buckets_max: int = BUCKETS_MAX
    ) -> None:
        self.quota = quota
        self._now = now
        self._max = buckets_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def look(self, key: str) -> Allowance:
        """Is there one? Nothing is taken."""
        left = self._left(key, self._now())
        return Allowance(self.quota, key, left >= 1, left)

    def take(self, key: str) -> Allowance:
        """One, if there is one."""
        now = self._now()
        left = self._left(key, now)
        granted = left >= 1
        left -= granted
        self._keep(key, left, now)
        return Allowance(self.quota, key, granted, left)

    def give_back(self, taken: Allowance) -> Allowance:
        """What was taken turned out not to count."""
        now = self._now()
        left = min(self.quota.per_minute, self._left(taken.key, now) + 1)
        self._keep(taken.key, left, now)
        return Allowance(self.quota, taken.key, taken.granted, left)

    def _left(self, key: str, now: float) -> float:
        left, then = self._buckets.get(key, (self.quota.per_minute, now))
        refilled = left + (now - then) * self.quota.per_minute / WINDOW_S
        return min(self.quota.per_minute, refilled)

    def _keep(self, key: str, left: float, now: float) -> None:
        self._buckets[key] = (left, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max:
            self._buckets.popitem(last=False)
