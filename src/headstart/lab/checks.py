"""What a scenario promises, and what was found. A promise that nothing has checked is broken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from headstart.lab.stage import Stage
from headstart.lab.visitors import Frame, Listener, NotTold

NEVER_CHECKED = "was checked"
RAN = "the scenario runs to its end"


class Abandoned(Exception):
    """What failed makes the rest of the scenario meaningless."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``promises`` by their id, in the words of the plan; every one needs a check."""

    id: str
    title: str
    setup: Sequence[str]
    promises: Mapping[str, str]
    play: "Callable[[Stage, Findings], None]"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, for one promise."""

    promise: str
    what: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A request as it stood at the end: what was stored, and its story."""

    title: str
    request_id: UUID
    metadata: Mapping[str, object]
    story: str


@dataclass(slots=True)
class Findings:
    """What one scenario found. Called with a promise, what was looked at, and whether it holds."""

    scenario: Scenario
    checks: list[Check] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    _shown: dict[UUID, str] = field(default_factory=dict)

    def __call__(self, promise: str, what: str, passed: bool, detail: object = "") -> bool:
        """Record a check. The detail is shown when it fails."""
        assert promise in self.scenario.promises, f"{promise} is not promised"
        self.checks.append(Check(promise, what, passed, str(detail)))
        return passed

    def require(self, promise: str, what: str, passed: bool, detail: object = "") -> None:
        """A check without which the scenario cannot go on."""
        if not self(promise, what, passed, detail):
            raise Abandoned

    def told(
        self, promise: str, listener: Listener, event: str, request_id: UUID, note: str = ""
    ) -> Frame:
        """Require that a stream brings an event in time."""
        what = f"{listener.who.name} is told {event}{note}"
        try:
            frame = listener.wait_for(event, request_id)
        except NotTold as error:
            self(promise, what, False, error)
            raise Abandoned from error
        self(promise, what, True)
        return frame

    def show(self, title: str, request_id: UUID) -> None:
        """Keep this request as an exhibit of the report."""
        self._shown[request_id] = title

    def conclude(self, stage: Stage) -> None:
        """Take the exhibits as they stand, and fail what nothing has checked."""
        try:
            self._take_exhibits(stage)
        except Exception as error:
            self.crashed(error)
        checked = {check.promise for check in self.checks}
        for promise in self.scenario.promises:
            if promise not in checked:
                self.checks.append(Check(promise, NEVER_CHECKED, False, "not reached"))

    def _take_exhibits(self, stage: Stage) -> None:
        for request_id, title in self._shown.items():
            metadata = stage.request(request_id)["metadata"]
            self.exhibits.append(Exhibit(title, request_id, metadata, stage.story(request_id)))

    def crashed(self, error: BaseException) -> None:
        """An error that the scenario did not expect."""
        first = next(iter(self.scenario.promises))
        said = f"{type(error).__name__}: {error}"
        self.checks.append(Check(first, RAN, False, said))

    @property
    def failures(self) -> Sequence[Check]:
        """Every check that did not pass."""
        return [check for check in self.checks if not check.passed]

    def holds(self, promise: str) -> bool | None:
        """Whether a promise was kept; None when nothing has checked it."""
        verdicts = [check.passed for check in self.checks if check.promise == promise]
        return all(verdicts) if verdicts else None
