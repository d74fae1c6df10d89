"""Users with roles, password hashes and token hashes, in a file that only its owner can read.

Passwords are hashed with Argon2id. A token is 256 random bits and cannot be guessed, so plain SHA-256 is enough and
checking it takes no time. Neither can be recovered from the file.
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

MIN_PASSWORD = 10
"""Shortest password, in characters."""

_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)  # 32 MiB, above OWASP's minimum
_DUMMY_HASH = _HASHER.hash(secrets.token_hex(16))  # checked for unknown names, so that they take the same time


class Role(StrEnum):
    """The role of a user."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    AUDITOR = "auditor"


class Right(StrEnum):
    """The right that an address requires."""

    VIEW = "view"
    """See plates, the record, the model and the metrics."""
    INSPECT = "inspect"
    """Upload photographs."""
    REVIEW = "review"
    """Review plates and take reviews back."""
    MODEL = "model"
    """Retrain and change the model in service; restart the drift check."""


RIGHTS = {
    Role.OPERATOR: {Right.VIEW, Right.INSPECT, Right.REVIEW},
    Role.ENGINEER: set(Right),
    Role.AUDITOR: {Right.VIEW},
}


@dataclass(frozen=True)
class Account:
    """The user that a request comes from."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """Whether the role has this right."""
        return right in RIGHTS[self.role]


LOCAL = Account("local", Role.ENGINEER)
"""The account of every request while the station has no users."""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class User:
    """One entry of the file."""

    name: str
    role: Role
    password: str | None = None
    """Argon2id hash with salt and cost parameters."""
    token: str | None = None
    """SHA-256 of the token."""


_ADAPTER = TypeAdapter(tuple[User, ...])


class Users:
    """The file of users, read again whenever it changes; thread-safe."""

    def __init__(self, path: Path) -> None:
        """A missing file means that there are no users."""
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
                    self.path,
                    "other users of this machine may read or write it",
                    expected="mode 600",
                    remedy=f"chmod 600 {self.path}",
                )
            mark = (found.st_mtime_ns, found.st_size, found.st_ino)
            if mark != self._seen:
                self._users, self._seen = _read(self.path), mark
            return self._users

    def named(self, name: str) -> Account | None:
        """The account of the user with this name; None when there is none."""
        user = self._user(name)
        return None if user is None else Account(user.name, user.role)

    def password_fingerprint(self, name: str) -> str:
        """A hash that changes when the user's password changes; empty without a user."""
        user = self._user(name)
        return "" if user is None else _digest(f"{user.name} {user.password}")[:32]

    def by_password(self, name: str, password: str) -> Account | None:
        """The account for name and password, or None; an unknown name takes the same time as a known one."""
        user = self._user(name)
        kept = user.password if user is not None and user.password is not None else _DUMMY_HASH
        try:
            _HASHER.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return None
        return None if user is None or user.password is None else Account(user.name, user.role)

    def by_token(self, token: str) -> Account | None:
        """The account of this token, or None."""
        digest = _digest(token)
        for user in self.all():
            if user.token is not None and secrets.compare_digest(user.token, digest):
                return Account(user.name, user.role)
        return None

    def add(self, name: str, role: Role, password: str | None = None) -> str | None:
        """Add a user, or change the role and secret of an existing one.

        Without a password, creates a token and returns it; it cannot be shown again. Raises InputError for an unusable
        name or password, OutputError when the file cannot be written.
        """
        _check(name, password)
        token = f"pw_{secrets.token_urlsafe(32)}" if password is None else None
        old = self._user(name) or User(name, role)
        new = replace(old, role=role)
        new = replace(new, token=_digest(token)) if token else replace(new, password=_HASHER.hash(password or ""))
        self._write((*(user for user in self.all() if user.name != name), new))
        return token

    def remove(self, name: str) -> None:
        """Remove a user; their sessions and token end at once. Raises InputError for an unknown name."""
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
        raise InputError(
            f"name {name!r}", expected="1 to 40 printable characters, no space at either end", remedy="choose another"
        )
    if password is not None and not MIN_PASSWORD <= len(password) <= 200:
        raise InputError(
            "password", f"{len(password)} characters", expected=f"{MIN_PASSWORD} to 200", remedy="choose another"
        )
