"""The pages: rendered here, complete without scripts; a script only keeps them up to date."""

from fastapi import APIRouter

from headstart.web.pages import admin, dashboard, home, intake, mechanic, request, sign_in
from headstart.web.pages.errors import present

__all__ = ["present", "router"]

router = APIRouter(include_in_schema=False)
for page in (home, dashboard, intake, request, mechanic, admin, sign_in):
    router.include_router(page.router)
