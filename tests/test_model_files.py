"""A file of the model in service that changes or rots while it runs: noticed, told, and without effect on a verdict."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import empty_records
import stations
from conftest import Tiny
from platewatch.errors import ModelError, RecordUnavailable
from platewatch.line.model_files import DAMAGED, RESTORED, ModelFiles
from platewatch.line.model_registry import ModelRegistry
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.records import Records


@pytest.fixture
def folder(tiny_model: Tiny, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model.model, tmp_path / "models" / "first")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records.open(empty_records.sqlite(tmp_path / "records.db")) as opened:
        yield opened


def watched(folder: Path, records: Records, **options: Any) -> ModelFiles:
    def load(path: Path) -> Inspector:
        return cast(Inspector, SimpleNamespace(manifest=model_folder.load_manifest(path)))

    found = ModelFiles(ModelRegistry(folder, load=load), records, actor="test", **options)
    found.look()
    return found


def codes(files: ModelFiles) -> list[tuple[str, bool]]:
    return [(code, stops) for code, _, stops in files.problems()]


def told(records: Records) -> list[tuple[str, str]]:
    """Kind and files of the events, oldest first."""
    return [(event.kind, event.details["files"]) for event in reversed(list(records.events()))]


@pytest.mark.parametrize("name", ["network.onnx", "surface.npz", "manifest.json", "model-card.md"])
def test_a_changed_file_is_noticed_and_told_once_and_its_return_too(folder: Path, records: Records, name: str) -> None:
    files, path = watched(folder, records), folder / name
    assert codes(files) == []
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for _ in range(2):
        files.look()
    assert codes(files) == [(DAMAGED, False)]
    assert name in next(iter(files.problems()))[1]
    path.write_bytes(whole)
    files.look()
    assert codes(files) == []
    assert told(records) == [(DAMAGED, name), (RESTORED, "")]


def test_a_missing_file_is_noticed(folder: Path, records: Records) -> None:
    files = watched(folder, records)
    (folder / "network.onnx").unlink()
    files.look()
    assert "network.onnx: missing from the model folder" in next(iter(files.problems()))[1]


def test_a_file_that_rots_without_a_trace_is_noticed_when_all_are_read_again(folder: Path, records: Records) -> None:
    files, path = watched(folder, records), folder / "surface.npz"
    due = watched(folder, records, every_s=0.0)
    before, data = path.stat(), bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    files.look()
    assert codes(files) == []
    due.look()
    assert codes(due) == [(DAMAGED, False)]


def test_what_the_record_could_not_be_told_is_told_later(
    folder: Path, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = watched(folder, records)
    (folder / "network.onnx").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(records, "event", _unavailable)
        files.look()
    assert (codes(files), told(records)) == ([(DAMAGED, False)], [])
    files.look()
    assert told(records) == [(DAMAGED, "network.onnx")]


def test_another_model_in_service_is_looked_at_from_then_on(folder: Path, records: Records) -> None:
    second = shutil.copytree(folder, folder.parent / "second")
    models = SimpleNamespace(
        folder=folder,
        model_id="0123456789ab",
        has_model=True,
        named=dict,
        serving=lambda: model_folder.load_manifest(second),
    )
    files = ModelFiles(cast(ModelRegistry, models), records, actor="test")
    (folder / "network.onnx").unlink()
    files.look()
    assert codes(files) == [(DAMAGED, False)]
    models.folder = second
    files.look()
    assert codes(files) == []


def test_a_damaged_file_changes_no_verdict_and_cannot_be_loaded(folder: Path, tiny_model: Tiny) -> None:
    """What judges was read once, when its SHA-256 was compared."""
    inspector = Inspector(folder, threads=1)
    photographs = sorted((tiny_model.data / "test").rglob("*.png"))[:3]
    before = [inspector.inspect(path).score for path in photographs]
    for name in ("network.onnx", "surface.npz"):
        with (folder / name).open("r+b") as file:
            file.write(bytes(1000))
    assert [inspector.inspect(path).score for path in photographs] == before
    with pytest.raises(ModelError, match="altered since it was written"):
        Inspector(folder)


def test_the_station_says_so_and_judges_on(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        files, path = line.station.line.model_files, tmp_path / "models" / "first" / "manifest.json"
        files.look()
        whole = path.read_bytes()
        path.write_bytes(whole + b" ")
        files.look()
        report = line.client.get("/healthz").json()
        assert (report["status"], [each["code"] for each in report["problems"]]) == ("degraded", [DAMAGED])
        assert line.post()["verdict"] == "PASS"
        path.write_bytes(whole)
        files.look()
        assert line.client.get("/healthz").json()["problems"] == []


def _unavailable(*_: object, **__: object) -> None:
    raise RecordUnavailable("record", "locked")
