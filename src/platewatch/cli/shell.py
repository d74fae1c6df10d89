"""What the commands share: one line for every error, the exit codes, tables, progress bars."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.errors import PlatewatchError, RuntimeUnavailable

if TYPE_CHECKING:
    from rich.table import Table

    from platewatch.progress import Progress

ERROR, NOT_PASSED, INTERRUPTED = 1, 3, 130
FOLDER = click.Path(path_type=Path)
RUNTIME = click.option(
    "--runtime",
    type=click.Choice(["onnxruntime", "openvino"]),
    default="onnxruntime",
    show_default=True,
    help="What runs the network; both give the same verdicts.",
)
RECORDS = click.option(
    "--records",
    default="records.db",
    envvar="PLATEWATCH_RECORDS",
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="The record: an SQLite file, or postgresql://user@host/name.",
)
PHOTOGRAPHS = click.option(
    "--photographs", type=FOLDER, help="Where its photographs lie; RECORDS.photographs beside an SQLite file."
)
_STATION = {"alembic", "argon2", "fastapi", "paho", "psycopg", "sqlalchemy", "uvicorn", "watchfiles"}


class Commands(click.Group):
    """A group whose commands end with one line and the right exit code, whatever goes wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlatewatchError as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            missing = f"{error.name} is not installed, which this command needs"
            extra = "station" if str(error.name).partition(".")[0] in _STATION else "train"
            _fail(str(RuntimeUnavailable("", missing, remedy=f"pip install 'platewatch[{extra}]'")))
        except KeyboardInterrupt:
            click.echo("interrupted; nothing half-written was left under the name asked for", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has gone: nothing is left to say it to
            ctx.exit(ERROR)
        except OSError as error:
            _fail(f"{error.filename or 'output'}: {error.strerror or error}; check space and permissions there")


def _fail(message: str) -> None:
    click.echo("error: " + " ".join(message.split()), err=True)
    click.get_current_context().exit(ERROR)


def show(*tables: "Table") -> None:
    """Print tables to stdout, as wide as the terminal or, into a file, as they need."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables:
        console.print(table)


def lines() -> "Progress":
    """Progress as JSON lines on stderr, for programs; of one stage at most four a second, but its ends always."""
    told: tuple[str, float] = "", 0.0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if stage != told[0] or done >= total or now - told[1] >= 0.25:
            told = stage, now
            click.echo(json.dumps({"stage": stage, "done": done, "total": total}), err=True)

    return report


def end_with_stdin() -> None:
    """Have SIGTERM sent to this process when stdin ends: it is a pipe whose other end dies with whoever holds it."""

    def wait() -> None:
        while os.read(0, 1):  # not sys.stdin: a thread that waits there holds up the interpreter's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


@contextmanager
def progress() -> "Iterator[Progress]":
    """A progress bar on stderr for each stage; without a terminal, one line as each stage begins."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    stages: dict[str, Any] = {}
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # lines stand above the bar, but what goes into a file stays there
    ) as bars:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
                if not console.is_terminal:
                    click.echo(f"{stage} …", err=True)
            bars.update(stages[stage], completed=done, total=total)

        yield report
