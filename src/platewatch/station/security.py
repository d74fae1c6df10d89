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
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platewatch.errors import InputError, PlatewatchError
from platewatch.station import problem_details, request_target, sessions
from platewatch.station.bodies import Body
from platewatch.station.problem_details import RequestError
from platewatch.station.sessions import Sessions
from platewatch.station.settings import FORM_BYTES, Settings
from platewatch.station.users import LOCAL, Account, Right, Users

log = logging.getLogger("platewatch.station")

SAFE = {"GET", "HEAD", "OPTIONS"}
HEALTH = "/healthz"
OPEN = (HEALTH, "/login", "/static/")
"""Addresses that need no account; one that ends in / stands for everything below it."""
CSRF = "X-CSRF-Token"
UPLOADS = ("/inspections", "/first-model/photographs")
"""Addresses that take a photograph as POST."""
_SMALL = 2**20  # bytes; largest body of any address but UPLOADS
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
        scope, is_head = self._as_inside(scope), scope["method"] == "HEAD"
        request, started = Request(scope, receive), False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(MutableHeaders(scope=message))
            if is_head:
                message = _without_content(message)
            await send(message)
            if is_head and started and message["type"] == "http.response.body":
                raise ClientDisconnect  # nothing more is sent

        try:
            self._check(request)
            await self._app(scope, self._limit_body(request, receive), send_with_headers)
        except ClientDisconnect:
            return
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

    def _as_inside(self, scope: Scope) -> Scope:
        """The request as the station's addresses know it: without the public prefix, which a proxy may have removed.

        HEAD is answered as GET, without the content. A target in absolute form becomes path and Host header.
        """
        inside, prefix = {**request_target.origin_form(scope)}, self._settings.public.prefix
        if prefix and f"{inside['path']}/".startswith(f"{prefix}/"):
            inside["path"] = inside["path"][len(prefix) :] or "/"
            inside["raw_path"] = inside.get("raw_path", b"")[len(prefix) :] or b"/"
        if scope["method"] == "HEAD":
            inside["method"] = "GET"
        return inside

    def _check(self, request: Request) -> None:
        if request.url.path != HEALTH:  # health checks come by address, or without a name; it tells nothing of anybody
            self._check_host(request)
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

    def _check_host(self, request: Request) -> None:
        """Refuse unknown names: a page of another site may have its name resolve to this machine (DNS rebinding).

        Only browsers can be misled in this way, and they name a host always; a client of HTTP/1.0 need not.
        """
        given = request.headers.get("host", "").lower()
        if not given and request.scope["http_version"] == "1.0":
            return
        found = _HOST.fullmatch(given)
        if self._settings.hosts and (found is None or found[1] not in self._settings.hosts):
            what, known = f"unknown host name {given!r}", ", ".join(self._settings.hosts)
            raise RequestError(421, "other_host", what, expected=known, next="start the station with --name NAME")
        if request.scope["scheme"] == "https" and not self._settings.is_secure:  # RFC 9110, 7.4
            what, expected = "an https address, and the station serves http", "http://"
            raise RequestError(421, "other_host", what, expected=expected, next="start the station with --public-url")

    def _check_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites; browsers send Origin and Sec-Fetch-Site, programs need not."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        here = f"{'https' if self._settings.tls else 'http'}://{headers.get('host', '')}"
        public, name = self._settings.public, _HOST.fullmatch(headers.get("host", "").lower())
        direct = name is None or name[1] != public.host  # not through the proxy, which may also name the station itself
        own = [each.lower() for each in (public.origin, here if direct else "") if each]
        if (origin is not None and origin.lower() not in own) or site not in ("same-origin", "none"):
            what, expected = "sent by a page of another site", f"a page of {own[0]}"
            raise RequestError(
                403,
                "other_site",
                what,
                expected=expected,
                next="use the station's own page; behind a proxy, start it with --public-url",
            )

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
        if request.url.path in UPLOADS:
            most, seconds = self._settings.max_bytes + FORM_BYTES, self._settings.upload_s
        else:
            most, seconds = _SMALL, self._settings.body_s
        return Body(request, receive, most=most, seconds=seconds)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if headers.get("location", "").startswith("/"):
            headers["location"] = self._settings.public.prefix + headers["location"]
        if self._settings.is_secure:
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
    """The session cookie's name; browsers accept its prefix only over https, and __Host- only for the whole host."""
    if not settings.is_secure:
        return "platewatch"
    return "__Secure-platewatch" if settings.public.prefix else "__Host-platewatch"


def cookie_options(settings: Settings) -> dict[str, Any]:
    """How the session cookie is set and deleted."""
    path = settings.public.prefix or "/"
    return {"path": path, "httponly": True, "samesite": "strict", "secure": settings.is_secure}


def _without_content(message: Message) -> Message:
    """A message of the answer to GET as HEAD gets it."""
    if message["type"] != "http.response.body":
        return message
    return {"type": "http.response.body", "body": b"", "more_body": False}


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
