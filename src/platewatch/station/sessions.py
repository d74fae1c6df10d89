"""Logins: an opaque random cookie each, known here by its hash alone; and how often somebody may try."""

import hashlib
import json
import logging
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from platewatch.errors import InputError, OutputError
from platewatch.station.users import Account, Users, write_private

log = logging.getLogger("platewatch.station")

_MOST = 1000  # logins at the same time, and names whose failures are counted


@dataclass(frozen=True)
class Session:
    """One login."""

    name: str
    seal: str
    """Of the password it was opened with: another password ends it."""
    expires: float
    """Seconds since 1970."""


class Sessions:
    """The logins that are open; kept beside the users, so that a restart ends none. Safe to share by threads."""

    def __init__(self, users: Users, hours: float) -> None:
        self._users, self._hours = users, hours
        self._path = users.path.with_name(f"{users.path.stem}.sessions.json")
        self._lock = threading.Lock()
        self._open = _load(self._path)

    def open(self, account: Account) -> str:
        """A new login's cookie."""
        cookie, now = secrets.token_urlsafe(32), time.time()
        session = Session(account.name, self._users.seal(account.name), now + self._hours * 3600)
        with self._lock:
            kept = [(key, each) for key, each in self._open.items() if each.expires > now][-_MOST:]
            self._open = {**dict(kept), _digest(cookie): session}
            self._save()
        return cookie

    def account(self, cookie: str) -> Account | None:
        """Who is logged in by this cookie, as the users' file has them now; None when the login is over."""
        session = self._open.get(_digest(cookie))
        if session is None or session.expires <= time.time() or session.seal != self._users.seal(session.name):
            return None
        return self._users.named(session.name)

    def close(self, cookie: str) -> None:
        """Log out."""
        with self._lock:
            if self._open.pop(_digest(cookie), None) is not None:
                self._save()

    def _save(self) -> None:
        try:
            write_private(self._path, {key: asdict(session) for key, session in self._open.items()})
        except OutputError as error:  # the login holds until the station restarts
            log.warning("%s", error)


class LoginThrottle:
    """Failed logins: a few are allowed within a while, by name and address, and more by address alone."""

    WINDOW_S = 300.0
    BY_NAME, BY_ADDRESS = 5, 20

    def __init__(self) -> None:
        self._failed: dict[tuple[str, ...], deque[float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str) -> int:
        """Seconds until another attempt is heard; 0: now."""
        now = time.monotonic()
        with self._lock:
            return max(self._left(key, most, now) for key, most in self._keys(name, address))

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        now = time.monotonic()
        with self._lock:
            for key, most in self._keys(name, address):
                self._failed.setdefault(key, deque(maxlen=most)).append(now)
            for key in list(self._failed)[: max(0, len(self._failed) - 2 * _MOST)]:
                del self._failed[key]

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name from there."""
        with self._lock:
            self._failed.pop((name, address), None)

    def _keys(self, name: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        return ((name, address), self.BY_NAME), ((address,), self.BY_ADDRESS)

    def _left(self, key: tuple[str, ...], most: int, now: float) -> int:
        times = self._failed.get(key)
        if times is None or len(times) < most or now - times[0] > self.WINDOW_S:
            return 0
        return int(self.WINDOW_S - (now - times[0])) + 1


def csrf(cookie: str) -> str:
    """What a page has to send beside the cookie: a page elsewhere, which cannot read the cookie, cannot know it."""
    return hashlib.sha256(f"csrf {cookie}".encode()).hexdigest()


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()


def _load(path: Path) -> dict[str, Session]:
    """The logins as they were before a restart; none when the file is missing, damaged or not private."""
    with suppress(OSError, ValueError, TypeError, AttributeError, InputError):
        if not path.stat().st_mode & 0o077:
            return {key: Session(**values) for key, values in json.loads(path.read_text(encoding="utf-8")).items()}
    return {}
