"""Training of a model: fits both phases, scores every good plate out of fold, sets the limits, writes the model folder.

The final detectors are fitted to all plates. The limits come from out-of-fold scores: a plate is scored by the surface
without its patches and by a network trained without its fold, through the same export and runtime as on the line.
"""

import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np

from platewatch import files, robust
from platewatch.arrays import Doubles, Indices, Photos
from platewatch.config import Config
from platewatch.decision import calibration
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity
from platewatch.decision.verdict import Decision
from platewatch.errors import ModelError, OutputError
from platewatch.evaluation import model_card, plots, sensitivity_plots
from platewatch.learning import out_of_fold, sensitivity_trials
from platewatch.learning.out_of_fold import PARITY, Detectors, OutOfFold
from platewatch.learning.preflight import GoodPlates, Preflight
from platewatch.model import model_folder, scoring, thread_limits
from platewatch.model.model_folder import CalibrationPlate, Manifest, ReplayPlate
from platewatch.model.runtime import Network
from platewatch.model.scoring import Checks, RawNumbers
from platewatch.model.thread_limits import cores
from platewatch.photographs import preparation, reading
from platewatch.progress import Progress
from platewatch.skipganomaly import export
from platewatch.skipganomaly.network import Scorer
from platewatch.skipganomaly.training import Trained, fit_network
from platewatch.surface import detector
from platewatch.surface.detector import Surface

_REPLAYED = 8  # plates stored for `verify`


@dataclass(frozen=True)
class Calibrated:
    """Limits, scores and trials that come from the good plates' out-of-fold numbers."""

    raw: OutOfFold
    decision: Decision
    scores: Doubles
    """Each good plate's out-of-fold score, (N,) float64."""
    checks: Checks
    sensitivity: Sensitivity
    light: tuple[Illumination, ...]


def fit(
    found: Preflight,
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    held: Manifest | None = None,
    progress: Progress,
) -> Manifest:
    """Train on the good plates and write the model folder `out`; on failure no folder is left.

    No limit is looser than those of `held`, the model that this one is to replace.

    An interrupted training leaves its checkpoints beside `out`. With `resume` it continues from them and gives the
    model of an uninterrupted training. Raises OutputError when `out` is in use or cannot be written, CalibrationError
    when the scores allow no limits, ModelError when the parity check fails.
    """
    check_free(out, resume=resume)
    thread_limits.limit_threads()
    plates = found.plates
    config = replace(config, bits=plates.bits)  # the manifest tells the line
    held_out = calibration.folds(found.groups.numbers, config.calibration.folds, config.seed)
    checkpoints = _make(checkpoint_folder(out))
    try:
        networks = _train_all(plates, held_out, config, checkpoints, progress)
    finally:
        with suppress(OSError):
            checkpoints.rmdir()  # only if there is no checkpoint in it
    progress("fitting the surface detector", 0, 1)
    fitted = detector.fit(plates.photos, config.seed, config.surface, found.groups.numbers)
    progress("fitting the surface detector", 1, 1)
    with files.whole_folder(out, remedy="free space or check it") as folder:
        trained = list(zip(held_out, networks[1:], strict=True))
        detectors = out_of_fold.detectors(found, trained, fitted, config, progress)
        calibrated = _calibrate(plates, detectors, config, progress, held, groups=found.groups.numbers)
        progress("writing the model", 0, 1)
        manifest = _write(folder, found, (fitted, networks[0]), calibrated, config)
        progress("writing the model", 1, 1)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return manifest


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


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            folder, f"cannot be made ({error.strerror})", remedy="check the folder that --out names"
        ) from error
    return folder


