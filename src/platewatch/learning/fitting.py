"""Training of a model: fits both phases, scores every good plate out of fold, sets the limits, writes the model folder.

The final detectors are fitted to all plates. The limits come from out-of-fold scores: a plate is scored by the surface
without its patches and by a network trained without its fold, through the same export and runtime as on the line.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from platewatch import files
from platewatch.arrays import Doubles
from platewatch.config import TILE, Config
from platewatch.decision import calibration
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity
from platewatch.decision.verdict import Decision
from platewatch.decision.weighing import Weighing
from platewatch.errors import InputError, OutputError, RuntimeUnavailable
from platewatch.evaluation import blind_spot_pictures, model_card
from platewatch.evaluation.blind_spot_pictures import Example
from platewatch.learning import fusing, out_of_fold, regions, sensitivity_trials
from platewatch.learning.out_of_fold import Detectors, OutOfFold
from platewatch.learning.preflight import GoodPlates, Preflight
from platewatch.learning.regions import Wanted
from platewatch.model import model_folder, region_file, scoring, shape_file, thread_limits
from platewatch.model.model_folder import CalibrationPlate, Manifest, ReplayPlate
from platewatch.model.runtime import FeatureNetwork
from platewatch.model.scoring import Checks, RawNumbers
from platewatch.model.texture import TextureFeatures
from platewatch.photographs import likeness, reading, robust, shape_limits, thumbnails
from platewatch.photographs.part_frame import Template
from platewatch.photographs.part_shape import ShapeCheck
from platewatch.photographs.region import Region
from platewatch.progress import Progress
from platewatch.surface import detector
from platewatch.surface.detector import Surface

if TYPE_CHECKING:  # needs torch
    from platewatch.learning.phase_two import PhaseTwo

_REPLAYED = 8  # plates stored for `verify`
_EXAMPLE, _QUALITY, _EXAMPLES = 320, 70, 256 * 1024  # side in px and quality of a good example; bytes of all


@dataclass(frozen=True)
class Calibrated:
    """Limits, scores and trials that come from the good plates' out-of-fold numbers."""

    raw: OutOfFold
    decision: Decision
    scores: Doubles
    """Each good plate's out-of-fold score, (N,) float64."""
    checks: Checks
    sensitivity: Sensitivity
    examples: tuple[Example, ...]
    """Weak defects that were found, and strong ones that were missed."""
    light: tuple[Illumination, ...]


@dataclass(frozen=True)
class _Final:
    """The detectors that are fitted to all plates."""

    surface: Surface
    weighing: Weighing | None
    graph: bytes | None
    """The network of the texture features, an ONNX file."""
    second: "PhaseTwo | None"
    inspected: "_Inspected"


class _Inspected(NamedTuple):
    """What is inspected, and the shape check, which no trial uses."""

    shape: ShapeCheck | None
    region: Region | None
    source: str


