"""Where the AsyncAPI document is read, beside the OpenAPI document."""

from fastapi import APIRouter

from headstart.app.views import Payload
from headstart.core.access import Operation
from headstart.web.asyncapi import PATH, document
from headstart.web.doors import open_door
from headstart.web.people import Headstart

router = APIRouter(include_in_schema=False)


@router.get(PATH, dependencies=[open_door(Operation.FRONT_READ)])
async def asyncapi(service: Headstart) -> Payload:
    """What is said on the socket and on the stream."""
    return document(service.settings.address)
