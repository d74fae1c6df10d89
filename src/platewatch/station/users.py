"""Who may do what: a file of users with their roles, hashed passwords and tokens, readable by its owner alone.

Passwords are hashed by Argon2id. A token is 256 random bits: nobody guesses it, so its plain SHA-256 is kept, and
checking it costs a gateway no time. Neither can be read back from the file.
"""

import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from platewatch import files
from platewatch.errors import InputError

SHORTEST = 10
"""Characters of a password."""

_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)  # 32 MiB, above OWASP's minimum
_NOBODY = _HASHER.hash(secrets.token_hex(16))  # checked for unknown names, which then take as long as known ones
_ONE_AT_A_TIME = threading.Lock()  # a hash takes memory and a core: many logins wait for each other, plates do not


class Role(StrEnum):
    """What somebody is at the station."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    AUDITOR = "auditor"


class Right(StrEnum):
    """What a request needs."""

    VIEW = "view"
    """See plates, the record, the model, the figures."""
    INSPECT = "inspect"
    """Hand in photographs."""
    REVIEW = "review"
    """Say what a plate is, and take that back."""
    MODEL = "model"
    """Train, take a model into service, go back."""


RIGHTS = {
    Role.OPERATOR: {Right.VIEW, Right.INSPECT, Right.REVIEW},
    Role.ENGINEER: set(Right),
    Role.AUDITOR: {Right.VIEW},
}


@dataclass(frozen=True)
class Account:
    """Who a request comes from."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """Whether the role allows it."""
        return right in RIGHTS[self.role]


LOCAL = Account("local", Role.ENGINEER)
"""Everyone, at a station without users."""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class User:
    """One line of the file."""

    name: str
    role: Role
    password: str | None = None
    """Argon2id, with its salt and costs."""
    token: str | None = None
    """SHA-256."""


_ADAPTER = TypeAdapter(tuple[User, ...])


class Users:
    """The file, read again whenever it changed; safe to share by threads."""

    def __init__(self, path: Path) -> None:
        """The file may be missing: then there are no users."""
        self.path = path
        self._users: tuple[User, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    def all(self) -> tuple[User, ...]:
        """Every user; raises InputError when the file is damaged or readable by others."""
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                self._users, self._seen = (), None
                return ()
            except OSError as error:
                raise InputError(
                    self.path, f"cannot be read ({error.strerror})", remedy="check its permissions"
                ) from error
            if found.st_mode & 0o077:
                raise InputError(
                    self.path, "others may read or write it", expected="mode 600", remedy=f"chmod 600 {self.path}"
                )
            mark = (found.st_mtime_ns, found.st_size, found.st_ino)
            if mark != self._seen:
                self._users, self._seen = _read(self.path), mark
            return self._users

    def named(self, name: str) -> Account | None:
        """The user of that name as they are now."""
        user = self._user(name)
        return None if user is None else Account(user.name, user.role)

    def seal(self, name: str) -> str:
        """Stands for the user's password: another password, another seal; empty without a user."""
        user = self._user(name)
        return "" if user is None else _digest(f"{user.name} {user.password}")[:32]

    def by_password(self, name: str, password: str) -> Account | None:
        """Who logs in, or None; takes as long for a name that is not there."""
        user = self._user(name)
        kept = user.password if user is not None and user.password is not None else _NOBODY
        with _ONE_AT_A_TIME:
            try:
                _HASHER.verify(kept, password)
            except (VerificationError, InvalidHashError):
                return None
        return None if user is None or user.password is None else Account(user.name, user.role)

    def by_token(self, token: str) -> Account | None:
        """Whose token this is, or None."""
        digest = _digest(token)
        for user in self.all():
            if user.token is not None and secrets.compare_digest(user.token, digest):
                return Account(user.name, user.role)
        return None

    def add(self, name: str, role: Role, password: str | None = None) -> str | None:
        """Add a user, or give an existing one this role and secret. Without a password: a new token, told only here.

        Raises InputError for a name or password that will not do, OutputError when the file cannot be written.
        """
        _check(name, password)
        token = f"pw_{secrets.token_urlsafe(32)}" if password is None else None
        old = self._user(name) or User(name, role)
        new = replace(old, role=role)
        new = replace(new, token=_digest(token)) if token else replace(new, password=_HASHER.hash(password or ""))
        self._write((*(user for user in self.all() if user.name != name), new))
        return token

    def remove(self, name: str) -> None:
        """Remove a user; logins and tokens of that name end at once. Raises InputError when there is none."""
        if self._user(name) is None:
            known = ", ".join(user.name for user in self.all()) or "nobody"
            raise InputError(
                self.path, f"no user {name!r}", expected=f"one of: {known}", remedy="see 'platewatch users list'"
            )
        self._write(tuple(user for user in self.all() if user.name != name))

    def _user(self, name: str) -> User | None:
        return next((user for user in self.all() if user.name == name), None)

    def _write(self, users: tuple[User, ...]) -> None:
        write_private(self.path, _ADAPTER.dump_python(users, mode="json"))


def write_private(path: Path, values: Any) -> None:
    """Write JSON that only its owner may read, whole or not at all; raises OutputError."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    files.write(path, text, private=True, remedy="free space or check its folder")


def _read(path: Path) -> tuple[User, ...]:
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise InputError(
            path, "damaged", expected="the users that 'platewatch users add' wrote", remedy="restore it"
        ) from error


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _check(name: str, password: str | None) -> None:
    if not name.isprintable() or not 1 <= len(name) <= 40 or name.strip() != name:
        raise InputError(f"name {name!r}", expected="1 to 40 visible characters", remedy="choose another")
    if password is not None and not SHORTEST <= len(password) <= 200:
        raise InputError(
            "password", f"{len(password)} characters", expected=f"{SHORTEST} to 200", remedy="choose a longer one"
        )


def beside(records: str, name: str) -> Path:
    """A file of the station's own: beside SQLite's file, named after it; with another record, in this folder."""
    path = records.removeprefix("sqlite:///")
    return Path(f"platewatch.{name}" if "://" in path else f"{path.partition('?')[0]}.{name}")