def fit(
    found: Preflight,
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    held: Manifest | None = None,
    wanted: Wanted | None = None,
    progress: Progress,
) -> Manifest:
    """Train on the good plates and write the model folder `out`; on failure no folder is left.

    No limit is looser than those of `held`, the model that this one is to replace. Detectors see the `wanted` region
    alone; InputError when it does not fit the photographs, or there is a phase two, which takes whole ones.

    An interrupted training leaves its checkpoints beside `out`. With `resume` it continues from them and gives the
    model of an uninterrupted training. Raises OutputError when `out` is in use or cannot be written, CalibrationError
    when the scores allow no limits, ModelError when the parity check fails.
    """
    check_installed(config)
    check_free(out, resume=resume)
    thread_limits.limit_threads()
    check_region(wanted, config)
    shape = _shape(found.plates, found.groups.numbers, held, regions.template(wanted))
    if config.part_mm is not None and (shape is None or not shape.good.template.four_sided):
        what = "the good parts have no common pose with four sides, so their size gives no scale"
        raise InputError("--part-mm", what, remedy="pass --mm-per-px, which the command scale measures")
    plates, region = regions.within(found.plates, wanted, shape)
    found = replace(found, plates=plates)
    config = replace(config, bits=plates.bits)  # the manifest tells the line
    second = _train_second(found, config, checkpoint_folder(out), progress) if config.skipganomaly else None
    progress("fitting the surface detector", 0, 1)
    graph, texture = _texture(plates, config)
    fitted = detector.fit_unscaled(plates.photos, config.seed, config.surface, plates.insides(), texture)
    progress("fitting the surface detector", 1, 1)
    fitted, weighing = fusing.set_weights(plates, found.groups.numbers, fitted, config, progress)
    with files.whole_folder(out, remedy="free space or check it") as folder:
        detectors = Detectors(fitted, found.groups.numbers, second.export_folds(progress) if second else ())
        calibrated = _calibrate(plates, detectors, config, progress, held, groups=found.groups.numbers)
        progress("writing the model", 0, 1)
        inspected = _Inspected(shape, region, wanted.source if wanted else "")
        final = _Final(fitted, weighing, graph, second, inspected)
        manifest = _write(folder, found, final, calibrated, config)
        progress("writing the model", 1, 1)
    shutil.rmtree(checkpoint_folder(out), ignore_errors=True)
    return manifest


def _train_second(found: Preflight, config: Config, checkpoints: Path, progress: Progress) -> "PhaseTwo":
    """The trained networks of phase two; an interruption leaves their checkpoints."""
    from platewatch.learning import phase_two  # noqa: PLC0415 - needs torch, which phase one alone does not

    held_out = calibration.folds(found.groups.numbers, config.calibration.folds, config.seed)
    _make(checkpoints)
    try:
        return phase_two.train(found.plates, held_out, config, checkpoints, progress)
    finally:
        with suppress(OSError):
            checkpoints.rmdir()  # only if there is no checkpoint in it


def _texture(plates: GoodPlates, config: Config) -> tuple[bytes | None, TextureFeatures | None]:
    """The graph of the texture features and what runs it; None without a backbone."""
    if not config.has_texture:
        return None, None
    from platewatch.backbone import export  # noqa: PLC0415 - needs torch, which --backbone none does not

    side = min(TILE, config.image_size)
    settings = {"side": side, "length": config.surface.texture_length, "seed": config.seed}
    graph = export.export(config.backbone, plates.photos, plates.insides(), **settings)
    return graph, TextureFeatures(FeatureNetwork(graph, threads=1))


def check_installed(config: Config) -> None:
    """Raise RuntimeUnavailable, before any work, when a package that this training needs is not installed.

    Raises InputError when the backbone's weights are not the expected ones.
    """
    try:
        if config.skipganomaly:
            from platewatch.learning import phase_two  # noqa: F401, PLC0415 - as in _train_second
        if config.has_texture:
            from platewatch.backbone import weights  # noqa: PLC0415 - as in _texture

            weights.stages(config.backbone)
    except ModuleNotFoundError as error:
        remedy = "pip install 'platewatch[train,backbone]', or train with --preset surface --backbone none"
        raise RuntimeUnavailable("", f"{error.name} is not installed, which training needs", remedy=remedy) from error


def check_region(wanted: Wanted | None, config: Config) -> None:
    """Raise InputError for a region with a phase two, which takes whole photographs."""
    if wanted is not None and config.skipganomaly:
        raise InputError(wanted.source, "phase two takes whole photographs", remedy="train with --preset surface")


def checkpoint_folder(out: Path) -> Path:
    """The folder for the checkpoints of an unfinished training of the model folder `out`."""
    out = out.resolve()  # `.` has no name
    return out.with_name(f".{out.name}.checkpoint")


def check_free(out: Path, *, resume: bool) -> None:
    """Raise OutputError when `out` is in use, or when it has an unfinished training and `resume` is False."""
    files.refuse_used(out)
    folder = checkpoint_folder(out)
    if folder.exists() and not resume:
        raise OutputError(
            folder, "an unfinished training", remedy="pass --resume to go on with it, or remove that folder"
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            folder, f"cannot be made ({error.strerror})", remedy="check the folder that --out names"
        ) from error


