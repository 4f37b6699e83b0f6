"""Logins over the API: operators say for whom one speaks; everybody can sign out everywhere."""

from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, model_validator

from headstart.app.ports import By, KnownLogin, Login
from headstart.app.views import Payload
from headstart.core.access import Operation, Principal, Role
from headstart.identity.bearers import SUBJECT_CHARACTERS_MAX
from headstart.web.doors import door
from headstart.web.operators import Reasoned
from headstart.web.people import Headstart, SignedIn, Speaking

ISSUER_CHARACTERS_MAX = 500
LOGINS_MAX = 100

router = APIRouter(prefix="/api/v1", tags=["logins"])

IssuerName = Annotated[str, Field(min_length=1, max_length=ISSUER_CHARACTERS_MAX)]
Subject = Annotated[str, Field(min_length=1, max_length=SUBJECT_CHARACTERS_MAX)]


class NewLogin(Reasoned):
    """A login as it is to be from now on. Without a person its own claims say who it is."""

    model_config = ConfigDict(extra="forbid")

    issuer: IssuerName
    subject: Subject
    role: Role | None = None
    person_id: UUID | None = None
    disabled: bool = False
    sign_out: bool = Field(default=False, description="End everything that was issued to it.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.role is None) != (self.person_id is None):
            raise ValueError("give both role and person_id, or neither")
        return self

    @property
    def who(self) -> Principal | None:
        """For whom it speaks."""
        return Principal(self.role, self.person_id) if self.role and self.person_id else None


@router.get("/logins", dependencies=[door(Operation.LOGIN_READ)])
async def list_logins(
    service: Headstart,
    after_issuer: Annotated[str, Query(max_length=ISSUER_CHARACTERS_MAX)] = "",
    after_subject: Annotated[str, Query(max_length=SUBJECT_CHARACTERS_MAX)] = "",
) -> Payload:
    """The logins we know, in the order of issuer and subject; begin after the last one for more."""
    after = Login(after_issuer, after_subject)
    found = await service.sessions.sign_ins.known_logins(after, LOGINS_MAX)
    return {"logins": [_shown(one) for one in found]}


@router.put("/logins", dependencies=[door(Operation.LOGIN_WRITE)])
async def put_login(body: NewLogin, who: SignedIn, service: Headstart) -> Payload:
    """Say for whom a login speaks, disable it, or sign it out: at once, also what is open."""
    sign_ins, login = service.sessions.sign_ins, Login(body.issuer, body.subject)
    by = By(str(who.actor), body.reason)
    await sign_ins.put_login(login, body.who, disabled=body.disabled, sign_out=body.sign_out, by=by)
    service.wakeups.announce()
    known = await sign_ins.known_login(login)
    assert known, "a login that was put is there"
    return _shown(known)


@router.post(
    "/sign-out", dependencies=[door(Operation.SIGN_OUT)], status_code=HTTPStatus.NO_CONTENT
)
async def sign_out_everywhere(speaker: Speaking, service: Headstart) -> None:
    """Everything that was issued to this login until now is over: tokens, pages and streams."""
    login, session = speaker.credential.login, speaker.credential.sign_in
    if login is not None:
        await service.sessions.sign_ins.sign_out(login)
    if session is not None:
        await service.sessions.sign_ins.end(session)
    service.wakeups.announce()


def _shown(known: KnownLogin) -> Payload:
    return {
        "issuer": known.login.issuer,
        "subject": known.login.subject,
        "role": known.who.role.value if known.who else None,
        "person_id": str(known.who.id) if known.who else None,
        "disabled": known.disabled,
        "signed_out_at": known.signed_out_at.isoformat() if known.signed_out_at else None,
    }
