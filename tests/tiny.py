"""One tiny model for the whole suite: synthetic plates, two epochs, three small networks, with spies on the way."""

import fcntl
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import measuring
from platewatch import config
from platewatch.arrays import Array
from platewatch.config import Config
from platewatch.learning import fitting, fusing, preflight
from platewatch.model import runtime, scoring
from platewatch.photographs import data_sets
from platewatch.progress import Progress, silent
from platewatch.skipganomaly import export, training
from platewatch.skipganomaly.network import Scorer
from platewatch.surface import detector
from platewatch.synthetic import rendered_plates

TEST = {"good": 3, "major_rust": 1, "scratches": 1, "total_rust": 1}
GOOD = 10


def settings(**changes: Any) -> Config:
    """The configuration of the tiny model."""
    values: dict[str, Any] = {
        "backbone": "none",
        "image_size": 96,
        "min_images": 8,
        "network": {"resolution": 32, "encoder": (8, 16), "discriminator": (8, 16), "feature_size": 8, "cut_skips": 1},
        "training": {"epochs": 2},
        "calibration": {"folds": 2},
        "sensitivity": {
            "widths": (1.0, 8.0),
            "diameters": (3.0, 24.0),
            "contrasts": (0.1, 0.6),
            "plates": 4,
            "brightnesses": (0.8,),
            "structural_diameters": (12.0,),
            "strengths": (1.0,),
            "structural_plates": 2,
        },
    }
    return config.preset(changes.pop("preset", "fast"), **(values | changes))


def render(data: Path) -> None:
    rendered_plates.render_set(data, good=GOOD, test=TEST, size=128, seed=1)