def _calibrate(
    plates: GoodPlates,
    detectors: Detectors,
    config: Config,
    progress: Progress,
    held: Manifest | None = None,
    *,
    groups: Sequence[int] | None = None,
) -> Calibrated:
    """Set the limits from out-of-fold scores, then run the sensitivity trials with these limits."""
    raw = out_of_fold.score(plates, detectors, config, progress)
    decision, scores = _decide(raw, config, groups)
    trial, checks = plates.checks(), (plates.whole or plates).checks()
    if held is not None:
        trial, checks = trial if plates.whole else trial.stricter(held.checks), checks.stricter(held.checks)
        limits = min(decision.review, held.review), min(decision.threshold, held.threshold)
        decision = replace(decision, review=limits[0], threshold=limits[1])
    judge = out_of_fold.judge(plates, detectors, decision, trial)
    undamaged = [decision.verdict(score) for score in scores]
    tried = sensitivity_trials.try_defects(plates, undamaged, judge, config, progress)
    found = sensitivity_trials.summarise(plates, undamaged, tried, config)
    examples = sensitivity_trials.examples(plates, tried, found, config)
    light = sensitivity_trials.illumination_trials(plates, undamaged, judge, config, progress)
    return Calibrated(raw, decision, scores, checks, found, examples, light)


def _shape(
    plates: GoodPlates, groups: Sequence[int], held: Manifest | None, template: Template | None
) -> ShapeCheck | None:
    """The shape check of the good parts, no looser than that of the `held` model."""
    photos = [frame.cut(photo) for photo, frame in zip(plates.photos, plates.frames, strict=True)]
    found = shape_limits.learn(photos, groups, template)
    if found is None or held is None or held.shape is None:
        return found
    return replace(found, limits=shape_limits.stricter(found.limits, held.shape))


def _decide(raw: OutOfFold, config: Config, groups: Sequence[int] | None) -> tuple[Decision, Doubles]:
    """The Decision from out-of-fold numbers, and each good plate's score with it, (N,) float64."""
    weighted = _weigh(raw) if config.skipganomaly else Decision(None, None, None, weight=1, review=0, threshold=0)
    scores = np.array([weighted.score(*numbers) for numbers in raw.good])
    rates = config.calibration.review_rate, config.calibration.false_alarm_rate
    review, threshold = calibration.limits(scores, *rates, groups)
    return replace(weighted, review=review, threshold=threshold), scores


def _weigh(raw: OutOfFold) -> Decision:
    """The Decision without its limits: alpha, phase two's scales, and the weight of phase one."""
    alpha = calibration.choose_weight(raw.good[:, 1:], raw.artificial[:, 1:])
    scale = robust.limit(raw.good[:, 1:] @ [alpha, 1 - alpha])
    map_scale = robust.limit(raw.map_score)
    equal = Decision(alpha, scale, map_scale, weight=0.5, review=0, threshold=0)
    phases = [
        np.array([[first, equal.network_score(*errors)] for first, *errors in each])
        for each in (raw.good, raw.artificial)
    ]
    return replace(equal, weight=calibration.choose_weight(*phases, alone=True))


