"""The settings file of `serve`: its options by their long names, in TOML.

The command line comes first, then the environment, then the file, then the default.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from platewatch.cli.shell import FOLDER
from platewatch.errors import InputError

_HEAD = """# Settings of a station: platewatch serve --settings FILE
#
# A line that begins with # is a default. Remove the # and change the value. Options of the command line and
# environment variables come before this file. Passwords do not belong here: see @FILE and the environment
# variables in docs/cli.md.
"""


def _load(context: click.Context, _option: click.Parameter, file: Path | None) -> None:
    """Make the file's values the defaults of the command's options; raises InputError."""
    if file is None:
        return
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})", remedy="check the path") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(file, f"no TOML ({error})", remedy="print one with: platewatch settings") from error
    root = context.find_root().command
    serve = root.commands["serve"] if isinstance(root, click.Group) else context.command
    known, own = dict(_named(serve)), dict(_named(context.command))
    for name in values:
        if name not in known:
            raise InputError(file, f"unknown setting {name!r}", remedy="platewatch settings lists all of them")
    context.default_map = {own[name].name or "": value for name, value in values.items() if name in own}


SETTINGS = click.option(
    "--settings",
    type=FOLDER,
    is_eager=True,
    expose_value=False,
    callback=_load,
    help="A TOML file with the options of serve; `platewatch settings` prints one.",
)


def lines(command: click.Command) -> Iterator[str]:
    """The lines of a settings file for this command."""
    yield _HEAD
    for name, option in _named(command):
        words = option.help if isinstance(option, click.Option) and option.help else "The model folder."
        yield f"# {words}"
        many, default = isinstance(option, click.Option) and option.multiple, option.default
        default = False if isinstance(option, click.Option) and option.is_flag else default
        known = isinstance(default, str | int | float | bool)
        value = "[]" if many else json.dumps(default, ensure_ascii=False) if known else " # not set"
        yield f"#{name} = {value}\n"


def _named(command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter with its name in the file."""
    for parameter in command.params:
        if parameter.name not in {"settings", "help"}:
            yield max(parameter.opts, key=len).lstrip("-"), parameter
