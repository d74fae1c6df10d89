"""Commands of the station: serve, users."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.cli.line_options import line_options, policy
from platewatch.cli.shell import FOLDER, PHOTOGRAPHS, RECORDS

if TYPE_CHECKING:
    from platewatch.station.users import Users

_USERS = click.option("--users", type=FOLDER, help="The file of users; RECORDS.users.json beside an SQLite file.")


@click.command()
@click.argument("model", type=FOLDER)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; any other needs users.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@RECORDS
@PHOTOGRAPHS
@click.option("--models", type=FOLDER, help="Folder of models to choose from; the one that MODEL lies in.")
@click.option("--data", type=FOLDER, help="The photographs that MODEL learned from, to retrain with reviewed plates.")
@line_options
@_USERS
@click.option("--name", "names", multiple=True, help="A further name that browsers reach it by; may be repeated.")
@click.option("--tls-certificate", "certificate", type=FOLDER, help="PEM file: https instead of http.")
@click.option("--tls-key", "key", type=FOLDER, help="Its private key.")
@click.option("--workers", default=0, type=click.IntRange(0, 64), help="Plates judged at a time; 0: one a core.")
@click.option(
    "--waiting",
    default=32,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Requests queued beyond the workers; more are answered 503.",
)
def serve(
    model: Path,
    host: str,
    port: int,
    records: str,
    photographs: Path | None,
    models: Path | None,
    data: Path | None,
    users: Path | None,
    names: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    workers: int,
    waiting: int,
    webhooks: tuple[str, ...],
    mqtt: tuple[str, ...],
    **kept: Any,
) -> None:
    """Run the inspection station at the line: a page, a REST service and a record of every plate."""
    from platewatch.station import supervisor

    with supervisor.listen(host, port) as listening:
        code = supervisor.keep_up(_say)
        if code is not None:
            click.get_current_context().exit(code)
        from platewatch.station import server

        plan = server.Plan(
            model=model,
            models=models,
            data=data,
            host=host,
            port=listening.getsockname()[1],
            records=records,
            photographs=photographs,
            policy=policy(**kept),
            users=users,
            names=names,
            certificate=certificate,
            key=key,
            workers=workers,
            waiting=waiting,
            destinations=(*webhooks, *mqtt),
        )
        server.check(plan)
        server.run(plan, listening, _say)


@click.group()
def users() -> None:
    """Say who may use a station, and as what: operator, engineer, auditor."""


@users.command()
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(["operator", "engineer", "auditor"]), help="What they may do.")
@click.option("--token", is_flag=True, help="Print a token for a program, this once, instead of asking a password.")
@RECORDS
@_USERS
def add(name: str, role: str, token: bool, records: str, users: Path | None) -> None:
    """Add user NAME, or give them another role, password or token; takes effect at once.

    The password is asked for, or read from stdin when that is no terminal.
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
    """Print each user's name, role, and whether they have a password and a token."""
    for user in _users(records, users).all():
        has = [word for word, secret in (("password", user.password), ("token", user.token)) if secret]
        click.echo(f"{user.name}  {user.role}  {', '.join(has)}")


@users.command()
@click.argument("name")
@RECORDS
@_USERS
def remove(name: str, records: str, users: Path | None) -> None:
    """Remove user NAME; their logins and token end at once."""
    known = _users(records, users)
    known.remove(name)
    click.echo(f"{name} is no user any more in {known.path}", err=True)


def _users(records: str, file: Path | None) -> "Users":
    from platewatch.line.state_files import beside
    from platewatch.station.users import Users

    return Users(file or beside(records, "users.json"))


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _say(line: str) -> None:
    click.echo(line, err=True)
