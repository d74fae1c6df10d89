"""Logging in and out. The page itself is the pages' matter; a program sends a token instead."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field

from platewatch.station import security
from platewatch.station.problem_details import Refusal
from platewatch.station.rest import Viewer, answer, station
from platewatch.station.sessions import LoginThrottle, Sessions
from platewatch.station.users import Right, Users

router = APIRouter()

Text = Annotated[str, Form(), Field(max_length=300)]


@router.post("/login", status_code=303, response_class=Response)
async def log_in(request: Request, name: Text, password: Text, next: Text = "/") -> Response:
    """Open a login and go on to `next`, an address of this station; a form, as a page sends it."""
    users: Users = request.app.state.users
    attempts: LoginThrottle = request.app.state.attempts
    address = request.client.host if request.client else ""
    wait_s = attempts.wait_s(name, address)
    if wait_s:
        what = "too many failed logins"
        raise Refusal(429, "too_many", what, expected="a pause", next=f"wait {wait_s} s", retry_after_s=wait_s)
    account = await asyncio.to_thread(users.by_password, name, password)
    if account is None:
        attempts.failed(name, address)
        if attempts.wait_s(name, address):
            await _record(request, "login_locked", "nobody", name=name[:40], address=address)
        raise Refusal(401, "login_failed", "name or password is wrong", expected="a user's", next="try again")
    attempts.succeeded(name, address)
    await _record(request, "login", account.name, role=account.role, address=address)
    logins: Sessions = request.app.state.logins
    settings = station(request).settings
    made = RedirectResponse(_local(next), 303)
    made.set_cookie(
        security.cookie_name(settings),
        logins.open(account),
        max_age=round(settings.session_h * 3600),
        httponly=True,
        samesite="strict",
        secure=settings.tls,
    )
    return made


@router.post("/logout", status_code=204, response_class=Response)
def log_out(request: Request, _: Viewer) -> Response:
    """End the login."""
    if request.state.cookie is not None:
        request.app.state.logins.close(request.state.cookie)
    made = Response(status_code=204)
    settings = station(request).settings
    made.delete_cookie(security.cookie_name(settings), httponly=True, samesite="strict", secure=settings.tls)
    return made


@router.get("/session")
def session(request: Request, account: Viewer) -> Response:
    """Who is asking, what they may do, and what a page sends as X-CSRF-Token."""
    rights = [right for right in Right if account.may(right)]
    values = {"name": account.name, "role": account.role, "rights": rights}
    return answer({**values, "csrf": security.page_token(request)})


def _local(address: str) -> str:
    """An address of this station, whatever was asked for: a login page sends nobody elsewhere."""
    plain = address.isprintable() and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain else "/"


async def _record(request: Request, kind: str, actor: str, **details: str) -> None:
    """An event in the record; a record that cannot be written keeps nobody out."""
    try:
        await asyncio.to_thread(station(request).records.event, kind, actor, details)
    except Exception:
        security.log.exception("%s of %s is not in the record", kind, actor)
