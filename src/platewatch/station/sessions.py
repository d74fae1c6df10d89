"""Login sessions, identified by random cookies of which only the hash is stored."""

import hashlib
import json
import logging
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from platewatch.errors import InputError, OutputError
from platewatch.station.users import Account, Users, write_private

log = logging.getLogger("platewatch.station")

_MOST_SESSIONS = 1000


@dataclass(frozen=True)
class Session:
    """One login session."""

    name: str
    seal: str
    """Fingerprint of the password at login; the session ends when the password changes."""
    expires: float
    """Seconds since 1970."""


class Sessions:
    """The open sessions; stored in a file beside the users' file, so that they survive a restart. Thread-safe."""

    def __init__(self, users: Users, hours: float) -> None:
        self._users, self._hours = users, hours
        self._path = users.path.with_name(f"{users.path.stem}.sessions.json")
        self._lock = threading.Lock()
        self._open = _load(self._path)

    def open(self, account: Account) -> str:
        """Open a session; returns its cookie."""
        cookie, now = secrets.token_urlsafe(32), time.time()
        fingerprint = self._users.password_fingerprint(account.name)
        session = Session(account.name, fingerprint, now + self._hours * 3600)
        with self._lock:
            kept = [(key, each) for key, each in self._open.items() if each.expires > now][-_MOST_SESSIONS:]
            self._open = {**dict(kept), _digest(cookie): session}
            self._save()
        return cookie

    def account(self, cookie: str) -> Account | None:
        """The account of this cookie, with its present role; None when the session has ended."""
        session = self._open.get(_digest(cookie))
        if session is None or session.expires <= time.time():
            return None
        if session.seal != self._users.password_fingerprint(session.name):
            return None
        return self._users.named(session.name)

    def close(self, cookie: str) -> None:
        """End the session of this cookie."""
        with self._lock:
            if self._open.pop(_digest(cookie), None) is not None:
                self._save()

    def _save(self) -> None:
        try:
            write_private(self._path, {key: asdict(session) for key, session in self._open.items()})
        except OutputError as error:  # the session lasts until the station restarts
            log.warning("%s", error)


def csrf(cookie: str) -> str:
    """The CSRF token of a session: a page of another site cannot read the cookie, so it cannot compute the token."""
    return hashlib.sha256(f"csrf {cookie}".encode()).hexdigest()


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()


def _load(path: Path) -> dict[str, Session]:
    """The sessions from before a restart; empty when the file is missing, damaged or readable by others."""
    with suppress(OSError, ValueError, TypeError, AttributeError, InputError):
        if not path.stat().st_mode & 0o077:
            return {key: Session(**values) for key, values in json.loads(path.read_text(encoding="utf-8")).items()}
    return {}
