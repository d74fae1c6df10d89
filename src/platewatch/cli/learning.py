"""Commands that train, and those before it: render, arrange, explore, train, retrain."""

import getpass
import json
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

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


@click.command()
@click.argument("out", type=FOLDER)
@click.option("--good", default=54, show_default=True, type=click.IntRange(1), help="Number of good training plates.")
@click.option("--size", default=512, show_default=True, type=click.IntRange(64, 2048), help="Side in px.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed gives other plates.")
@click.option("--test/--no-test", "with_test", default=True, show_default=True, help="Also render a labelled test set.")
def render(out: Path, good: int, size: int, seed: int, with_test: bool) -> None:
    """Render synthetic plates with masks into OUT, in the MVTec layout."""
    from platewatch.synthetic import rendered_plates

    test = rendered_plates.TEST_COUNTS if with_test else {}
    with progress() as report:
        count = rendered_plates.render_set(out, good=good, test=test, size=size, seed=seed, progress=report)
    click.echo(f"{out}: {count} photographs of {size}×{size} px")


@click.command()
@click.argument("data", type=FOLDER)
@click.argument("out", type=FOLDER)
def arrange(data: Path, out: Path) -> None:
    """Copy a data set of another layout to OUT in the MVTec layout.

    DATA holds a class of VisA, KolektorSDD or KolektorSDD2, an anomalib folder, or folders of good and defective
    plates, such as OK and NG. The defective plates and a third of the good ones are for the test.
    """
    from platewatch.photographs import arrangement

    with progress() as report:
        found = arrangement.arrange(data, out, report)
    counts = ", ".join(f"{place} {count}" for place, count in found.counts.items())
    click.echo(f"{out}: {counts}, masks {found.masks}; good plates: {found.divided_by}")
    if found.left_alone:
        click.echo(f"{found.left_alone} other files left alone", err=True)


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="Folder for explore.html and the plots.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def explore(data: Path, out: Path, seed: int) -> None:
    """Explore DATA: histograms, edges, outliers, which measures separate defects, and classical detectors."""
    from platewatch.exploration import analysis as exploring
    from platewatch.exploration import interpretation
    from platewatch.exploration import report as pages

    with progress() as report:
        found = exploring.explore(data, seed=seed, progress=report)
        report("writing the page", 0, 1)
        page = pages.write(found, out)
        report("writing the page", 1, 1)
    for title, text in interpretation.read(found):
        click.echo(f"{click.style(title, bold=True)}\n  {text}")
    click.echo(str(page))


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
@click.option("--min-images", type=click.IntRange(3), help="Smallest number of photographs to train on.")
@click.option("--bits", type=click.IntRange(9, 15), help="Bits of the camera, where its files store more: 12 in 16.")
@click.option("--mm-per-px", type=float, help="Millimetres per px of the photographs, to state lengths in mm too.")
@click.option(
    "--backbone",
    help="Network of the texture features: efficientnet-lite0 (default), none, or timm:NAME=FILE with local weights.",
)
@click.option(
    "--tiles", type=click.IntRange(1, 20), help="Tiles along the longer side; default: as the shape asks for."
)
@click.option("--image-size", type=click.IntRange(64, 4096), help="Side of the prepared photograph, px, instead.")
@click.option(
    "--group",
    metavar="REGEX|CSV",
    help="Photographs of one part, place, batch or day: the first group in the file name, runs:8, or file,group.",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted training of the same model folder.")
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
    backbone: str | None,
    tiles: int | None,
    image_size: int | None,
    group: str | None,
    resume: bool,
) -> None:
    """Train on the good photographs in DATA/train/good (or in DATA itself) and write the model folder."""
    from platewatch import config
    from platewatch.cli import summary
    from platewatch.evaluation import tables
    from platewatch.learning import fitting, groups, preflight
    from platewatch.photographs import data_sets, grouping, preparation

    if tiles is not None and image_size is not None:
        raise click.UsageError("--tiles and --image-size exclude each other: both set the prepared photograph's side")
    told = grouping.parse(group) if group is not None else None
    if tiles is not None:
        image_size = preparation.side_of_tiles(tiles, config.TILE)
    top: dict[str, Any] = {"seed": seed, "min_images": min_images, "bits": bits, "mm_per_px": mm_per_px}
    top |= {"backbone": backbone, "image_size": image_size}
    changes: dict[str, Any] = {name: value for name, value in top.items() if value is not None}
    changes |= {"training": {"epochs": epochs}} if epochs is not None else {}
    changes |= {"calibration": {"false_alarm_rate": false_alarm_rate}} if false_alarm_rate is not None else {}
    if config_file and preset:
        raise click.UsageError("--preset and --config exclude each other: the file names its preset")
    settings = config.load(config_file, **changes) if config_file else config.preset(preset or "fast", **changes)
    fitting.check_installed(settings)
    fitting.check_free(out, resume=resume)
    with progress() as report:
        good = data_sets.training(data)
        warn_of_left_alone(good[0].parent)
        if image_size is None and config_file is None:
            settings = replace(settings, image_size=preparation.side_for(preflight.sizes(good), config.TILE))
        plates = preflight.read(good, settings, report)
        report("looking for duplicates and outliers", 0, 1)
        found = preflight.look(plates, settings, groups.Told(told.rule, told.names(plates.paths)) if told else None)
        report("looking for duplicates and outliers", 1, 1)
    show(*summary.preflight(found, settings))
    try:
        with progress() as report:
            manifest = fitting.fit(found, settings, out, resume=resume, progress=report)
    except KeyboardInterrupt:
        click.echo("interrupted; the same command with --resume continues from the last checkpoint", err=True)
        click.get_current_context().exit(INTERRUPTED)
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
@click.option("--json", "as_json", is_flag=True, help="The comparison as one JSON object on stdout.")
@click.option("--progress-lines", is_flag=True, help="Progress as JSON lines on stderr, for programs.")
@click.option("--until-stdin-ends", is_flag=True, help="Stop when stdin closes, because the parent process ended.")
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

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a station that stops ends this cleanly
    if until_stdin_ends:
        end_with_stdin()
    who, models_folder = actor or getpass.getuser(), models or model.resolve().parent
    bars = nullcontext(lines()) if progress_lines else progress()
    with Records.open(records, photographs, create=False) as opened, bars as report:

        def say(finding: str) -> None:
            click.echo(json.dumps({"finding": finding}) if progress_lines else finding, err=True)

        done = retraining.retrain(
            *(model, opened, data, models_folder),
            actor=who,
            part_type=part_type,
            progress=report,
            loosen_because=loosen_because.strip(),
            found=say,
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
