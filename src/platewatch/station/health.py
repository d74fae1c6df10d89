"""The station's own health check: the file of users."""

from collections.abc import Iterator

from platewatch.line.health import Finding
from platewatch.station.settings import Settings


def check_users(settings: Settings) -> Iterator[Finding]:
    """Whether the file of users is there, when logins need it, and readable by its owner alone."""
    path = settings.users
    if path is None:
        return
    try:
        missing = settings.login and not path.is_file()
        is_open = path.is_file() and bool(path.stat().st_mode & 0o077)
    except OSError:
        missing, is_open = True, False
    if missing:
        yield "users_gone", f"{path.name} is missing: nobody can log in; put it back", False
    elif is_open:
        yield "users_open", f"others may read {path.name}; chmod 600", False