def _train_all(
    plates: GoodPlates, held_out: tuple[Indices, ...], config: Config, checkpoints: Path, progress: Progress
) -> list[Trained]:
    """Train the final network and one network per fold, in parallel on all cores, each on one thread."""
    numbers = np.arange(len(plates.photos))
    parts = [numbers, *(np.delete(numbers, fold) for fold in held_out)]
    frames = [preparation.frame(*size, config.network.resolution) for size in plates.sizes]
    done = [0] * len(parts)
    stop, lock = threading.Event(), threading.Lock()

    def train(number: int) -> Trained:
        def on_epoch(epoch: int, _losses: dict[str, float]) -> None:
            with lock:
                done[number] = epoch
                progress("training networks", sum(done), config.training.epochs * len(parts))

        def on_step() -> None:
            if stop.is_set():
                raise KeyboardInterrupt

        return fit_network(
            plates.photos[parts[number]],
            config,
            seed=1000 * config.seed + number,  # fewer than 1000 folds: no two networks share a seed
            frames=[frames[plate] for plate in parts[number]],
            checkpoint=checkpoints / f"network-{number}.safetensors",
            on_epoch=on_epoch,
            on_step=on_step,
        )

    with ThreadPoolExecutor(max_workers=cores()) as pool:
        runs = [pool.submit(train, number) for number in range(len(parts))]
        try:
            wait(runs, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # trainings still running end at their next step
            pool.shutdown(cancel_futures=True)
    failures = [run.exception() for run in runs if not run.cancelled()]
    for failure in sorted((each for each in failures if each), key=lambda each: isinstance(each, KeyboardInterrupt)):
        raise failure
    return [run.result() for run in runs]


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
    checks = plates.checks()
    if held is not None:
        checks = checks.stricter(held.checks)
        limits = min(decision.review, held.review), min(decision.threshold, held.threshold)
        decision = replace(decision, review=limits[0], threshold=limits[1])
    judge = out_of_fold.judge(plates, detectors, decision, checks)
    undamaged = [decision.verdict(score) for score in scores]
    found = sensitivity_trials.defect_trials(plates, undamaged, judge, config, progress)
    light = sensitivity_trials.illumination_trials(plates, undamaged, judge, config, progress)
    return Calibrated(raw, decision, scores, checks, found, light)


def _decide(raw: OutOfFold, config: Config, groups: Sequence[int] | None) -> tuple[Decision, Doubles]:
    """The Decision from out-of-fold numbers, and each good plate's score with it, (N,) float64."""
    alpha = calibration.choose_weight(raw.good[:, 1:], raw.artificial[:, 1:])
    scale = robust.limit(raw.good[:, 1:] @ [alpha, 1 - alpha])
    map_scale = robust.limit(raw.map_score)
    equal = Decision(alpha, scale, map_scale, weight=0.5, review=0, threshold=0)
    phases = [
        np.array([[first, equal.network_score(*errors)] for first, *errors in each])
        for each in (raw.good, raw.artificial)
    ]
    weighted = replace(equal, weight=calibration.choose_weight(*phases, alone=True))
    scores = np.array([weighted.score(*numbers) for numbers in raw.good])
    rates = config.calibration.review_rate, config.calibration.false_alarm_rate
    review, threshold = calibration.limits(scores, *rates, groups)
    return replace(weighted, review=review, threshold=threshold), scores


def _write(
    folder: Path, found: Preflight, final: tuple[Surface, Trained], calibrated: Calibrated, config: Config
) -> Manifest:
    plates, (fitted, trained), decision = found.plates, final, calibrated.decision
    np.savez_compressed(folder / model_folder.SURFACE, allow_pickle=False, **fitted.arrays())
    export.export(trained, config, folder / model_folder.NETWORK, plates.photos[:PARITY])
    network = Network(folder / model_folder.NETWORK)
    numbers = [scoring.measure(fitted, network, *pair) for pair in zip(plates.photos, plates.frames, strict=True)]
    _check_parity(trained, config, plates.photos, numbers, decision)
    seen = np.column_stack([calibrated.scores, calibrated.raw.good]).tolist()
    scores = zip(plates.paths, plates.sha256, seen, found.groups.names, strict=True)
    manifest = Manifest(
        format=model_folder.FORMAT,
        config=config,
        decision=decision,
        quality_limits=calibrated.checks.quality,
        completeness=calibrated.checks.completeness,
        promise=calibration.false_alarm_bound(
            calibrated.scores, decision.threshold, config.calibration.false_alarm_rate, found.groups.numbers
        ),
        sensitivity=calibrated.sensitivity,
        light=calibrated.light,
        calibration=tuple(
            CalibrationPlate(_text(path.name), sha256, one, two, three, four, _text(group))
            for path, sha256, (one, two, three, four), group in scores
        ),
        grouping=_text(found.groups.rule),
        training_errors=tuple((each.reconstruction_error, each.latent_error) for each in numbers),
        replay=_store_replay(folder, plates, numbers),
        versions=model_folder.versions(),
        files={},
    )
    (folder / model_folder.TRAINING).mkdir()
    _draw(folder / model_folder.TRAINING, trained, network, plates, calibrated)
    outliers = [(_text(path.name), why) for path, why in found.outliers]
    model_card.write(folder, manifest, outliers)
    manifest = replace(manifest, files=model_folder.files(folder))
    model_folder.write_manifest(folder, manifest)
    return manifest


def _text(name: str) -> str:
    """A file name that JSON can hold: bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode(errors="replace")


def _check_parity(
    trained: Trained, config: Config, photos: Photos, numbers: Sequence[RawNumbers], decision: Decision
) -> None:
    """Raise ModelError if the verdict on any training plate differs between torch and the runtime."""
    scorer = Scorer(trained.generator, trained.discriminator, trained.mean, config)
    expected = export.run_torch(scorer, photos)
    for plate, seen in enumerate(numbers):
        errors = float(expected.reconstruction_error[plate]), float(expected.latent_error[plate])
        by_torch = decision.verdict(decision.score(seen.surface, *errors))
        by_runtime = decision.verdict(decision.score(seen.surface, seen.reconstruction_error, seen.latent_error))
        if by_torch is not by_runtime:
            raise ModelError(
                "export",
                f"training plate {plate} is {by_torch} by torch and {by_runtime} by ONNX Runtime",
                remedy="nothing was written: train again, and report it if it stays",
            )


def _store_replay(folder: Path, plates: GoodPlates, numbers: Sequence[RawNumbers]) -> tuple[ReplayPlate, ...]:
    """Store a few plates, evenly spread over the order of their surface scores, for `verify`."""
    (folder / model_folder.REPLAY).mkdir()
    order = np.argsort([each.surface for each in numbers], kind="stable")
    chosen = sorted({int(order[place]) for place in np.linspace(0, len(order) - 1, _REPLAYED).round().astype(int)})
    stored = []
    for plate in chosen:
        file = f"{model_folder.REPLAY}/{plate:03d}.png"
        reading.write_png(folder / file, plates.photos[plate])
        seen = numbers[plate]
        raw = seen.surface, seen.reconstruction_error, seen.latent_error
        stored.append(ReplayPlate(file, astuple(plates.frames[plate]), *raw))
    return tuple(stored)


def _draw(folder: Path, trained: Trained, network: Network, plates: GoodPlates, calibrated: Calibrated) -> None:
    """Write the plots as PNG: sensitivity, illumination, loss curves, reconstructions beside their originals."""
    sensitivity_plots.sensitivity(calibrated.sensitivity).savefig(folder / "sensitivity.png", dpi=144)
    sensitivity_plots.illumination(calibrated.light).savefig(folder / "light.png", dpi=144)
    shown = plates.photos[np.linspace(0, len(plates.photos) - 1, 4).round().astype(int)]
    plots.losses({"final network": trained.history}).savefig(folder / "losses.png")
    reconstructed = network.reconstruct(shown)
    originals = [preparation.prepare(photo, reconstructed.shape[1]) for photo in shown]
    plots.reconstructions(originals, list(reconstructed)).savefig(folder / "reconstructions.png", dpi=72)
