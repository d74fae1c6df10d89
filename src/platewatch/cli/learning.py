"""Commands before training: render, arrange, explore."""

from pathlib import Path

import click

from platewatch.cli.shell import FOLDER, progress


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
