"""The command watch: judges every photograph that a camera writes into a folder."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.cli.judging import line as inspection_line
from platewatch.cli.line_options import MODEL_MEMORY, PART_TYPES, anchor_places, line_options, policy, receivers
from platewatch.cli.shell import ALL_PHASES, FOLDER, INTERRUPTED, PHOTOGRAPHS, RECORDS
from platewatch.errors import InputError

if TYPE_CHECKING:
    from platewatch.line.assembly import Line
    from platewatch.line.destinations import Address, Destination
    from platewatch.line.health import Problem
    from platewatch.line.part_type_models import PartTypeModels
    from platewatch.line.watch_folder import WatchFolder
    from platewatch.records import Entry, Records


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--model", type=FOLDER, help="The model folder; needed unless each photograph has a part type.")
@click.option(
    "--part-type-from-folder",
    "by_part_type",
    is_flag=True,
    help="Each folder in FOLDER is named after the part type of the photographs in it.",
)
@PART_TYPES
@MODEL_MEMORY
@RECORDS
@PHOTOGRAPHS
@click.option("--json", "as_json", is_flag=True, help="One JSON Entry per line.")
@click.option("--once", is_flag=True, help="Judge the photographs that are there, then stop.")
@click.option(
    "--give-up",
    default=30.0,
    show_default=True,
    help="Seconds an incomplete file may stay unchanged before it is recorded as failed.",
)
@click.option(
    "--quiet-time",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds a BMP, TIFF or WebP must stay the same to be complete; the same bytes under the same name are the "
    "same photograph within this time, and a repeat later.",
)
@click.option("--recursive", is_flag=True, help="Watch the folders in FOLDER too, also new ones.")
@click.option("--threads", default=0, type=click.IntRange(0), help="Cores to use; 0: all.")
@ALL_PHASES
@line_options
def watch(
    folder: Path,
    model: Path | None,
    by_part_type: bool,
    part_types: Path | None,
    model_memory_mb: int,
    records: str,
    photographs: Path | None,
    as_json: bool,
    once: bool,
    give_up: float,
    quiet_time: float,
    recursive: bool,
    threads: int,
    all_phases: bool,
    station: str,
    webhooks: "tuple[Address, ...]",
    mqtt: "tuple[Address, ...]",
    ca: Path | None,
    anchors: "tuple[Address | Path, ...]",
    anchor_key: Path | None,
    signed_by: tuple[Path, ...],
    **kept: Any,
) -> None:
    """Judge every photograph that a camera writes into FOLDER exactly once, and record it.

    Files that are still being written are waited for. After a crash or a restart no photograph is judged twice. Runs
    until it is stopped.
    """
    from platewatch import signing
    from platewatch.line import anchoring
    from platewatch.line.destinations import destinations
    from platewatch.line.loaded_models import LoadedModels
    from platewatch.line.model_registry import ModelRegistry, loader
    from platewatch.line.part_type_models import PartTypeModels
    from platewatch.line.part_types import PartTypeFolder
    from platewatch.line.state_files import beside
    from platewatch.line.watch_folder import WatchFolder
    from platewatch.records import Records

    if model is None and not by_part_type:
        raise click.UsageError("Missing option '--model', or '--part-type-from-folder'.")
    if once and not folder.is_dir():
        raise InputError(folder, "no such folder", remedy="check the path")
    to = destinations(receivers(webhooks, mqtt, ca))
    to_anchor = anchoring.places(anchor_places(anchors, ca))
    key = None if anchor_key is None else signing.private_key(anchor_key)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    def show(entry: "Entry") -> None:
        click.echo(entry.as_json() if as_json else inspection_line(entry.inspection))
        if entry.inspection.error is not None:
            click.echo(f"error: {entry.inspection.error}", err=True)

    with Records.open(records, photographs, policy(**kept), station=station) as opened:
        opened.hold_station()
        load = loader(signed_by, all_phases=all_phases, threads=threads)
        unnamed = ModelRegistry(model, None if model else folder, load=load)
        types = PartTypeFolder(part_types or beside(records, "part-types")) if by_part_type else None
        models = PartTypeModels(unnamed, types, LoadedModels(load, model_memory_mb * 10**6), opened)
        line = _line(folder, models, records, opened, to, anchor_places=to_anchor, anchor_key=key)
        watching = WatchFolder(
            folder,
            line,
            quiet_s=quiet_time,
            give_up_s=give_up,
            recursive=recursive,
            recorded=show,
            warn=_warn,
            by_part_type=by_part_type,
        )
        click.echo(f"{folder}: watched; {models.summary()}, record {opened.name}", err=True)
        with _stopped_by_signals(watching) as signals:
            line.start()
            try:
                watching.run(once=once)
            finally:
                line.stop()
        received, judged, failed = line.metrics.plates()
        repeats = f"{watching.repeats.count} repeats not judged again; " if watching.repeats.count else ""
        click.echo(f"{folder}: {repeats}received {received} = judged {judged} + failed {failed}", err=True)
    if signal.SIGINT in signals:
        click.get_current_context().exit(INTERRUPTED)


def _line(
    folder: Path,
    models: "PartTypeModels",
    url: str,
    records: "Records",
    to: "list[Destination]",
    **anchors: Any,
) -> "Line":
    """The line that judges the folder's photographs."""
    from platewatch.line import assembly, watch_folder

    return assembly.assemble(
        models,
        records,
        actor=watch_folder.SOURCE,
        warn=_warn,
        owns=watch_folder.plates_of(folder),
        destinations=to,
        **anchors,
        drift_file=watch_folder.drift_file(url, folder),
        places=records.places,
        problems_changed=_Problems().show,
    )


class _Problems:
    """Prints on stderr which problems began and ended."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def show(self, problems: "list[Problem]") -> None:
        from platewatch.line.deliveries import FAILING

        present = {
            problem.code: problem.message for problem in problems if problem.code != FAILING
        }  # warned of already
        for code, message in present.items():
            if code not in self._shown:
                _warn(message)
        for code, message in self._shown.items():
            if code not in present:
                _warn(f"resolved: {message}")
        self._shown = present


@contextmanager
def _stopped_by_signals(watching: "WatchFolder") -> Iterator[list[int]]:
    """Stop the watch at SIGINT or SIGTERM; yields the list of signals received."""
    received = list[int]()

    def stop(number: int, _frame: object) -> None:
        received.append(number)
        watching.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _warn(words: str) -> None:
    click.echo(f"warning: {words}", err=True)
