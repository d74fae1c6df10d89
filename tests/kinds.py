"""Part types whose models are fakes: folders with an id alone, loaded as inspectors that see redness."""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import stations
from platewatch.errors import ModelError
from platewatch.line.loaded_models import LoadedModels
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.line.part_types import PartTypeFolder
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.photographs.quality import QualityLimits
from platewatch.records import Records

MB = 10**6


class _Manifest(SimpleNamespace):
    """Without any check or setting that is not named."""

    def __getattr__(self, _: str) -> None:
        return None


def manifest(folder: Path) -> Any:
    """What stands in the fake's folder, in the form of a Manifest."""
    found: Any = _Manifest(**vars(stations.LineInspector().manifest))
    path = folder / model_folder.MANIFEST
    if not path.is_file():
        raise ModelError(folder, "missing")
    found.quality_limits = QualityLimits(1, 0.5, 1, 1)
    for name, value in json.loads(path.read_text()).items():
        setattr(found, name, value)
    return found


def model(folder: Path, model_id: str, **values: Any) -> Path:
    """A fake's folder; `values` in its manifest differ from the others'."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / model_folder.MANIFEST).write_text(json.dumps({"model_id": model_id, **values}))
    return folder


class Loader:
    """Loads fakes; `held` keeps those of its folders' names waiting."""

    def __init__(self) -> None:
        self.loaded, self.held = list[str](), dict[str, threading.Event]()

    def __call__(self, folder: Path) -> Inspector:
        if folder.name in self.held:
            assert self.held[folder.name].wait(60)
        inspector = stations.LineInspector()
        inspector.manifest = manifest(folder)
        self.loaded.append(folder.name)
        return cast(Inspector, inspector)


def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests are the fakes'."""
    monkeypatch.setattr(model_folder, "load_manifest", manifest)


def models(
    root: Path,
    records: Records | None,
    names: tuple[str, ...],
    *,
    load: Callable[[Path], Inspector] | None = None,
    limit: int = 100 * MB,
    unnamed: ModelRegistry | None = None,
) -> PartTypeModels:
    """Part types of these names, each with a model of 10 MB whose id follows from its place."""
    folder = PartTypeFolder(root / "part-types")
    for number, name in enumerate(names):
        made, _ = folder.make(name, model(root / "kinds" / name, f"{number:012x}"))
        folder.add(made)
    loaded = LoadedModels(load or Loader(), limit, size=lambda _: 10 * MB)
    return PartTypeModels(unnamed or stations.without_model(root), folder, loaded, records)


def copies(trained: Path, root: Path, count: int, loaded: LoadedModels, records: Records) -> PartTypeModels:
    """Part types kind-0, kind-1, …, each with a copy of a trained model that has limits of its own."""
    folder, manifest = PartTypeFolder(root / "part-types"), model_folder.load_manifest(trained)
    for number in range(count):
        place = shutil.copytree(trained, root / "models" / str(number))
        decision = replace(manifest.decision, threshold=manifest.threshold * (1 + number / 1e4))
        model_folder.write_manifest(place, replace(manifest, decision=decision, former_digest=""))
        folder.add(folder.make(f"kind-{number}", place)[0])
    return PartTypeModels(stations.without_model(root), folder, loaded, records)
