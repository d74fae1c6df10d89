"""Shared by the commands: options, exit codes, errors as one line, tables, progress bars, progress as JSON lines."""

import io
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
    help="Inference runtime; both give the same verdicts.",
)
ALL_PHASES = click.option(
    "--all-phases", is_flag=True, help="Run phase two also where it has no weight in the score: its numbers are given."
)
RECORDS = click.option(
    "--records",
    default="records.db",
    envvar="PLATEWATCH_RECORDS",
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="The record: SQLite file, or postgresql://user@host/name.",
)
PHOTOGRAPHS = click.option(
    "--photographs", type=FOLDER, help="Folder of the record's photographs; default for SQLite: RECORDS.photographs."
)
_EXTRAS = {
    **dict.fromkeys(
        ("alembic", "argon2", "fastapi", "paho", "psycopg", "sqlalchemy", "uvicorn", "watchfiles"), "station"
    ),
    "pyarrow": "archive",
    "pymodbus": "plc",
    "genicam": "genicam",
    "harvesters": "genicam",
    "ray": "ray",
}
"""The extra that brings a package, where it is not `train`."""


class Commands(click.Group):
    """A group of commands that turns every error into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # what this terminal's encoding lacks costs a letter, not the line
        try:
            return super().invoke(ctx)
        except PlatewatchError as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            missing = f"{error.name} is not installed, which this command needs"
            extra = _EXTRAS.get(str(error.name).partition(".")[0], "train")
            _fail(str(RuntimeUnavailable("", missing, remedy=f"pip install 'platewatch[{extra}]'")))
        except KeyboardInterrupt:
            click.echo("interrupted; no incomplete file was left", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has ended
            ctx.exit(ERROR)
        except OSError as error:
            _fail(f"{error.filename or 'output'}: {error.strerror or error}; check space and permissions there")


def _fail(message: str) -> None:
    click.echo("error: " + " ".join(message.split()), err=True)
    click.get_current_context().exit(ERROR)


def warn_of_left_alone(folder: Path) -> None:
    """One line on stderr when the folder holds something besides photographs."""
    from platewatch.photographs import left_alone

    if line := left_alone.in_folder(folder).line(folder):
        click.echo(f"warning: {line}", err=True)


def show(*tables: "Table") -> None:
    """Print tables to stdout, as wide as the terminal; 140 columns if stdout is not a terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables:
        console.print(table)


def lines() -> "Progress":
    """Progress as JSON lines on stderr, for programs; at most four a second, and the begin and end of every stage."""
    reported: tuple[str, float] = "", 0.0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal reported
        now = time.monotonic()
        if stage != reported[0] or done >= total or now - reported[1] >= 0.25:
            reported = stage, now
            click.echo(json.dumps({"stage": stage, "done": done, "total": total}), err=True)

    return report


def end_with_stdin() -> None:
    """Send SIGTERM to this process when stdin closes: stdin is a pipe that closes when the parent process ends."""

    def wait() -> None:
        while os.read(0, 1):  # not sys.stdin, whose lock would block the interpreter's shutdown
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


@contextmanager
def progress() -> "Iterator[Progress]":
    """A progress bar on stderr per stage; one line per stage if stderr is not a terminal."""
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
        redirect_stdout=sys.stdout.isatty(),  # printed lines appear above the bar; output to a file is not redirected
    ) as bars:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
                if not console.is_terminal:
                    click.echo(f"{stage} …", err=True)
            bars.update(stages[stage], completed=done, total=total)

        yield report
