"""Commands that learn: render, explore, train."""

from pathlib import Path
from typing import Any

import click

from platewatch.cli.shell import FOLDER, INTERRUPTED, progress, show


@click.command()
@click.argument("out", type=FOLDER)
@click.option("--good", default=54, show_default=True, type=click.IntRange(1), help="Good plates to train on.")
@click.option("--size", default=512, show_default=True, type=click.IntRange(64, 2048), help="Side in px.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed, other plates.")
@click.option("--test/--no-test", "with_test", default=True, show_default=True, help="Also the labelled test set.")
def render(out: Path, good: int, size: int, seed: int, with_test: bool) -> None:
    """Render synthetic plates with masks into OUT, laid out as MVTec does."""
    from platewatch import plates

    test = plates.TEST_COUNTS if with_test else {}
    with progress() as report:
        count = plates.render_set(
            out, good=good, test=test, size=size, seed=seed, progress=lambda *done: report("rendering plates", *done)
        )
    click.echo(f"{out}: {count} photographs of {size}×{size} px")


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="Folder for explore.html and the plots.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def explore(data: Path, out: Path, seed: int) -> None:
    """Look at DATA by eye: histograms, edges, what separates and what does not, and classical detectors."""
    from platewatch import explore as exploring
    from platewatch import explore_report, reading

    with progress() as report:
        found = exploring.explore(data, seed=seed, progress=lambda *done: report("looking at photographs", *done))
        report("writing the page", 0, 1)
        page = explore_report.write(found, out)
        report("writing the page", 1, 1)
    for title, text in reading.read(found):
        click.echo(f"{click.style(title, bold=True)}\n  {text}")
    click.echo(str(page))


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="The model folder to write.")
@click.option(
    "--preset", type=click.Choice(["fast", "reference"]), help="fast (default), or the published recipe to the letter."
)
@click.option("--config", "config_file", type=FOLDER, help="A TOML file laid over the preset it names.")
@click.option("--seed", type=click.IntRange(0), help="Same photographs, same seed, same machine: the same model.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the photographs in phase two.")
@click.option("--false-alarm-rate", type=float, help="Share of good plates that REJECT may cost; 0.05 unless told.")
@click.option("--min-images", type=click.IntRange(3), help="Train on no fewer photographs than this.")
@click.option("--mm-per-px", type=float, help="What one px of the photographs shows, to state lengths in mm too.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted training of the same model folder.")
def train(
    data: Path,
    out: Path,
    preset: str | None,
    config_file: Path | None,
    seed: int | None,
    epochs: int | None,
    false_alarm_rate: float | None,
    min_images: int | None,
    mm_per_px: float | None,
    resume: bool,
) -> None:
    """Learn from the good photographs in DATA/train/good (or in DATA itself) and write the model folder."""
    from platewatch import config, dataset, fit, preflight, summary

    top = {"seed": seed, "min_images": min_images, "mm_per_px": mm_per_px}
    changes: dict[str, Any] = {name: value for name, value in top.items() if value is not None}
    changes |= {"training": {"epochs": epochs}} if epochs is not None else {}
    changes |= {"calibration": {"false_alarm_rate": false_alarm_rate}} if false_alarm_rate is not None else {}
    if config_file and preset:
        raise click.UsageError("--preset and --config exclude each other: the file names its preset")
    settings = config.load(config_file, **changes) if config_file else config.preset(preset or "fast", **changes)
    fit.check_free(out, resume=resume)
    with progress() as report:
        plates = preflight.read(dataset.training(data), settings, report)
        report("looking for duplicates and odd ones", 0, 1)
        found = preflight.look(plates, settings)
        report("looking for duplicates and odd ones", 1, 1)
    show(*summary.preflight(found, settings))
    try:
        with progress() as report:
            manifest = fit.fit(found, settings, out, resume=resume, progress=report)
    except KeyboardInterrupt:
        click.echo("interrupted; the same command with --resume goes on from the last checkpoint", err=True)
        click.get_current_context().exit(INTERRUPTED)
    show(*summary.model(manifest))
    click.echo(str(out))
