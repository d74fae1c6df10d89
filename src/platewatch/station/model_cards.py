"""Model cards as pages: figures and charts from the manifest, and model-card.md rendered as HTML."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response
from markdown_it import MarkdownIt
from markdown_it.token import Token

from platewatch.decision.sensitivity_summary import contrasts, percent
from platewatch.decision.verdict import HOLDS
from platewatch.errors import NotFound
from platewatch.model import model_folder
from platewatch.model.model_folder import Manifest
from platewatch.station import charts
from platewatch.station.pages import render
from platewatch.station.rest import Viewer, routes, station

router = routes(include_in_schema=False)

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_PICTURES = {
    name.rpartition("/")[2]: name
    for name in (
        model_folder.BLIND_SPOTS,
        *(f"{model_folder.TRAINING}/{each}.png" for each in ("sensitivity", "light")),
    )
}
"""Pictures of a model folder that its card shows: the last part of the address, and the file."""


@dataclass(frozen=True)
class Grid:
    """The fraction of plates on which an artificial defect was found, by contrast (rows) and size (columns)."""

    title: str
    sizes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    """Contrast, and for each size the text and the shade 0 to 10."""


@dataclass(frozen=True)
class ModelCard:
    """What a card's page shows."""

    manifest: Manifest
    scores: charts.ScoreChart
    grids: tuple[Grid, ...]
    light: tuple[charts.Bars, ...]
    html: str | None
    """model-card.md as HTML; None when the folder has none."""


@router.get("/models/{model_id}/card")
def card(request: Request, _: Viewer, model_id: str) -> Response:
    """The model card of an available model."""
    folder = station(request).part_types.folder_of(model_id)
    prefix = station(request).settings.public.prefix
    shown = read(folder, f"{prefix}/models/{model_id}/pictures")
    return render(request, "model_card.html", card=shown, model_id=model_id, folder=folder.name, holds=HOLDS)


@router.get("/models/{model_id}/pictures/{name}")
def picture(request: Request, _: Viewer, model_id: str, name: str) -> Response:
    """A picture of a model's card."""
    return send(station(request).part_types.folder_of(model_id), name)


def send(folder: Path | None, name: str) -> Response:
    """A picture of the card of the model in this folder; raises NotFound for any other name."""
    try:
        if folder is None or name not in _PICTURES:
            raise FileNotFoundError
        data = (folder / _PICTURES[name]).read_bytes()
    except OSError as error:
        raise NotFound(f"picture {name[:60]}", "not of this model's card") from error
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


def read(folder: Path, pictures: str) -> ModelCard:
    """The card of a model folder; `pictures` is the address of its pictures. Raises ModelError."""
    manifest = model_folder.load_manifest(folder)
    try:
        text: str | None = (folder / model_folder.CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = None
    return ModelCard(
        manifest,
        charts.scores([plate.score for plate in manifest.calibration], manifest.review, manifest.threshold),
        _grids(manifest),
        tuple(charts.bars(each.name, each.passed, each.review, each.reject) for each in manifest.light),
        None if text is None else html(text, pictures),
    )


def html(text: str, pictures: str) -> str:
    """Markdown as HTML one heading lower, without HTML of its own; other pictures than a card's are left out."""
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        elif token.attrs.pop("style", None):  # of a cell that is aligned right; the pages allow no styles of their own
            token.attrs["class"] = "number"
        token.children = None if token.children is None else [_shown(each, pictures) for each in token.children]
    made = str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))
    return made.replace("<table>", '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>').replace(
        "</table>", "</table></div>"
    )


def _shown(token: Token, pictures: str) -> Token:
    """A picture with its address at the station; another one as its text."""
    if token.type != "image":
        return token
    name = str(token.attrs.get("src", "")).rpartition("/")[2]
    if name not in _PICTURES:
        return Token("text", "", 0, content=token.content)
    token.attrs |= {"src": f"{pictures}/{name}", "loading": "lazy"}
    return token


def _grids(manifest: Manifest) -> tuple[Grid, ...]:
    """One grid for scratches and one for rust spots."""
    found = manifest.sensitivity
    names = (
        ("scratch", f"Scratches, {found.length(found.length_px)} long, by width"),
        ("rust", "Rust spots, by diameter"),
    )
    made = []
    for kind, title in names:
        trials = found.trials(kind)  # type: ignore[arg-type] # the two kinds
        sizes = sorted({trial.size_px for trial in trials})
        by_place = {(trial.contrast, trial.size_px): trial for trial in trials}
        rows = []
        for contrast in contrasts(trials):
            cells = []
            for size in sizes:
                fraction = None if (trial := by_place.get((contrast, size))) is None else trial.fraction
                cells.append(("–", 0) if fraction is None else (percent(round(fraction, 2)), round(10 * fraction)))
            rows.append((percent(contrast), tuple(cells)))
        made.append(Grid(title, tuple(found.length(size) for size in sizes), tuple(rows)))
    return tuple(made)
