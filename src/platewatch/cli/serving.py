"""Commands of the station: serve, users add, users list, users remove."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.cli.devices import device_options, device_plan
from platewatch.cli.line_options import MODEL_MEMORY, PART_TYPES, anchor_places, line_options, policy, receivers
from platewatch.cli.settings_file import SETTINGS
from platewatch.cli.shell import ALL_PHASES, FOLDER, PHOTOGRAPHS, RECORDS
from platewatch.photographs import limits

if TYPE_CHECKING:
    from platewatch.line.destinations import Address
    from platewatch.station.users import Users

_USERS = click.option("--users", type=FOLDER, help="File of users; default for SQLite: RECORDS.users.json.")


@click.command()
@click.argument("model", type=FOLDER, required=False)
@SETTINGS
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; another one needs users.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@RECORDS
@PHOTOGRAPHS
@click.option(
    "--models",
    type=FOLDER,
    help="Folder of available models; default: the folder that MODEL is in, without MODEL RECORDS.models.",
)
@PART_TYPES
@MODEL_MEMORY
@click.option("--data", type=FOLDER, help="Training photographs of MODEL, to retrain with reviewed plates.")
@click.option(
    "--train-config",
    "training_config",
    type=FOLDER,
    help="A TOML file with settings of models made in the browser, as for train --config.",
)
@click.option(
    "--import-from",
    multiple=True,
    type=FOLDER,
    help="Folder of this machine below which engineers may choose training photographs; may be repeated.",
)
@ALL_PHASES
@line_options
@device_options
@_USERS
@click.option("--name", "names", multiple=True, help="Another host name of the station; may be repeated.")
@click.option("--public-url", help="Address behind a proxy, with its path: https://plates.example/line3.")
@click.option("--tls-certificate", "certificate", type=FOLDER, help="Certificate as PEM file, for https.")
@click.option("--tls-key", "key", type=FOLDER, help="Private key of the certificate.")
@click.option("--workers", default=0, type=click.IntRange(0, 64), help="Plates judged in parallel; 0: one per core.")
@click.option(
    "--waiting",
    default=32,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Requests queued beyond the workers; more are answered 503.",
)
@click.option(
    "--connections",
    default=256,
    show_default=True,
    type=click.IntRange(16, 10_000),
    help="Connections that may be open at a time; the one idle for longest makes room.",
)
@click.option(
    "--memory",
    "memory_mb",
    default=600,
    show_default=True,
    type=click.IntRange(300, 1_000_000),
    help="Memory of the process, at most, in MB; it limits what is uploaded and decoded at a time.",
)
@click.option(
    "--max-bytes",
    default=64 * 2**20,
    show_default=True,
    type=click.IntRange(2**20, 2**30),
    help="Largest photograph, as a file.",
)
@click.option(
    "--max-pixels",
    default=64_000_000,
    show_default=True,
    type=click.IntRange(min=1024),
    help="Largest photograph, width × height; large ones take more --memory.",
)
@click.option(
    "--max-side",
    default=limits.MAX_SIDE,
    show_default=True,
    envvar=limits.MAX_SIDE_VARIABLE,
    type=click.IntRange(limits.MIN_SIDE, 1_000_000),
    help="Longest side of a photograph, in px, such as 20000 for a line-scan camera.",
)
def serve(
    model: Path | None,
    host: str,
    port: int,
    records: str,
    photographs: Path | None,
    models: Path | None,
    part_types: Path | None,
    data: Path | None,
    users: Path | None,
    names: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    max_side: int,
    webhooks: "tuple[Address, ...]",
    mqtt: "tuple[Address, ...]",
    ca: Path | None,
    signed_by: tuple[Path, ...],
    **rest: Any,
) -> None:
    """Run the inspection station: web pages, a REST service and a record of every plate.

    Without MODEL the station takes the model into service that was there last; at first there is none, and an engineer
    makes the first one in the browser.
    """
    from platewatch.station import supervisor

    with supervisor.listen(host, port) as listening:
        code = supervisor.keep_up(_log)
        if code is not None:
            click.get_current_context().exit(code)
        from platewatch.station import server
        from platewatch.station.settings import Settings

        os.environ[limits.MAX_SIDE_VARIABLE] = str(max_side)  # also for the retraining process
        most = ("memory_mb", "model_memory_mb", "max_bytes", "max_pixels")
        names_of = ("public_url", "workers", "waiting", "connections", *most)
        own = {name: rest.pop(name) for name in names_of}
        devices = device_plan(rest)
        kept = {name: rest.pop(name) for name in ("keep", "days", "gigabytes", "review_share")}
        plan = server.Plan(
            model=model,
            models=models,
            part_types=part_types,
            signed_by=signed_by,
            all_phases=rest.pop("all_phases"),
            host=host,
            port=listening.getsockname()[1],
            records=records,
            policy=policy(**kept),
            station=rest.pop("station"),
            names=names,
            certificate=certificate,
            key=key,
            chosen=Settings(
                users=users,
                data=data,
                devices=devices,
                photographs=photographs,
                destinations=receivers(webhooks, mqtt, ca),
                anchors=anchor_places(rest.pop("anchors"), ca),
                anchor_key=rest.pop("anchor_key"),
                training_config=rest.pop("training_config"),
                import_from=rest.pop("import_from"),
                **own,
            ),
        )
        server.check(plan)
        server.run(plan, listening, _log)


@click.group()
def users() -> None:
    """Manage the users of a station and their roles: operator, engineer, auditor."""


@users.command()
@click.argument("name")
@click.option(
    "--role", required=True, type=click.Choice(["operator", "engineer", "auditor"]), help="What the user may do."
)
@click.option("--token", is_flag=True, help="Print a token for a program, once, instead of setting a password.")
@RECORDS
@_USERS
def add(name: str, role: str, token: bool, records: str, users: Path | None) -> None:
    """Add user NAME, or change their role, password or token; takes effect immediately.

    The password is prompted for, or read from stdin if that is not a terminal.
    """
    from platewatch.station.users import Role

    known = _users(records, users)
    password = None if token else _password()
    made = known.add(name, Role(role), password)
    if made is not None:
        click.echo(made)
    click.echo(f"{name} is {role} in {known.path}", err=True)


@users.command("list")
@RECORDS
@_USERS
def list_users(records: str, users: Path | None) -> None:
    """Print for each user the name, the role, and whether there is a password or a token."""
    for user in _users(records, users).all():
        has = [word for word, secret in (("password", user.password), ("token", user.token)) if secret]
        click.echo(f"{user.name}  {user.role}  {', '.join(has)}")


@users.command()
@click.argument("name")
@RECORDS
@_USERS
def remove(name: str, records: str, users: Path | None) -> None:
    """Remove user NAME; sessions and token become invalid immediately."""
    known = _users(records, users)
    known.remove(name)
    click.echo(f"{name} is removed from {known.path}", err=True)


def _users(records: str, file: Path | None) -> "Users":
    from platewatch.line.state_files import beside
    from platewatch.station.users import Users

    return Users(file or beside(records, "users.json"))


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _log(line: str) -> None:
    click.echo(line, err=True)
