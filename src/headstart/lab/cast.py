"""The people of one scenario, all of them listening, and what must not reach some of them."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from headstart.lab.stage import ACCOUNT, CONTACT, Stage
from headstart.lab.visitors import Listener, Person

_PRIVATE = (ACCOUNT["last_name"], ACCOUNT["email"], *CONTACT.values(), "cs_test_", "pi_")
NEVER_TOLD = {value.lower() for value in _PRIVATE}

# DESIGN.md, section 6: what a mechanic may see before the match, and the times and states of it.
MAY_BE_TOLD = frozenset(
    {"topic", "session_id", "mechanic_id", "version", "status", "stage", "priority", "at"}
    | {"server_now", "created_at", "due_at", "priority_window_minutes", "message", "reason"}
    | {"fallback_reason", "plan", "plan_name", "minutes", "session_type", "pay", "currency"}
    | {"customer_first_name", "vehicle", "concern", "urgent", "specialist", "payload_version"}
)


class Cast:
    """A customer, their favourite, two other mechanics and an operator, new for each scenario."""

    def __init__(self, stage: Stage, *, favorite_online: bool = True) -> None:
        self.stage = stage
        self.favorite = stage.mechanic("Fay (favourite)")
        self.others = [stage.mechanic(name).on_duty() for name in ("Otto", "Olga")]
        if favorite_online:
            self.favorite.on_duty()
        else:
            self.favorite.off_duty()
        self.customer = stage.customer("Carla", self.favorite)
        self.operator = stage.operator()
        everybody = [self.favorite, *self.others, self.customer, self.operator]
        self._ears = {person.id: person.listen() for person in everybody}

    @property
    def mechanics(self) -> Sequence[Person]:
        """The favourite first."""
        return [self.favorite, *self.others]

    def ears_of(self, person: Person) -> Listener:
        """The stream of one of them."""
        return self._ears[person.id]

    def come_back(self, person: Person) -> Listener:
        """Somebody who left opens the app again, and goes on where they were."""
        ears = self._ears[person.id]
        self._ears[person.id] = person.listen(after=ears.cursor)
        return self._ears[person.id]

    def catch_up(self) -> None:
        """Wait until every mechanic's and the operator's stream has shown all there was."""
        self.stage.catch_up(*(self.ears_of(one) for one in (*self.mechanics, self.operator)))

    def others_know(self, request_id: UUID) -> Sequence[str]:
        """Every way in which another mechanic could learn of a request, if any does."""
        self.catch_up()
        return [found for other in self.others for found in self._knows(other, request_id)]

    def others_know_before(self, moment: datetime, request_id: UUID) -> Sequence[str]:
        """Likewise, just before it may be opened. Where the machine was too slow to look in time,
        what they know after an opening in time is not early."""
        known = self.others_know(request_id)
        opened_at = self.stage.request(request_id)["broadcast_at"]
        return [] if opened_at is not None and opened_at >= moment else known

    def _knows(self, other: Person, request_id: UUID) -> Sequence[str]:
        told = [f"stream: {frame.event}" for frame in self.ears_of(other).about(request_id)]
        again = other.listen(after=self.stage.beginning)
        told += [f"replay: {frame.event}" for frame in again.about(request_id)]
        again.close()
        if str(request_id) in other.get("/offers").text:
            told.append("offers")
        if (status := other.see(request_id).status_code) != HTTPStatus.NOT_FOUND:
            told.append(f"a look was answered with {status}")
        return [f"{other.name}'s {way}" for way in told]

    def indiscretions(self, request_id: UUID) -> Sequence[str]:
        """Fields outside the allow-list, and contact or payment data, that a mechanic received."""
        found = []
        for mechanic in self.mechanics:
            for frame in self.ears_of(mechanic).about(request_id):
                if frame.event not in ("snapshot", "ready", "resync", "heartbeat", "ended"):
                    found += sorted(frame.payload.keys() - MAY_BE_TOLD)
                found += sorted(secret for secret in NEVER_TOLD if secret in frame.text.lower())
            answers = mechanic.get("/offers").text + mechanic.see(request_id).text
            found += sorted(secret for secret in NEVER_TOLD if secret in answers.lower())
        return found
