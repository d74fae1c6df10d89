"""Is this model folder whole, and does it still say here what it said where it was trained?"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platewatch.inspection import SCHEMA
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import ReplayPlate
from platewatch.model.runtime import RUNTIMES, Runtime, installed
from platewatch.model.scoring import RawNumbers

TOLERANCE = 1e-4
"""Largest relative difference of a replayed number from the stored one."""


@dataclass(frozen=True)
class Replay:
    """One stored calibration plate, computed again."""

    file: str
    runtime: Runtime
    stored_score: float
    score: float
    difference: float
    """Largest relative difference of the three raw numbers."""
    equal: bool
    """No difference above TOLERANCE, and the same verdict."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found; a folder that is not whole raises ModelError instead."""

    model_id: str
    files: int
    """Files whose SHA-256 was checked."""
    versions: dict[str, tuple[str | None, str | None]]
    """For each package the version at training and the one here; None where there is none."""
    replays: tuple[Replay, ...]

    @property
    def equal(self) -> bool:
        """Whether every replayed plate came out as it was stored."""
        return all(replay.equal for replay in self.replays)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        versions = {name: {"trained": pair[0], "here": pair[1]} for name, pair in self.versions.items()}
        return {"schema": SCHEMA, **asdict(self), "versions": versions, "equal": self.equal}


def verify(folder: Path, *, threads: int = 0) -> Verification:
    """Check every hash, then replay the stored calibration plates through every runtime that is installed here.

    Raises ModelError when the folder is damaged, altered or too new, RuntimeUnavailable without any runtime.
    """
    runtimes = installed() or RUNTIMES[:1]  # the first one says what to install
    inspectors = {name: Inspector(folder, threads=threads, runtime=name) for name in runtimes}
    manifest = inspectors[runtimes[0]].manifest
    here = model_folder.versions()
    names = sorted({*manifest.versions, *here})
    return Verification(
        model_id=manifest.model_id,
        files=len(manifest.files),
        versions={name: (manifest.versions.get(name), here.get(name)) for name in names},
        replays=tuple(_replay(inspectors[name], plate, name) for name in runtimes for plate in manifest.replay),
    )


def _replay(inspector: Inspector, plate: ReplayPlate, runtime: Runtime) -> Replay:
    decision, again = inspector.manifest.decision, inspector.replay(plate)
    before, after = _numbers(plate), _numbers(again)
    pairs = zip(before, after, strict=True)
    difference = max(abs(now - then) / max(abs(then), 1e-12) for then, now in pairs)
    then, now = decision.score(*before), decision.score(*after)
    same_verdict = decision.verdict(then) is decision.verdict(now)
    return Replay(plate.file, runtime, then, now, difference, same_verdict and difference <= TOLERANCE)


def _numbers(plate: ReplayPlate | RawNumbers) -> tuple[float, float, float]:
    return plate.surface, plate.reconstruction_error, plate.latent_error