def _write(folder: Path, found: Preflight, final: _Final, calibrated: Calibrated, config: Config) -> Manifest:
    inspected = final.inspected
    plates, fitted, second, decision = found.plates, final.surface, final.second, calibrated.decision
    if final.graph is not None:
        (folder / model_folder.BACKBONE).write_bytes(final.graph)
    np.savez_compressed(folder / model_folder.SURFACE, allow_pickle=False, **fitted.arrays())
    if inspected.shape is not None:
        shape_file.write(folder / model_folder.SHAPE, inspected.shape.good)
    if inspected.region is not None:
        region_file.write(folder / model_folder.REGION, inspected.region)
    network = second.write(folder) if second else None
    numbers = [scoring.measure(fitted, network, *pair) for pair in zip(plates.photos, plates.frames, strict=True)]
    if second:
        second.check_parity(numbers, decision)
    scores = zip(
        *(plates.paths, plates.sha256, calibrated.scores, calibrated.raw.good, found.groups.names), strict=True
    )
    manifest = Manifest(
        format=model_folder.FORMAT,
        config=config,
        decision=decision,
        quality_limits=calibrated.checks.quality,
        completeness=calibrated.checks.completeness,
        shape=inspected.shape.limits if inspected.shape else None,
        region=region_file.settings(inspected.region, _text(inspected.source)) if inspected.region else None,
        promise=calibration.false_alarm_bound(
            calibrated.scores, decision.threshold, config.calibration.false_alarm_rate, found.groups.numbers
        ),
        sensitivity=calibrated.sensitivity,
        light=calibrated.light,
        calibration=tuple(
            CalibrationPlate(_text(path.name), sha256, float(score), float(seen[0]), *_errors(seen[1:]), _text(group))
            for path, sha256, score, seen, group in scores
        ),
        grouping=_text(found.groups.rule),
        training_errors=tuple(
            (each.second.reconstruction_error, each.second.latent_error) for each in numbers if each.second
        ),
        replay=_store_replay(folder, plates, numbers),
        versions=model_folder.versions(),
        files={},
        weighing=final.weighing,
    )
    if second and network:
        second.draw(folder / model_folder.TRAINING, network, calibrated.sensitivity, calibrated.light)
    _store_examples(folder, plates, config.examples)
    if calibrated.examples:
        (folder / model_folder.BLIND_SPOTS).write_bytes(blind_spot_pictures.png(calibrated.examples))
    outliers = [(_text(path.name), why) for path, why in found.outliers]
    model_card.write(folder, manifest, outliers)
    manifest = replace(manifest, files=model_folder.files(folder))
    model_folder.write_manifest(folder, manifest)
    return manifest


def _store_examples(folder: Path, plates: GoodPlates, most: int) -> None:
    """Store small pictures of good plates that stand for all of them, 256 KiB in all at most."""
    photos = [frame.cut(photo) for photo, frame in zip(plates.photos, plates.frames, strict=True)]
    left = _EXAMPLES
    for plate in likeness.spread(photos, most):
        data = thumbnails.webp(photos[plate], _EXAMPLE, _QUALITY)
        left -= len(data)
        if left < 0:
            break
        place = folder / model_folder.EXAMPLES
        place.mkdir(exist_ok=True)
        (place / f"{plate:03d}.webp").write_bytes(data)


def _errors(found: Doubles) -> tuple[float | None, float | None]:
    """Reconstruction and latent error; None without phase two, where both are NaN."""
    reconstruction_error, latent_error = (None if np.isnan(each) else float(each) for each in found)
    return reconstruction_error, latent_error


def _text(name: str) -> str:
    """A file name that JSON can hold: bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode(errors="replace")


def _store_replay(folder: Path, plates: GoodPlates, numbers: Sequence[RawNumbers]) -> tuple[ReplayPlate, ...]:
    """Store a few plates, evenly spread over the order of their surface scores, for `verify`."""
    (folder / model_folder.REPLAY).mkdir()
    whole = plates.whole or plates
    order = np.argsort(np.array([each.surface for each in numbers], float), kind="stable")
    chosen = sorted({int(order[place]) for place in np.linspace(0, len(order) - 1, _REPLAYED).round().astype(int)})
    stored = []
    for plate in chosen:
        file = f"{model_folder.REPLAY}/{plate:03d}.png"
        reading.write_png(folder / file, whole.photos[plate])
        surface, *errors = numbers[plate].numbers
        assert surface is not None  # noqa: S101 - all phases were run
        stored.append(ReplayPlate(file, astuple(whole.frames[plate]), surface, *errors))
    return tuple(stored)
