"""POST /login, POST /logout and GET /session. Programs send a token instead of logging in."""

import asyncio
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field

from platewatch.station import security
from platewatch.station.login_throttle import LoginThrottle, PasswordChecks
from platewatch.station.problem_details import RequestError
from platewatch.station.rest import Viewer, json_response, query_names, routes, station
from platewatch.station.sessions import Sessions
from platewatch.station.users import Right

router = routes()

Text = Annotated[str, Form(), Field(max_length=300)]


@router.post("/login", status_code=303, response_class=Response, openapi_extra=query_names("next"))
async def log_in(request: Request, name: Text, password: Text, next: Text = "/") -> Response:
    """Log in with the form's name and password, then redirect to `next`, an address of this station."""
    throttle: LoginThrottle = request.app.state.login_throttle
    checks: PasswordChecks = request.app.state.password_checks
    address = request.client.host if request.client else ""
    request.state.login_name = name  # the form shows it again when the login fails
    attempt = throttle.begin(name, address)
    if attempt.wait_s:
        what, expected = "too many failed logins", "fewer attempts"
        next_step = f"wait {attempt.wait_s} s"
        raise RequestError(429, "too_many", what, expected=expected, next=next_step, retry_after_s=attempt.wait_s)
    had_place, account = await checks.account(name, password, address)
    if not had_place:
        throttle.withdrawn(name, address)
        what, expected = "many logins are being checked", "fewer at a time"
        raise RequestError(503, "overloaded", what, expected=expected, next="try again", retry_after_s=1)
    if account is None:
        if attempt.is_last:
            await _record(request, "login_locked", "nobody", name=name[:40], address=address)
        what, expected = "name or password is wrong", "name and password of a user"
        raise RequestError(401, "login_failed", what, expected=expected, next="try again")
    throttle.succeeded(name, address)
    await _record(request, "login", account.name, role=account.role, address=address)
    sessions: Sessions = request.app.state.sessions
    settings = station(request).settings
    response = RedirectResponse(_local_address(next), 303)
    response.set_cookie(
        security.cookie_name(settings),
        await asyncio.to_thread(sessions.open, account),
        max_age=round(settings.session_h * 3600),
        **security.cookie_options(settings),
    )
    return response


@router.post("/logout", status_code=204, response_class=Response)
def log_out(request: Request, _: Viewer) -> Response:
    """Log out."""
    if request.state.cookie is not None:
        request.app.state.sessions.close(request.state.cookie)
    response = Response(status_code=204)
    settings = station(request).settings
    response.delete_cookie(security.cookie_name(settings), **security.cookie_options(settings))
    return response


@router.get("/session")
def session(request: Request, account: Viewer) -> Response:
    """The account that sent the request, its rights, and the value of X-CSRF-Token for its pages."""
    rights = [right for right in Right if account.may(right)]
    values = {"name": account.name, "role": account.role, "rights": rights}
    return json_response({**values, "csrf": security.page_token(request)})


def _local_address(address: str) -> str:
    """The address when it is on this station, else `/`: a login redirects to no other site."""
    plain = address.isprintable() and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain else "/"


async def _record(request: Request, kind: str, actor: str, **details: str) -> None:
    """Write an event into the record; a record that cannot be written does not prevent the login."""
    try:
        await asyncio.to_thread(station(request).records.event, kind, actor, details)
    except Exception:
        security.log.exception("%s of %s is not in the record", kind, actor)