def learn(data: Path, out: Path, *, resume: bool = False, progress: Progress = silent, **changes: Any) -> None:
    """What `platewatch train` does."""
    chosen = settings(**changes)
    found = preflight.look(preflight.read(data_sets.training(data), chosen, progress), chosen)
    fitting.fit(found, chosen, out, resume=resume, progress=progress)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shared(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that one of pytest's workers builds and all of them read; what builds it has tests of its own."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = factory.mktemp(name)
        with measuring.unmeasured():
            build(folder)
        return folder
    folder = factory.getbasetemp().parent / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            folder.mkdir()
            with measuring.unmeasured():
                build(folder)
            (folder / "built").touch()
    return folder


def trace_once(graphs: Path, patch: pytest.MonkeyPatch) -> None:
    """Keep every exported graph by the hash of its weights: tracing takes seconds, and the same weights give the same
    bytes (test_export.py holds that)."""
    graphs.mkdir(exist_ok=True)
    trace = export._graph

    def traced(scorer: Scorer, config: Config) -> bytes:
        digest = hashlib.sha256(repr((config.image_size, scorer.resolution, scorer.pooled_places)).encode())
        state: dict[str, Tensor] = scorer.state_dict()
        for name, tensor in state.items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        kept = graphs / digest.hexdigest()
        if not kept.exists():
            graph = trace(scorer, config)
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_bytes(graph)
            partial.replace(kept)
        return kept.read_bytes()

    patch.setattr(export, "_graph", traced)


def _shown(left: detector.Surface, fitted: detector.Surface) -> list[int]:
    """The numbers of the photographs that the patches in `left` are from, found by comparing bytes with `fitted`."""
    assert fitted.coresets is not None
    numbers = set()
    for bank, coreset in zip(left.banks, fitted.coresets, strict=True):
        of = {patch.tobytes(): int(number) for patch, number in zip(coreset.sample, coreset.numbers, strict=True)}
        numbers |= {of[patch.tobytes()] for patch in bank.patches}
    return sorted(numbers)


class Spy:
    """Records which plates each detector was fitted to and scored; a plate is the SHA-256 of its prepared pixels."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.scored: list[dict[str, Any]] = []
        """For each photograph scored: its plate, the change applied, the plates that surface and network were fitted
        to, and the raw numbers, None for what was not computed."""
        self._shows: dict[str, tuple[str, str]] = {}  # changed photograph → its original, and the change
        self._seen_by: dict[int, list[str]] = {}  # id of a Surface, Trained or Network → plates
        self._by_path: dict[str, list[str]] = {}
        self._alive: list[object] = []  # ids stay unique while the objects live
        self._install(patch)

    def _install(self, patch: pytest.MonkeyPatch) -> None:
        fit_surface, weigh, leave_out, fit_network, write, network = (
            detector.fit_unscaled,
            fusing.set_weights,
            detector.Surface.without,
            training.fit_network,
            export.export,
            runtime.Network,
        )

        def spied_surface(photos: Array, *rest: Any) -> Any:
            return self._note(fit_surface(photos, *rest), _hashes(photos))

        def spied_weighing(plates: Any, groups: Any, fitted: Any, *rest: Any) -> Any:
            weighed, chosen = weigh(plates, groups, fitted, *rest)
            return self._note(weighed, self._seen_by[id(fitted)]), chosen

        def spied_leaving_out(fitted: Any, photos: Any) -> Any:
            left = leave_out(fitted, photos)
            known = self._seen_by.get(id(fitted))  # none while `fit` itself leaves out one by one
            return left if known is None else self._note(left, [known[each] for each in _shown(left, fitted)])

        def spied_training(photos: Array, *rest: Any, **options: Any) -> Any:
            return self._note(fit_network(photos, *rest, **options), _hashes(photos))

        def spied_export(trained: Any, chosen: Config, path: Path, photos: Array) -> Any:
            self._by_path[str(path)] = self._seen_by[id(trained)]
            return write(trained, chosen, path, photos)

        def spied_network(path: Path) -> Any:
            return self._note(network(path), self._by_path[str(path)])

        patch.setattr("platewatch.surface.detector.fit_unscaled", spied_surface)
        patch.setattr("platewatch.learning.fusing.set_weights", spied_weighing)
        patch.setattr("platewatch.surface.detector.Surface.without", spied_leaving_out)
        patch.setattr("platewatch.learning.phase_two.fit_network", spied_training)
        patch.setattr("platewatch.skipganomaly.export.export", spied_export)
        patch.setattr("platewatch.learning.phase_two.Network", spied_network)
        patch.setattr("platewatch.model.scoring.measure", self._heard(scoring.measure))
        for room, name in (
            ("learning.out_of_fold", "hard_defect"),
            *(("learning.sensitivity_trials", each) for each in ("scratch", "rust", "sized_defect", "relight")),
        ):
            patch.setattr(f"platewatch.{room}.{name}", self._watched(getattr(sys.modules[f"platewatch.{room}"], name)))

    def _heard(self, judge: Callable[..., Any]) -> Callable[..., Any]:
        """`judge`, which also records the plate and what its detectors were fitted to."""

        def heard(fitted: Any, scorer: Any, photo: Array, *rest: Any) -> Any:
            photograph = _hashes(photo[None])[0]
            plate, change = self._shows.get(photograph, (photograph, None))
            seen = {"surface": self._seen_by[id(fitted)], "network": self._seen_by[id(scorer)]}
            found = judge(fitted, scorer, photo, *rest)
            self.scored.append({"plate": plate, "changed": change, "numbers": list(found.numbers), **seen})
            return found

        return heard

    def _watched(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """`change`, with a note of which photograph it made which of."""

        def watched(photo: Array, *rest: Any, **options: Any) -> Any:
            made = change(photo, *rest, **options)
            changed = made[0] if isinstance(made, tuple) else made
            self._shows[_hashes(changed[None])[0]] = _hashes(photo[None])[0], change.__name__
            return made

        return watched

    def _note(self, made: Any, plates: list[str]) -> Any:
        self._alive.append(made)
        self._seen_by[id(made)] = plates
        return made


def _hashes(photos: Array) -> list[str]:
    return [hashlib.sha256(photo.tobytes()).hexdigest() for photo in photos]


class OpenedFiles:
    """Records every file and folder that is opened below one folder, and every connection, while `on` is true."""

    def __init__(self, folder: Path) -> None:
        self.on, self.touched, self.connected = True, list[str](), list[str]()
        self._folder = str(folder)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, details: tuple[Any, ...]) -> None:
        if self.on and event == "socket.connect":
            self.connected.append(repr(details[1]))
        if self.on and event in ("open", "os.listdir", "os.scandir") and details and isinstance(details[0], str | Path):
            path = str(details[0])
            if path.startswith(self._folder):
                self.touched.append(path)


def build_first(folder: Path) -> None:
    """`data`, `model`, and in touched.json every path below `data` that learning opened.

    In left.json what it left in the home folder and among temporary files, and where it connected to.
    """
    render(folder / "data")
    opened, own = OpenedFiles(folder / "data"), folder / "home"
    own.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "TMPDIR"):
            patch.setenv(name, str(own))
        patch.setattr(tempfile, "tempdir", None)  # it is looked up again
        trace_once(folder / "graphs", patch)
        learn(folder / "data", folder / "model")
    opened.on = False
    (folder / "touched.json").write_text(json.dumps(opened.touched))
    left = {"files": [str(path) for path in own.rglob("*")], "connections": opened.connected}
    (folder / "left.json").write_text(json.dumps(left))


def build_second(folder: Path, first: Path) -> None:
    """The same model once more, interrupted and resumed, in `model`; in spied.json what scored which plates."""

    def interrupt(stage: str, done: int, _total: int) -> None:
        if stage == "training networks" and done >= 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        trace_once(first / "graphs", patch)
        patch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            learn(first / "data", folder / "model", progress=interrupt)
        left = {"model": (folder / "model").exists(), "names": [path.name for path in folder.iterdir()]}
        left["checkpoints"] = [path.name for path in fitting.checkpoint_folder(folder / "model").iterdir()]
        spy = Spy(patch)
        learn(first / "data", folder / "model", resume=True)
    (folder / "spied.json").write_text(json.dumps({"left": left, "scored": spy.scored}))
