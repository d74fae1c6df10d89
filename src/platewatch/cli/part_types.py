"""Commands of part types: part-types add, list, use, remove."""

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from platewatch.cli.line_options import PART_TYPES
from platewatch.cli.shell import FOLDER, RECORDS, show

if TYPE_CHECKING:
    from platewatch.line.part_type_models import PartTypeModels
    from platewatch.records import Records

_JSON = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
_REASON = click.option("--reason", default="", help="Why, for the record; needed where a limit becomes looser.")
_ACTOR = click.option("--actor", help="Name of the person, for the record; default: the system's user name.")


@click.group("part-types")
def part_types() -> None:
    """Manage the kinds of parts that one station judges, each with a model of its own.

    A station or watch that runs follows every change from the next photograph on.
    """


@part_types.command()
@click.argument("name")
@click.argument("model", type=FOLDER)
@click.option("--picture", type=FOLDER, help="A photograph of the part; default: a good one of the model's training.")
@click.option("--mm-per-px", type=click.FloatRange(0, 1000, min_open=True), help="Millimetres of a pixel on the part.")
@click.option("--data", type=FOLDER, help="Training photographs of MODEL, to retrain with reviewed plates.")
@_REASON
@_ACTOR
@RECORDS
@PART_TYPES
@_JSON
def add(
    name: str,
    model: Path,
    picture: Path | None,
    mm_per_px: float | None,
    data: Path | None,
    reason: str,
    actor: str | None,
    records: str,
    part_types: Path | None,
    as_json: bool,
) -> None:
    """Add the part type NAME with the model folder MODEL in service."""
    with _records(records) as opened:
        models = _models(opened, records, part_types)
        settings = {"picture": picture, "mm_per_px": mm_per_px, "data": data}
        models.add(name, model, actor or getpass.getuser(), reason=reason, **settings)
        _print(models, [name], as_json=as_json)


@part_types.command("list")
@RECORDS
@PART_TYPES
@_JSON
def list_part_types(records: str, part_types: Path | None, as_json: bool) -> None:
    """Print each part type with its model, or why it cannot be judged."""
    models = _models(None, records, part_types)
    _print(models, list(filter(None, models.names())), as_json=as_json)


@part_types.command()
@click.argument("name")
@click.argument("model")
@_REASON
@_ACTOR
@RECORDS
@PART_TYPES
@_JSON
def use(
    name: str, model: str, reason: str, actor: str | None, records: str, part_types: Path | None, as_json: bool
) -> None:
    """Take MODEL, a folder or the id of an available model, into service for the part type NAME."""
    with _records(records) as opened:
        models = _models(opened, records, part_types)
        models.use(name, model, actor or getpass.getuser(), opened, reason=reason)
        _print(models, [name], as_json=as_json)


@part_types.command()
@click.argument("name")
@_ACTOR
@RECORDS
@PART_TYPES
def remove(name: str, actor: str | None, records: str, part_types: Path | None) -> None:
    """Take the part type NAME out: its photographs are refused. Its plates, models and settings stay."""
    with _records(records) as opened:
        _models(opened, records, part_types).remove(name, actor or getpass.getuser())
    click.echo(f"{name} is no longer judged", err=True)


def _records(url: str) -> "Records":
    from platewatch.records import Records

    return Records.open(url)


def _models(records: "Records | None", url: str, folder: Path | None) -> "PartTypeModels":
    from platewatch.line.loaded_models import LoadedModels
    from platewatch.line.model_registry import ModelRegistry, loader
    from platewatch.line.part_type_models import PartTypeModels
    from platewatch.line.part_types import PartTypeFolder
    from platewatch.line.state_files import beside

    types = PartTypeFolder(folder or beside(url, "part-types"))
    return PartTypeModels(ModelRegistry(None, types.folder), types, LoadedModels(loader()), records)


def _print(models: "PartTypeModels", names: list[str], *, as_json: bool) -> None:
    found = [models.describe(name) for name in names]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table("part type", "model", "folder", "mm/px", "problem")
    for each in found:
        cells = (each["name"], each["model_id"], each["folder"], each["mm_per_px"], each["problem"])
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    show(table)
