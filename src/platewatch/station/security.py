"""Access control, decided before a request's body is read.

The checks in their order: the Host header, the origin of a browser's request, the account, and for a session cookie the
CSRF token. Every address needs an account except those in OPEN. Every response carries HEADERS.
"""

import logging
import re
import secrets
from typing import Any

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platewatch.errors import InputError, PlatewatchError
from platewatch.station import problem_details, sessions
from platewatch.station.bodies import Body
from platewatch.station.problem_details import RequestError
from platewatch.station.sessions import Sessions
from platewatch.station.settings import FORM_BYTES, Settings
from platewatch.station.users import LOCAL, Account, Right, Users

log = logging.getLogger("platewatch.station")

SAFE = {"GET", "HEAD", "OPTIONS"}
OPEN = ("/healthz", "/login", "/static/")
"""Addresses that need no account; one that ends in / stands for everything below it."""
CSRF = "X-CSRF-Token"
UPLOAD = "/inspections"
_SMALL = 2**20  # bytes; largest body of any address but UPLOAD
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:@\[\]]+)(:\d+)?")  # name, IPv4 address or IPv6 address in brackets; port

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Headers of every response; a response that sets one of them itself keeps its own."""


class AccessControl:
    """ASGI middleware that checks every request before it reaches an address."""

    def __init__(self, app: ASGIApp, settings: Settings, users: Users, sessions: Sessions) -> None:
        self._app, self._settings, self._users, self._sessions = app, settings, users, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or send an error response."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # the station has no WebSocket
        request, started = Request(scope, receive), False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        try:
            self._check(request)
            await self._app(scope, self._limit_body(request, receive), send_with_headers)
        except RequestError as error:
            await problem_details.response(request, error)(scope, receive, send_with_headers)
        except PlatewatchError as error:
            made = problem_details.request_error(error)
            await problem_details.response(request, made)(scope, receive, send_with_headers)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            made = problem_details.internal_error()
            await problem_details.response(request, made)(scope, receive, send_with_headers)

    def _check(self, request: Request) -> None:
        self._check_host(request.headers)
        unsafe = request.method not in SAFE
        if unsafe:
            self._check_origin(request.headers)
        cookie, account = self._account(request)
        is_open = any(
            request.url.path == each or (each[-1] == "/" and request.url.path.startswith(each)) for each in OPEN
        )
        if account is None and not is_open:
            raise RequestError(
                401, "login_needed", "not logged in", expected=_LOGIN, next="log in, or send a valid token"
            )
        if unsafe and cookie is not None and account is not None:
            given = request.headers.get(CSRF, "")
            if not secrets.compare_digest(given.encode(), sessions.csrf(cookie).encode()):
                what, expected = "the CSRF token is missing or wrong", f"the header {CSRF} with this session's token"
                raise RequestError(403, "forged", what, expected=expected, next="reload the page")
        request.state.account, request.state.cookie = account, cookie

    def _check_host(self, headers: Headers) -> None:
        """Refuse unknown names: a page of another site may have its name resolve to this machine (DNS rebinding)."""
        given = headers.get("host", "").lower()
        found = _HOST.fullmatch(given)
        if self._settings.hosts and (found is None or found[1] not in self._settings.hosts):
            what, known = f"unknown host name {given!r}", ", ".join(self._settings.hosts)
            raise RequestError(421, "other_host", what, expected=known, next="start the station with --name NAME")

    def _check_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites; browsers send Origin and Sec-Fetch-Site, programs need not."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        here = f"{'https' if self._settings.tls else 'http'}://{headers.get('host', '')}"
        if (origin is not None and origin.lower() != here.lower()) or site not in ("same-origin", "none"):
            what, expected = "sent by a page of another site", f"a page of {here}"
            raise RequestError(403, "other_site", what, expected=expected, next="use the station's own page")

    def _account(self, request: Request) -> tuple[str | None, Account | None]:
        """The session cookie, when the request is authorised by one, and the account."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return None, self._users.by_token(token.strip()) if scheme.lower() == "bearer" else None
        cookie = request.cookies.get(cookie_name(self._settings))
        if cookie is not None:
            account = self._sessions.account(cookie)
            if account is not None:
                return cookie, account
        return None, None if self.required() else LOCAL

    def required(self) -> bool:
        """Whether an account is needed: by the settings, or as soon as the file of users has one."""
        if self._settings.login:
            return True
        try:
            return bool(self._users.all())
        except InputError:  # a damaged file must not grant access
            return True

    def _limit_body(self, request: Request, receive: Receive) -> Receive:
        """`receive`, which raises RequestError as soon as the body exceeds what the address allows."""
        if request.url.path == UPLOAD:
            most, seconds = self._settings.max_bytes + FORM_BYTES, self._settings.upload_s
        else:
            most, seconds = _SMALL, self._settings.body_s
        return Body(request, receive, most=most, seconds=seconds)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self._settings.tls:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if headers.get("server"):
            del headers["server"]


_LOGIN = "a login, or Authorization: Bearer TOKEN"
_ACTIONS = {
    Right.VIEW: "see the record",
    Right.INSPECT: "upload photographs",
    Right.REVIEW: "review plates",
    Right.MODEL: "change the model",
}


def cookie_name(settings: Settings) -> str:
    """The session cookie's name; browsers accept the prefix __Host- only from this host and only over https."""
    return "__Host-platewatch" if settings.tls else "platewatch"


def needs(right: Right) -> Any:
    """A FastAPI dependency: the request's account; RequestError 403 when its role lacks the right."""

    def check(request: Request) -> Account:
        account: Account = request.state.account
        if not account.may(right):
            raise RequestError(
                403,
                "not_allowed",
                f"role {account.role} may not {_ACTIONS[right]}",
                expected=f"a role with the right {right!r}",
                next="ask an engineer",
            )
        return account

    return Depends(check)


def page_token(connection: HTTPConnection) -> str:
    """The CSRF token for the requests of a page; empty without a session cookie."""
    cookie = getattr(connection.state, "cookie", None)
    return "" if cookie is None else sessions.csrf(cookie)
