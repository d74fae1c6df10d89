"""Verification of a model folder: SHA-256 of every file, and stored plates scored again through every runtime here.

A folder with correct hashes may still not judge: it may give every plate the same numbers, or let every plate pass. So
stored plates must have different scores, and must not PASS with a large square of bright colours painted on them. The
square has to change the map of every memory bank: a graph of texture features that gives the same features for every
photograph does not spoil the score, as the other banks still tell plates apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platewatch.arrays import Photo
from platewatch.errors import ModelError, PlatewatchError, RuntimeUnavailable
from platewatch.inspection import SCHEMA, Verdict
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest, ReplayPlate
from platewatch.model.runtime import RUNTIMES, Runtime, installed
from platewatch.model.scoring import RawNumbers
from platewatch.photographs.preparation import Frame
from platewatch.photographs.region import InspectedFrame
from platewatch.surface.detector import KINDS
from platewatch.surface.fusion import Maps

if TYPE_CHECKING:  # as in _signer
    from platewatch.model.signature import Signer

TOLERANCE = 1e-4
"""Largest allowed relative difference of a raw number from the stored one."""
_MOST_ODD = 0.5  # fraction of the stored plates on which the shape check may find something
_FEWEST = 2  # different stored plates; training stores up to eight
_COLOURS = np.array([(255, 0, 255), (0, 255, 0)], np.uint8)
_LEAST_CHANGE = 0.01  # of a bank's map where a large mark is painted; 1 is the robust 3σ limit of good plates


@dataclass(frozen=True)
class Replay:
    """One stored calibration plate, scored again by one runtime."""

    file: str
    runtime: Runtime
    stored_score: float
    score: float
    difference: float
    """Largest relative difference of the raw numbers."""
    equal: bool
    """No difference above TOLERANCE, and the same verdict."""


@dataclass(frozen=True)
class Verification:
    """The result of `verify` for an undamaged folder."""

    model_id: str
    files: int
    """Number of files whose SHA-256 was checked."""
    versions: dict[str, tuple[str | None, str | None]]
    """For each package the version at training and the version here; None where it was or is not installed."""
    replays: tuple[Replay, ...]
    signer: "Signer | None"
    """Who signed the folder; None when nobody did."""
    faults: tuple[str, ...]
    """Why the model does not distinguish plates, in words; empty when it does."""

    @property
    def equal(self) -> bool:
        """Whether every replay is equal."""
        return all(replay.equal for replay in self.replays)

    @property
    def passed(self) -> bool:
        """Whether every replay is equal and there are no faults."""
        return self.equal and not self.faults

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as in schemas/verification.json."""
        versions = {name: {"trained": pair[0], "here": pair[1]} for name, pair in self.versions.items()}
        signer = self.signer and self.signer.as_dict()
        values = {**asdict(self), "versions": versions, "faults": list(self.faults), "signed_by": signer}
        del values["signer"]
        return {"schema": SCHEMA, **values, "equal": self.equal, "passed": self.passed}


def verify(folder: Path, *, threads: int = 0) -> Verification:
    """Check every SHA-256, then score the stored calibration plates again through every runtime installed here.

    Raises ModelError when the folder is damaged, altered or too new, RuntimeUnavailable without any runtime.
    """
    runtimes = installed() or RUNTIMES[:1]  # loading the first one raises RuntimeUnavailable
    replays, faults = list[Replay](), list[str]()
    try:
        for runtime in runtimes:
            inspector = Inspector(folder, threads=threads, runtime=runtime)
            again = [inspector.replay(plate) for plate in inspector.manifest.replay]
            replays += map(_replay, [inspector] * len(again), inspector.manifest.replay, again, [runtime] * len(again))
            faults += _faults(inspector, again, runtime)
    except (ModelError, RuntimeUnavailable):
        raise
    except Exception as error:  # numbers within their bounds can still make the detectors fail
        what = str(error) if isinstance(error, PlatewatchError) else f"{type(error).__name__}: {error}"
        raise ModelError(folder, f"cannot judge its stored plates ({what[:300]})", remedy="train again") from error
    manifest, here = inspector.manifest, model_folder.versions()
    names = sorted({*manifest.versions, *here})
    return Verification(
        model_id=manifest.model_id,
        files=len(manifest.files),
        versions={name: (manifest.versions.get(name), here.get(name)) for name in names},
        replays=tuple(replays),
        signer=_signer(folder, manifest),
        faults=tuple(faults),
    )


def _signer(folder: Path, manifest: Manifest) -> "Signer | None":
    if not (folder / model_folder.SIGNATURE).exists():
        return None
    from platewatch.model import signature  # noqa: PLC0415 - most folders have none

    return signature.signer(folder, manifest)


