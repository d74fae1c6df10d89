"""Who may do what, decided before a request's body is read.

In this order: the name that the station is called by, where the request comes from, who sends it, and for a login the
token against forgery. Every address needs an account unless it is named in OPEN. Every answer carries HEADERS.
"""

import logging
import secrets
from typing import Any

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platewatch.errors import InputError, PlatewatchError
from platewatch.station import problem_details, sessions
from platewatch.station.problem_details import Refusal
from platewatch.station.sessions import Sessions
from platewatch.station.settings import Settings
from platewatch.station.users import LOCAL, Account, Right, Users

log = logging.getLogger("platewatch.station")

SAFE = {"GET", "HEAD", "OPTIONS"}
OPEN = ("/healthz", "/login", "/static/")
"""Addresses (a folder ends in /) that anyone may see, whatever the station's settings."""
CSRF = "X-CSRF-Token"
UPLOAD = "/inspections"
_SMALL = 2**20  # bytes of any other request's body
_MULTIPART = 2**16  # what a form takes beside its photograph

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
"""Of every answer; an answer that has such a header of its own keeps it."""


class AccessControl:
    """Stands before every address."""

    def __init__(self, app: ASGIApp, settings: Settings, users: Users, logins: Sessions) -> None:
        self._app, self._settings, self._users, self._logins = app, settings, users, logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer that it is refused."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no WebSocket is spoken here
        request, begun = Request(scope, receive), False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._dress(MutableHeaders(scope=message))
            await send(message)

        try:
            self._check(request)
            await self._app(scope, self._limited(request, receive), sending)
        except Refusal as error:
            await problem_details.answer(request, error)(scope, receive, sending)
        except PlatewatchError as error:
            await problem_details.answer(request, problem_details.refusal(error))(scope, receive, sending)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                raise
            await problem_details.answer(request, problem_details.unknown())(scope, receive, sending)

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
            raise Refusal(
                401, "login_needed", "nobody is logged in", expected=_LOGIN, next="log in, or send a valid token"
            )
        if unsafe and cookie is not None and account is not None:
            given = request.headers.get(CSRF, "")
            if not secrets.compare_digest(given.encode(), sessions.csrf(cookie).encode()):
                raise Refusal(403, "forged", "the page's token is missing", expected=f"{CSRF}", next="reload the page")
        request.state.account, request.state.cookie = account, cookie

    def _check_host(self, headers: Headers) -> None:
        name = headers.get("host", "").lower()
        name = name if name.endswith("]") else name.rpartition(":")[0] or name
        if self._settings.hosts and name not in self._settings.hosts:
            known = ", ".join(self._settings.hosts)
            raise Refusal(421, "other_host", f"called {name!r}", expected=known, next="start it with --name as well")

    def _check_origin(self, headers: Headers) -> None:
        """A browser says where a page that sends something comes from; programs say nothing."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        here = f"{'https' if self._settings.tls else 'http'}://{headers.get('host', '')}"
        if (origin is not None and origin.lower() != here.lower()) or site not in ("same-origin", "none"):
            raise Refusal(
                403, "other_site", "sent by a page elsewhere", expected=here, next="use the station's own page"
            )

    def _account(self, request: Request) -> tuple[str | None, Account | None]:
        """The login's cookie, when that is who speaks, and the account."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return None, self._users.by_token(token.strip()) if scheme.lower() == "bearer" else None
        cookie = request.cookies.get(cookie_name(self._settings))
        if cookie is not None:
            account = self._logins.account(cookie)
            if account is not None:
                return cookie, account
        return None, None if self.required() else LOCAL

    def required(self) -> bool:
        """Whether anybody has to log in: from the first user on, also at a station that began without."""
        if self._settings.login:
            return True
        try:
            return bool(self._users.all())
        except InputError:  # a damaged file opens no door
            return True

    def _limited(self, request: Request, receive: Receive) -> Receive:
        """The body as it comes, cut off where it grows larger than what the address takes."""
        upload = request.url.path == UPLOAD
        most = self._settings.max_bytes + _MULTIPART if upload else _SMALL
        said, got = request.headers.get("content-length", "0"), 0
        if said.isdecimal() and int(said) > most:
            raise too_large(most)

        async def receiving() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise too_large(most)
            return message

        return receiving

    def _dress(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self._settings.tls:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if headers.get("server"):
            del headers["server"]


_LOGIN = "a login, or Authorization: Bearer TOKEN"
_ALLOWS = {
    Right.VIEW: "see the record",
    Right.INSPECT: "hand in photographs",
    Right.REVIEW: "review plates",
    Right.MODEL: "change the model",
}


def too_large(most: int) -> Refusal:
    """A body that is larger than it may be; the connection is then closed."""
    return Refusal(413, "too_large", "the body is too large", expected=f"at most {most} bytes", next="send less")


def cookie_name(settings: Settings) -> str:
    """Browsers let only this host set the first of these, and only by https."""
    return "__Host-platewatch" if settings.tls else "platewatch"


def needs(right: Right) -> Any:
    """As a parameter's default: the account that asks, refused when its role lacks the right."""

    def check(request: Request) -> Account:
        account: Account = request.state.account
        if not account.may(right):
            raise Refusal(
                403,
                "not_allowed",
                f"role {account.role} may not {_ALLOWS[right]}",
                expected=f"a role that may {right}",
                next="ask an engineer",
            )
        return account

    return Depends(check)


def page_token(connection: HTTPConnection) -> str:
    """What a page puts into its requests' X-CSRF-Token; empty where nobody is logged in by a cookie."""
    cookie = getattr(connection.state, "cookie", None)
    return "" if cookie is None else sessions.csrf(cookie)
