"""Whatever changes without a request being changed: people, the flag and the time, in both."""

from dataclasses import replace
from datetime import timedelta

from headstart.core.request import CustomerId, MechanicId
from tests.store.twins import Model, Original

LEASE = timedelta(minutes=3)


class Circumstances:
    """Of a mechanic and a customer; the time has moved on by ``now``."""

    def __init__(self, original: Original, model: Model) -> None:
        self._original = original
        self._model = model
        self.now = timedelta(0)

    async def later(self, by: timedelta) -> None:
        """Time passes."""
        self.now += by
        await self._original.people.advance_clock(by)
        self._model.database.ahead_s = self.now.total_seconds()

    async def suspended(self, mechanic: MechanicId, _: CustomerId) -> None:
        """By an operator."""
        await self._becomes(mechanic, "suspended")

    async def approved(self, mechanic: MechanicId, _: CustomerId) -> None:
        """Once more."""
        await self._becomes(mechanic, "approved")

    async def _becomes(self, mechanic: MechanicId, status: str) -> None:
        await self._original.people.set_mechanic_status(mechanic, status)
        self._model.state.mechanics[mechanic] = status

    async def on_duty(self, mechanic: MechanicId, _: CustomerId) -> None:
        """For a lease."""
        await self._original.people.set_presence(mechanic, on_duty=True, lease=LEASE)
        until_s = (self.now + LEASE).total_seconds()
        self._model.state.online_until_s[mechanic] = until_s

    async def off_duty(self, mechanic: MechanicId, _: CustomerId) -> None:
        """Before the lease ends."""
        await self._original.people.set_presence(mechanic, on_duty=False, lease=LEASE)
        self._model.state.online_until_s.pop(mechanic, None)

    async def liked(self, mechanic: MechanicId, customer: CustomerId) -> None:
        """A favourite, unless they are suspended."""
        if await self._original.people.add_favorite(customer, mechanic):
            self._model.state.favorites.add((customer, mechanic))

    async def forgotten(self, mechanic: MechanicId, customer: CustomerId) -> None:
        """A favourite no more."""
        await self._original.people.remove_favorite(customer, mechanic)
        self._model.state.favorites.discard((customer, mechanic))

    async def switched(self, *_: object) -> None:
        """The flag, to what it was not."""
        state = self._model.state
        state.flag = replace(state.flag, enabled=not state.flag.enabled)
        await self._original.switch(enabled=state.flag.enabled)
