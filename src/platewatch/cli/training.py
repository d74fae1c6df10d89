"""Commands that train: preflight, train, retrain."""

import getpass
import json
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.cli.shell import (
    FOLDER,
    INTERRUPTED,
    NOT_PASSED,
    PHOTOGRAPHS,
    RECORDS,
    end_with_stdin,
    lines,
    progress,
    show,
    warn_of_left_alone,
)

if TYPE_CHECKING:
    from platewatch.config import Config
    from platewatch.learning.preflight import Preflight
    from platewatch.photographs.grouping import Grouping
    from platewatch.progress import Progress

_MIN_IMAGES = click.option("--min-images", type=click.IntRange(3), help="Smallest number of photographs to train on.")
_GROUP = click.option(
    "--group",
    metavar="REGEX|CSV",
    help="Photographs of one part, place, batch or day: the first group in the file name, runs:8, or file,group.",
)


def _child(as_json: str) -> Callable[..., Any]:
    """The options of a command that the station runs as its child; `as_json` says what stdout then holds."""
    options = (
        click.option("--json", "as_json", is_flag=True, help=f"{as_json} as one JSON object on stdout."),
        click.option("--progress-lines", is_flag=True, help="Progress as JSON lines on stderr, for programs."),
        click.option(
            "--until-stdin-ends", is_flag=True, help="Stop when stdin closes, because the parent process ended."
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _as_child(until_stdin_ends: bool) -> None:
    """End this process cleanly, where asked, when the station that started it stops."""
    if until_stdin_ends:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        end_with_stdin()


def _bars(progress_lines: bool) -> "AbstractContextManager[Progress]":
    """Progress as bars or as JSON lines."""
    return nullcontext(lines()) if progress_lines else progress()


def _say(finding: str, *, progress_lines: bool) -> None:
    """One finding of preflight on stderr."""
    click.echo(json.dumps({"finding": finding}) if progress_lines else finding, err=True)


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--config", "config_file", type=FOLDER, help="A TOML file with settings, as for train.")
@_MIN_IMAGES
@_GROUP
@_child("What was found")
def preflight(
    data: Path,
    config_file: Path | None,
    min_images: int | None,
    group: str | None,
    as_json: bool,
    progress_lines: bool,
    until_stdin_ends: bool,
) -> None:
    """Look at the good photographs in DATA before training: damaged, duplicate, unusable ones, outliers, groups.

    Nothing is written. `train` looks in the same way.
    """
    from platewatch import config
    from platewatch.cli import summary
    from platewatch.learning import preflight as looking
    from platewatch.photographs import grouping

    told = None if group is None else grouping.parse(group)
    changes: dict[str, Any] = {} if min_images is None else {"min_images": min_images}
    settings = config.load(config_file, **changes) if config_file else config.preset("fast", **changes)
    _as_child(until_stdin_ends)
    with _bars(progress_lines) as report:
        settings, found = _look(data, settings, told, report, own_side=config_file is None)
    if as_json:
        click.echo(json.dumps(looking.as_dict(found), ensure_ascii=False))
    else:
        show(*summary.preflight(found, settings))


def _look(
    data: Path, settings: "Config", told: "Grouping | None", report: "Progress", *, own_side: bool
) -> "tuple[Config, Preflight]":
    """What preflight finds in DATA; with `own_side` the photographs are prepared as large as their shape asks for."""
    from platewatch import config
    from platewatch.learning import groups
    from platewatch.learning import preflight as looking
    from platewatch.photographs import data_sets, preparation

    good = data_sets.training(data)
    warn_of_left_alone(good[0].parent)
    if own_side:
        settings = replace(settings, image_size=preparation.side_for(looking.sizes(good), config.TILE))
    plates = looking.read(good, settings, report)
    report("looking for duplicates and outliers", 0, 1)
    found = looking.look(plates, settings, groups.Told(told.rule, told.names(plates.paths)) if told else None)
    report("looking for duplicates and outliers", 1, 1)
    return settings, found


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="The model folder to write.")
@click.option(
    "--preset",
    type=click.Choice(["fast", "reference", "surface"]),
    help="fast (default); reference: published settings; surface: phase one alone (no torch with --backbone none).",
)
@click.option("--config", "config_file", type=FOLDER, help="A TOML file with settings; it names its preset.")
@click.option("--seed", type=click.IntRange(0), help="Same photographs, seed and machine: same model.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs of phase two.")
@click.option("--false-alarm-rate", type=float, help="Largest fraction of good plates with REJECT; default 0.05.")
@_MIN_IMAGES
@click.option("--bits", type=click.IntRange(9, 15), help="Bits of the camera, where its files store more: 12 in 16.")
@click.option("--mm-per-px", type=float, help="Millimetres per px of the photographs, to state lengths in mm too.")
@click.option("--mm-uncertainty", type=float, help="Relative uncertainty of --mm-per-px, as `scale` gives it.")
@click.option("--part-mm", metavar="WIDTHxHEIGHT", help="Size of a part with four sides, mm: its pose gives the scale.")
@click.option(
    "--backbone",
    help="Network of the texture features: efficientnet-lite0 (default), none, or timm:NAME=FILE with local weights.",
)
@click.option(
    "--tiles", type=click.IntRange(1, 20), help="Tiles along the longer side; default: as the shape asks for."
)
@click.option("--image-size", type=click.IntRange(64, 4096), help="Side of the prepared photograph, px, instead.")
@_GROUP
@click.option("--mask", type=FOLDER, help="Picture of the photographs' size, white where they are inspected.")
@click.option("--regions", type=FOLDER, help="JSON file with polygons to inspect and to ignore, px of a photograph.")
@click.option("--resume", is_flag=True, help="Continue an interrupted training of the same model folder.")
@_child("The model's id and folder")
def train(
    data: Path,
    out: Path,
    preset: str | None,
    config_file: Path | None,
    seed: int | None,
    epochs: int | None,
    false_alarm_rate: float | None,
    min_images: int | None,
    bits: int | None,
    mm_per_px: float | None,
    mm_uncertainty: float | None,
    part_mm: str | None,
    backbone: str | None,
    tiles: int | None,
    image_size: int | None,
    group: str | None,
    mask: Path | None,
    regions: Path | None,
    resume: bool,
    as_json: bool,
    progress_lines: bool,
    until_stdin_ends: bool,
) -> None:
    """Train on the good photographs in DATA/train/good (or in DATA itself) and write the model folder."""
    from platewatch import config
    from platewatch.cli import summary
    from platewatch.evaluation import tables
    from platewatch.learning import fitting
    from platewatch.learning import preflight as looking
    from platewatch.photographs import grouping, preparation, region, scale

    if mask is not None and regions is not None:
        raise click.UsageError("--mask and --regions exclude each other: both say what is inspected")
    if tiles is not None and image_size is not None:
        raise click.UsageError("--tiles and --image-size exclude each other: both set the prepared photograph's side")
    told = grouping.parse(group) if group is not None else None
    if tiles is not None:
        image_size = preparation.side_of_tiles(tiles, config.TILE)
    top: dict[str, Any] = {"seed": seed, "min_images": min_images, "bits": bits, "mm_per_px": mm_per_px}
    top |= {"backbone": backbone, "image_size": image_size, "mm_uncertainty": mm_uncertainty}
    top |= {"part_mm": scale.pair(part_mm, "--part-mm") if part_mm is not None else None}
    changes: dict[str, Any] = {name: value for name, value in top.items() if value is not None}
    changes |= {"training": {"epochs": epochs}} if epochs is not None else {}
    changes |= {"calibration": {"false_alarm_rate": false_alarm_rate}} if false_alarm_rate is not None else {}
    if config_file and preset:
        raise click.UsageError("--preset and --config exclude each other: the file names its preset")
    settings = config.load(config_file, **changes) if config_file else config.preset(preset or "fast", **changes)
    fitting.check_installed(settings)
    fitting.check_free(out, resume=resume)
    wanted = region.read_mask(mask) if mask else region.read_polygons(regions) if regions else None
    fitting.check_region(wanted, settings)
    _as_child(until_stdin_ends)
    with _bars(progress_lines) as report:
        own_side = image_size is None and config_file is None
        settings, found = _look(data, settings, told, report, own_side=own_side)
    if not as_json:
        show(*summary.preflight(found, settings))
    try:
        with _bars(progress_lines) as report:
            for finding in looking.findings(found) if as_json else ():
                _say(finding, progress_lines=progress_lines)
            manifest = fitting.fit(found, settings, out, resume=resume, wanted=wanted, progress=report)
    except KeyboardInterrupt:
        click.echo("interrupted; the same command with --resume continues from the last checkpoint", err=True)
        click.get_current_context().exit(INTERRUPTED)
    if as_json:
        click.echo(json.dumps({"model_id": manifest.model_id, "folder": str(out)}))
        return
    show(*summary.model(manifest, tables.limit_words(manifest)))
    click.echo(str(out))


@click.command()
@click.argument("model", type=FOLDER)
@click.argument("data", type=FOLDER)
@RECORDS
@PHOTOGRAPHS
@click.option("--models", type=FOLDER, help="Folder for the candidate; default: the folder that MODEL is in.")
@click.option("--part-type", default="", metavar="NAME", help="Learn from reviewed plates of this part type alone.")
@click.option("--actor", help="Name of the person, for the record; default: the system's user name.")
@click.option(
    "--loosen-because",
    default="",
    metavar="REASON",
    help="Allow limits looser than those of MODEL, and write REASON into the record; without it none is loosened.",
)
@_child("The comparison")
def retrain(
    model: Path,
    data: Path,
    records: str,
    photographs: Path | None,
    models: Path | None,
    part_type: str,
    actor: str | None,
    loosen_because: str,
    as_json: bool,
    progress_lines: bool,
    until_stdin_ends: bool,
) -> None:
    """Train a candidate on DATA and the plates reviewed as good, and compare it with MODEL.

    DATA holds the photographs that MODEL was trained on. The comparison uses a fifth of the reviewed good plates, which
    are held out, all reviewed defective plates, and photographs made unusable. A worse candidate is refused with exit
    code 3. Plates without a score are not learned from, and no limit is loosened. No model is taken into service.
    """
    from platewatch.cli import summary
    from platewatch.line import retraining
    from platewatch.records import Records

    who, models_folder = actor or getpass.getuser(), models or model.resolve().parent
    _as_child(until_stdin_ends)
    with Records.open(records, photographs, create=False) as opened, _bars(progress_lines) as report:
        done = retraining.retrain(
            *(model, opened, data, models_folder),
            actor=who,
            part_type=part_type,
            progress=report,
            loosen_because=loosen_because.strip(),
            found=partial(_say, progress_lines=progress_lines),
        )
    if as_json:
        click.echo(json.dumps(done.comparison.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(*summary.comparison(done.comparison))
        for reason in done.comparison.refused:
            click.echo(f"refused: {reason}")
        click.echo(str(done.folder))
    if not done.comparison.accepted:
        click.get_current_context().exit(NOT_PASSED)
