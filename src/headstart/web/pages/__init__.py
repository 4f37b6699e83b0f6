"""The pages: rendered here, complete without scripts; a script only keeps them up to date."""

from fastapi import APIRouter

from headstart.web.pages import (
    admin,
    admin_analytics,
    admin_flags,
    admin_request,
    booking,
    dashboard,
    home,
    intake,
    mechanic,
    request,
    sign_in,
)
from headstart.web.pages.errors import present

__all__ = ["present", "router"]

router = APIRouter(include_in_schema=False)
OPERATORS = (admin, admin_request, admin_analytics, admin_flags)
for page in (home, dashboard, booking, intake, request, mechanic, *OPERATORS, sign_in):
    router.include_router(page.router)
