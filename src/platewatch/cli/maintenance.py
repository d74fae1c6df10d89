"""Commands for those who keep a station running: settings, doctor."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from platewatch.cli import serving, settings_file
from platewatch.cli.line_options import receiver_options, receivers
from platewatch.cli.settings_file import SETTINGS
from platewatch.cli.shell import ERROR, FOLDER, PHOTOGRAPHS, RECORDS

if TYPE_CHECKING:
    from platewatch.line.destinations import Address
    from platewatch.line.doctor import Finding


@click.command()
def settings() -> None:
    """Print a settings file for `serve`, with every option as a comment and its default."""
    click.echo("\n".join(settings_file.lines(serving.serve)), nl=False)


@click.command()
@click.argument("model", type=FOLDER, required=False)
@SETTINGS
@RECORDS
@PHOTOGRAPHS
@click.option("--users", type=FOLDER, help="File of users; default for SQLite: RECORDS.users.json.")
@receiver_options
@click.option("--pace", type=click.FloatRange(0, min_open=True), help="The line's pace in plates per second.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def doctor(
    model: Path | None,
    records: str,
    photographs: Path | None,
    users: Path | None,
    webhooks: "tuple[Address, ...]",
    mqtt: "tuple[Address, ...]",
    ca: Path | None,
    pace: float | None,
    as_json: bool,
) -> None:
    """Look at versions, telemetry, disk, permissions, database, clock, receivers, model and speed.

    One line each, with what to do. Nothing is changed or sent. Exit code 1 when something is wrong.
    """
    from platewatch.line import doctor as looking

    plan = looking.Plan(
        records=records,
        model=model,
        photographs=photographs,
        users=users,
        receivers=receivers(webhooks, mqtt, ca),
        pace=pace,
    )
    found: list[Finding] = []
    for each in looking.look(plan):
        found.append(each)
        if not as_json:
            _show(each)
    values = looking.as_dict(found)
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
    if not values["ready"]:
        click.get_current_context().exit(ERROR)


def _show(finding: "Finding") -> None:
    colour = {"ok": "green", "look": "yellow", "wrong": "red"}[finding.state]
    word = click.style(f"{finding.state.upper():<6}", fg=colour, bold=True)
    click.echo(f"{word}{finding.name:<12}{finding.what}{'; ' if finding.remedy else ''}{finding.remedy}")
