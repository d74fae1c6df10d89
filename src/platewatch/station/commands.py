"""Commands that pages print: each runs in a shell on the station's machine as it is printed.

No password is in them: one in the record's URL is left out, and comes from the environment there (PGPASSWORD).
"""

import shlex
import sys
from pathlib import Path

from starlette.datastructures import URL

from platewatch.station.settings import Settings

EXTRAS = "platewatch[station,train,backbone]"


def install_training() -> str:
    """Installs what training in the browser needs."""
    return shlex.join([sys.executable, "-m", "pip", "install", EXTRAS])


def replay(settings: Settings, models: Path, number: int) -> str:
    """Judges a stored plate again by the model that judged it."""
    photographs = settings.photographs
    where = [] if photographs is None else ["--photographs", str(photographs.resolve())]
    return _line("replay", str(number), "--models", str(models), *_records(settings), *where)


def add_user(settings: Settings) -> str:
    """Adds an operator."""
    users = settings.users or Path("platewatch-users.json")
    return _line("users", "add", "operator", "--users", str(users.resolve()), "--role", "operator")


def _line(*words: str) -> str:
    script = Path(sys.executable).with_name("platewatch")
    program = [str(script)] if script.is_file() else [sys.executable, "-m", "platewatch"]
    return shlex.join([*program, *words])


def _records(settings: Settings) -> list[str]:
    url = settings.record_url
    if url is None:
        return []
    if "://" in url and not url.startswith("sqlite:///"):
        return ["--records", str(URL(url).replace(password=None))]
    path, mark, query = url.removeprefix("sqlite:///").partition("?")
    return ["--records", f"{Path(path).resolve()}{mark}{query}"]