def _replay(inspector: Inspector, plate: ReplayPlate, again: RawNumbers, runtime: Runtime) -> Replay:
    decision = inspector.manifest.decision
    before, after = _numbers(plate), _numbers(again)
    pairs = [(then, now) for then, now in zip(before, after, strict=True) if then is not None and now is not None]
    difference = float(np.max([abs(now - then) / max(abs(then), 1e-12) for then, now in pairs]))  # NaN stays NaN
    then, now = decision.score(*before), decision.score(*after)
    same_verdict = decision.verdict(then) is decision.verdict(now)
    return Replay(plate.file, runtime, then, now, difference, same_verdict and difference <= TOLERANCE)


def _faults(inspector: Inspector, again: Sequence[RawNumbers], runtime: Runtime) -> list[str]:
    """Signs that the model does not judge: too few stored plates, equal numbers, marked plates that PASS."""
    manifest = inspector.manifest
    photos = {each.tobytes() for each in map(inspector.stored, manifest.replay)}
    if len(photos) < _FEWEST:
        return [f"{len(photos)} different stored plates, at least {_FEWEST} are needed to verify a model"]
    found = []
    for what in ("surface", *("reconstruction_error",) * manifest.config.skipganomaly):
        if len({getattr(each, what) for each in again}) < len(photos):
            found.append(f"{runtime}: {what.replace('_', ' ')} is the same on different plates")
    if len({manifest.decision.score(*each.numbers) for each in again}) < len(photos):
        found.append(f"{runtime}: the score is the same on different plates")
    size = manifest.config.image_size
    for level, empty in ((0, "black"), (255, "white")):
        if inspector.inspect(np.full((size, size, 3), level, np.uint8)).verdict is Verdict.PASS:
            found.append(f"{runtime}: a {empty} photograph is PASS")
    odd = sum(bool(inspector.findings(plate)) for plate in manifest.replay)
    if odd > _MOST_ODD * len(manifest.replay):
        found.append(f"{runtime}: the shape check finds something on {odd} of {len(again)} stored plates, all good")
    marked = [_measure_marked(inspector, plate) for plate in manifest.replay]
    found += [f"{runtime}: {fault}" for fault in _blind_banks(again, marked)]
    decision = manifest.decision
    passed = sum(decision.verdict(decision.score(*each.numbers)) is Verdict.PASS for each in marked)
    if passed:
        found.append(f"{runtime}: {passed} of {len(again)} plates PASS with a large mark painted on them")
    return found


def _blind_banks(plain: Sequence[RawNumbers], marked: Sequence[RawNumbers]) -> Iterator[str]:
    """Each memory bank whose map of a plate is the same without and with a mark, or is no number."""
    pairs = [(_maps(one), _maps(other)) for one, other in zip(plain, marked, strict=True)]
    for place, kind in enumerate(KINDS[: len(pairs[0][0])]):
        changes = [float(np.abs(after[place] - before[place]).max()) for before, after in pairs]
        blind = sum(not change >= _LEAST_CHANGE for change in changes)  # NaN too
        if blind:
            yield f"the {kind} map of {blind} of {len(pairs)} plates is the same with a large mark painted on them"


def _maps(raw: RawNumbers) -> Maps:
    return () if raw.first is None else raw.first.maps


def _measure_marked(inspector: Inspector, plate: ReplayPlate) -> RawNumbers:
    photo, frame = inspector.seen(inspector.stored(plate), Frame(*plate.frame))
    return inspector.measure(with_mark(photo, frame), frame)


def with_mark(photo: Photo, frame: Frame) -> Photo:
    """A copy of a prepared photograph with a chequered square of bright colours, half as long as the shorter side.

    With a region, all of it is chequered.
    """
    marked = photo.copy()
    side = max(1, min(frame.width, frame.height) // 2)
    if isinstance(frame, InspectedFrame):
        inside = frame.inside(len(photo))
        y, x = np.nonzero(inside)
        marked[inside] = _COLOURS[(y // max(1, side // 8) + x // max(1, side // 8)) % 2]
        return marked
    top, left = frame.top + (frame.height - side) // 2, frame.left + (frame.width - side) // 2
    rows, columns = np.indices((side, side)) // max(1, side // 8)
    marked[top : top + side, left : left + side] = _COLOURS[(rows + columns) % 2]
    return marked


def _numbers(plate: ReplayPlate | RawNumbers) -> tuple[float | None, float | None, float | None]:
    return plate.surface, plate.reconstruction_error, plate.latent_error
