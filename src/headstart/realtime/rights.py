"""Who may join which topic. Frames are judged again, one by one, by the feed."""

from headstart.app.ports import EventLog, Requests
from headstart.core.access import Operation, Principal, Relation, Role, may, relation
from headstart.core.request import MechanicId, RequestId
from headstart.realtime.reasons import JoinRefusal
from headstart.realtime.topics import Kind, Topic


class Rights:
    """Decided once for a join, and again when something changes."""

    def __init__(self, event_log: EventLog, requests: Requests) -> None:
        self._log = event_log
        self._requests = requests

    async def refusal(self, who: Principal, topic: Topic) -> JoinRefusal | None:
        """Why this person may not join; None when they may."""
        match topic.kind:
            case Kind.FEED:
                return await self._refusal_of_mechanic(who)
            case Kind.MECHANIC:
                foreign = who.role is Role.MECHANIC and who.id != topic.id
                return JoinRefusal.NOT_YOURS if foreign else await self._refusal_of_mechanic(who)
            case Kind.REQUEST:
                return None if await self._is_party(who, topic) else JoinRefusal.NOT_YOURS
            case Kind.ONLINE:
                return None

    async def _refusal_of_mechanic(self, who: Principal) -> JoinRefusal | None:
        if who.role is not Role.MECHANIC:
            return JoinRefusal.NOT_A_MECHANIC
        mechanic = MechanicId(who.id)
        return (
            None if mechanic in await self._log.approved([mechanic]) else JoinRefusal.NOT_APPROVED
        )

    async def _is_party(self, who: Principal, topic: Topic) -> bool:
        """The customer, whoever serves it, and operators. Unknown and foreign sound alike: nobody
        learns that a request exists."""
        asking = [MechanicId(who.id)] if who.role is Role.MECHANIC else []
        ids = [RequestId(topic.id)] if topic.id else []
        found = await self._requests.see(ids, concerned=asking)
        if not found or found[0].request is None:
            return False
        being = relation(who, found[0].request, found[0].facts)
        serves = who.role is not Role.MECHANIC or being is Relation.MATCHED
        return serves and may(who, Operation.STREAM_OPEN, being)
