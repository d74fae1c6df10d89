"""An archive: each photograph one row, also when it is not readable; interrupted, started again; stores that fail."""

import errno
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import dataset, fs, parquet

import archive_workers
from conftest import Tiny
from platewatch import cli, files
from platewatch.archive import places, processes, report, rows, runs, shards, sources, tally
from platewatch.archive.judging import ShardWorker
from platewatch.archive.places import Place, Reader
from platewatch.archive.processes import WorkerError
from platewatch.archive.runs import Events, Settings
from platewatch.archive.shards import Photograph
from platewatch.archive.sources import Listing
from platewatch.errors import InputError, OutputError, StorageUnavailable
from platewatch.inspection import Inspection
from platewatch.model.inspector import Inspector


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started, unless a test has its own."""
    monkeypatch.setattr(runs, "processes", SimpleNamespace(run=archive_workers.here))
    monkeypatch.setattr(shards.cut, "__defaults__", (4,))


@pytest.fixture(name="folder")
def archive_folder(tmp_path: Path, tiny_model: Tiny) -> Path:
    """Twelve photographs in two folders, one of them damaged, one no photograph, one link that leads nowhere."""
    plates = sorted((tiny_model.data / "test").rglob("*.png"))
    root = tmp_path / "archive"
    for number, plate in enumerate([*plates, *plates][:9]):
        place = root / ("good" if plate.parent.name == "good" else "defective") / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(plate.read_bytes())
    (root / "good" / "cut.png").write_bytes(plates[0].read_bytes()[:2000])
    (root / "good" / "text.png").write_text("no photograph")
    (root / "good" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "good" / "notes.txt").write_text("left alone")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "00.png").write_bytes(b"")
    return root


def table(out: Path, name: str = "rows") -> list[dict[str, Any]]:
    """All rows by image, without what is measured."""
    found = dataset.dataset(out / name, format="parquet").to_table().to_pylist()
    return sorted(({**row, "time": 0, "duration_ms": 0} for row in found), key=lambda row: row["image"])


def settings(source: Path | str, tiny_model: Tiny, out: Path, **changes: Any) -> Settings:
    return Settings((str(source),), tiny_model.model, str(out), **changes)


def test_every_photograph_has_one_row_with_its_whole_inspection(folder: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    ended = runs.run(settings(folder, tiny_model, tmp_path / "out"), Events())
    found = table(tmp_path / "out")
    assert [row["image"] for row in found] == sorted(map(str, folder.glob("[gd]*/*.png")))
    assert (ended.judged, ended.is_complete, dict(ended.plan.listing.left_alone)) == (12, True, {"txt": 1})
    assert len(list((tmp_path / "out" / "rows").iterdir())) > 1
    failed = [row for row in found if row["outcome"] == "FAILED"]
    assert [Path(row["image"]).name for row in failed] == ["cut.png", "gone.png", "text.png"]
    assert all(row["verdict"] is None and row["error"] for row in failed)
    inspector = Inspector(tiny_model.model, threads=1)
    for row in found:
        own = {name: row[name] for name in rows.INSPECTION.names}
        same = inspector.inspect(Path(row["image"]))
        assert Inspection(**{**own, "time": same.time, "duration_ms": same.duration_ms}) == same
        assert row["outcome"] == (row["verdict"] or "FAILED")


def test_a_name_that_is_no_text_has_a_row(tmp_path: Path, tiny_model: Tiny) -> None:
    root = tmp_path / "archive"
    root.mkdir()
    plate = next((tiny_model.data / "test" / "good").iterdir())
    Path(os.fsdecode(bytes(root) + b"/pl\xe4tte.png")).write_bytes(plate.read_bytes())
    runs.run(settings(root, tiny_model, tmp_path / "out"), Events())
    (row,) = table(tmp_path / "out")
    assert row["image"] == f"{root}/pl\N{REPLACEMENT CHARACTER}tte.png"
    assert row["verdict"] is not None


def test_the_columns_are_the_inspection_s_keys_and_as_documented() -> None:
    text = (Path(__file__).parents[1] / "docs" / "archive.md").read_text(encoding="utf-8")
    assert rows.INSPECTION.names == list(Inspection.__dataclass_fields__)
    for field in rows.SCHEMA:
        assert f"| `{field.name}` | {field.type} |" in text


def interrupted(make: Any, given: Any, *rest: Any) -> Iterator[Any]:
    """Ends in the middle of the third shard, as a kill does: two are written."""
    for number, each in enumerate(archive_workers.here(make, given, *rest)):
        yield each
        if number == 1:
            raise KeyboardInterrupt


def test_interrupted_and_started_again_it_ends_as_if_it_had_not_been(
    folder: Path, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = settings(folder, tiny_model, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "processes", SimpleNamespace(run=interrupted))
        with pytest.raises(KeyboardInterrupt):
            runs.run(asked, Events())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "rows").iterdir()}
    (tmp_path / "out" / "rows" / ".half.parquet.0a1b2c3d.part").write_bytes(b"half")
    ended = runs.run(asked, Events())
    assert len(before) == 2
    assert ended.judged == 12 - ended.plan.done < 12
    assert {path: path.stat().st_mtime_ns for path in before} == before
    runs.run(settings(folder, tiny_model, tmp_path / "whole"), Events())
    assert table(tmp_path / "out") == table(tmp_path / "whole")
    assert runs.run(asked, Events()).judged == 0


def test_what_changed_is_judged_again_and_its_old_rows_are_moved_aside(
    folder: Path, tiny_model: Tiny, tmp_path: Path
) -> None:
    asked = settings(folder, tiny_model, tmp_path / "out")
    runs.run(asked, Events())
    (folder / "good" / "text.png").unlink()
    (folder / "good" / "zz.png").write_bytes(next((tiny_model.data / "test" / "good").iterdir()).read_bytes())
    ended = runs.run(asked, Events())
    assert 0 < ended.judged < 12
    assert ended.superseded == len(list((tmp_path / "out" / "superseded").iterdir())) > 0
    assert [row["image"] for row in table(tmp_path / "out")] == sorted(map(str, folder.glob("[gd]*/*.png")))


def test_a_photograph_more_changes_few_shards() -> None:
    listed = [(0, Photograph(f"/archive/{number:05}.png", "9", 9)) for number in range(3000)]
    before, after = ([*shards.cut(each, "m", 40)] for each in (listed, [*listed[:50], *listed[51:]]))
    assert len({each.name for each in after} - {each.name for each in before}) <= 5
    assert {20 <= len(each.photographs) <= 80 for each in before[:-1]} == {True}
    assert [one for each in before for one in each.photographs] == [one for _, one in listed]
    assert 40 < len(before) < 130


def test_results_of_another_run_are_refused(folder: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    runs.run(settings(folder / "good", tiny_model, tmp_path / "out"), Events())
    with pytest.raises(InputError, match=r"holds another run's results \(sources .*good"):
        runs.run(settings(folder, tiny_model, tmp_path / "out"), Events())
    (tmp_path / "out" / "run.json").unlink()
    with pytest.raises(InputError, match=r"has rows but no readable run\.json"):
        runs.run(settings(folder, tiny_model, tmp_path / "out"), Events())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest_names_photographs_labels_and_parts(
    kind: str, folder: Path, tiny_model: Tiny, tmp_path: Path
) -> None:
    manifest = folder / f"list.{kind}"
    columns = {
        "file": ["good/00.png", str(folder / "good" / "01.png"), "nowhere.png"],
        "quality": ["good", "1", ""],
        "part_id": ["007", "008", "009"],
        "part_type": ["hinge-left", "hinge-right", ""],
        "taken": ["2026-01-02T03:04:05", "2026-01-02T03:04:06", ""],
    }
    if kind == "csv":
        lines = [",".join(columns), *(",".join(each) for each in zip(*columns.values(), strict=True))]
        manifest.write_text("\n".join(lines))
    else:
        parquet.write_table(pa.table(columns), manifest)
    found = settings(manifest, tiny_model, tmp_path / "out", columns={"label": "quality"})
    ended = runs.run(found, Events())
    by_part = {row["plate_id"]: row for row in table(tmp_path / "out")}
    assert [by_part[each]["label"] for each in ("007", "008", "009")] == [0, 1, None]
    assert [by_part[each]["part_type"] or None for each in ("007", "008", "009")] == ["hinge-left", "hinge-right", None]
    inspector = Inspector(tiny_model.model, threads=1)
    own = [str(inspector.inspect(folder / "good" / name).verdict) for name in ("00.png", "01.png")]
    assert own[0] == "REJECT"
    assert [by_part[each]["outcome"] for each in ("007", "008", "009")] == [*own, "FAILED"]
    assert by_part["007"]["image"] == "good/00.png"
    assert by_part["007"]["taken"].isoformat() == "2026-01-02T03:04:05+00:00"
    counted = tally.of(Place.of(str(tmp_path / "out")), ended.plan.shards, lambda _count: None)
    assert (counted.missed(), counted.false_alarms(), len(counted.mistakes)) == (0, 1, 1)


def test_a_manifest_that_cannot_be_used_is_refused_before_anything_is_judged(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    for text, words, columns in (
        ("a,b\n1,2\n", "has no column of paths among a, b", {}),
        ("image,label\nx.png,maybe\n", r"label 'maybe' of x\.png, expected one of 0, normal", {}),
        ("image\nx.png\n", "has no column 'Label', expected one of image", {"label": "Label"}),
        ("image\na,b\n", "not a readable table", {}),
    ):
        manifest.write_text(text)
        with pytest.raises(InputError, match=words):
            list(Listing((str(manifest),), columns))


def test_a_folder_that_cannot_be_opened_costs_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def entries(place: Place) -> list[places.Entry]:
        if place.path.endswith("defective"):
            raise InputError(place.name, "cannot be listed (Permission denied)")
        return listed(place)

    listed = places.entries
    monkeypatch.setattr(places, "entries", entries)
    listing = Listing((str(folder),))
    assert {Path(each.image).parent.name for _, each in listing} == {"good"}
    assert listing.not_listed == [f"{folder}/defective: cannot be listed (Permission denied)"]


class Store:
    """A store that keeps its files in a folder, and fails when it is told to."""

    def __init__(self, folder: Path) -> None:
        self._files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
        self.refusals = 0
        self.broken = ""

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.refusals -= 1
            if self.refusals >= 0 or (self.broken and str(arguments[0]).endswith(self.broken)):
                raise OSError("When reading: AWS Error SLOW_DOWN")
            return getattr(self._files, name)(*arguments)

        return call


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """What `store://` leads to; no wait takes long."""
    made, of = Store(tmp_path), Place.of

    def place(text: str) -> Place:
        scheme, found, path = text.partition("store://")
        return Place(text, path, made) if found and not scheme else of(text)

    monkeypatch.setattr(Place, "of", place)
    monkeypatch.setattr(places, "_waits", lambda: iter([0.0] * 100))
    return made


def test_a_store_gives_the_same_rows_and_keeps_them(
    folder: Path, tiny_model: Tiny, tmp_path: Path, store: Store
) -> None:
    (tmp_path / "kept" / "rows").mkdir(parents=True)
    (folder / "good" / "gone.png").unlink()  # a store has no links
    lines = list[str]()
    found = Settings(("store://archive",), tiny_model.model, "store://kept", label_by_folder=True)
    runs.run(found, Events(line=lines.append))
    runs.run(settings(folder, tiny_model, tmp_path / "local", label_by_folder=True), Events())
    here, there = table(tmp_path / "local"), table(tmp_path / "kept")
    assert [row["image"].removeprefix("store://archive") for row in there] == [
        row["image"].removeprefix(str(folder)) for row in here
    ]
    for name in ("score", "verdict", "label", "image_sha256", "outcome"):
        assert [row[name] for row in here] == [row[name] for row in there]
    assert lines == []


def test_a_store_that_refuses_is_waited_for_and_a_single_broken_file_is_not(
    folder: Path, tiny_model: Tiny, tmp_path: Path, store: Store
) -> None:
    lines = list[str]()
    reader = Reader(Place.of("store://archive"))
    store.refusals = 3
    data = places.patiently(lambda: reader.read("store://archive/good/00.png"), 60, lines.append)
    assert data == (folder / "good" / "00.png").read_bytes()
    assert lines[0] == "waiting: store://archive/good/00.png: cannot be read (When reading: AWS Error SLOW_DOWN)"
    assert len(lines) == 3
    store.broken = "01.png"
    with pytest.raises(InputError, match="cannot be read"):
        reader.read("store://archive/good/01.png")
    store.broken, store.refusals = "", 1  # back before the one that was read before is tried
    assert reader.read("store://archive/good/01.png") == (folder / "good" / "01.png").read_bytes()
    store.refusals = 3  # its own reading, and that of those that were read before
    with pytest.raises(StorageUnavailable, match="what was read before cannot be read either"):
        reader.read("store://archive/good/00.png")
    store.refusals = 10**6
    with pytest.raises(StorageUnavailable):
        places.patiently(lambda: reader.read("store://archive/good/00.png"), 0, lines.append)


def test_a_network_folder_that_is_gone_is_no_missing_photograph(folder: Path) -> None:
    reader = Reader(Place("", ""))
    reader.read(str(folder / "good" / "00.png"))
    with pytest.raises(InputError, match="no such file"):
        reader.read(str(folder / "good" / "nowhere.png"))
    folder.rename(folder.with_name("unmounted"))
    with pytest.raises(StorageUnavailable, match="what was read before cannot be read either"):
        reader.read(str(folder / "good" / "01.png"))


def test_a_full_disk_is_waited_for(
    folder: Path, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, lines, write = [2], list[str](), files.write

    def full(path: Path, content: Any, **options: Any) -> Path:
        if path.suffix == ".parquet" and fails[0]:
            fails[0] -= 1
            raise OutputError(path, "cannot be written (No space left on device)") from OSError(
                errno.ENOSPC, "No space"
            )
        return write(path, content, **options)

    monkeypatch.setattr(files, "write", full)
    monkeypatch.setattr(places, "_waits", lambda: iter([0.0] * 9))
    ended = runs.run(settings(folder, tiny_model, tmp_path / "out"), Events(line=lines.append))
    assert (ended.is_complete, ended.judged, len(table(tmp_path / "out"))) == (True, 12, 12)
    assert [line.partition(":")[0] for line in lines] == ["waiting", "waiting"]
    assert "No space left on device" in lines[0]


def test_shards_that_fail_are_left_and_said(
    folder: Path, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Iterator[Any]:
        while True:
            yield WorkerError("store", "does not answer")

    monkeypatch.setattr(runs, "processes", SimpleNamespace(run=failing))
    ended = runs.run(settings(folder, tiny_model, tmp_path / "out"), Events())
    assert ended.unfinished == ("store: does not answer",) * 3
    assert not ended.is_complete


def test_a_photograph_that_ends_its_process_costs_only_itself(tmp_path: Path) -> None:
    given = [
        archive_workers.shard("a", "1", "deadly", "2"),
        archive_workers.shard("b", "once", "3"),
        archive_workers.shard("c", "4"),
    ]
    lines = list[str]()
    make = partial(archive_workers.Deadly, folder=tmp_path)
    found = {
        each["name"]: each["refused"]
        for each in processes.run(make, given, 1, lines.append, lambda *_: None)
        if isinstance(each, dict)
    }
    assert found == {"a": {"1": "the process that judged it ended 3 times (signal SIGKILL)"}, "b": {}, "c": {}}
    assert lines == ["a worker ended (signal SIGKILL); its shard is judged again"] * 4


def test_processes_that_end_before_they_judge_end_the_run() -> None:
    with pytest.raises(WorkerError, match="3 processes ended before they judged anything"):
        list(processes.run(archive_workers.dies_at_once, [archive_workers.shard("a", "1")], 1, lambda _: None, print))


def test_a_refused_photograph_has_a_row(folder: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    asked = settings(folder, tiny_model, tmp_path / "out")
    plan = runs.plan(asked, set(), lambda _count: None)
    shard = next(plan.to_do(set()))
    worker = ShardWorker(runs.work(asked), print)
    done = worker.run(shard, lambda _position: None, {0: "the process that judged it ended 3 times"})
    row = table(tmp_path / "out")[0]
    assert (row["outcome"], row["error"]) == ("FAILED", f"{row['image']}: the process that judged it ended 3 times")
    assert done.outcomes["FAILED"] == 1


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, ["archive", *map(str, words)], catch_exceptions=False)


def test_the_command_counts_reports_and_says_what_failed(folder: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (
        folder,
        "--model",
        tiny_model.model,
        "--out",
        out,
        "--label-by-folder",
        "--maps",
        "--against",
        tiny_model.model,
    )
    result = run(*words, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found == json.loads((out / "summary.json").read_text())
    assert (found["photographs"], found["outcomes"]["FAILED"], found["problems"]) == (12, 3, [])
    assert found["missed"]["of"] + found["false_alarms"]["of"] == 12
    assert found["agreement"]["count"] == found["agreement"]["of"] == 12
    assert "files left alone, which are no photographs: 1 txt" in result.stderr
    page = (out / "report.html").read_text()
    for words_on_page in ("Agreement of two models", "By folder", "data:image/jpeg", "text.png: not a photograph"):
        assert words_on_page in page
    maps = table_of_maps(out)
    assert len(maps) == 9
    levels = cv2.imdecode(np.frombuffer(maps[0]["map"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert levels is not None
    assert (str(levels.dtype), levels.ndim) == ("uint16", 2)
    result = run(*words)
    assert "12 photographs: " in result.stdout
    assert "0 judged now" in result.stdout


def table_of_maps(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.dataset(out / "maps", format="parquet").to_table().to_pylist()
    return found


def test_a_plan_judges_nothing_and_says_hours_and_cost(folder: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    result = run(folder, "--model", tiny_model.model, "--plan", "--price", 3.6, "--workers", 4, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["photographs"], found["done"], found["cores"]) == (0, 12, 0, 4)
    assert found["cost_per_million"] == pytest.approx(found["core_ms"])
    assert found["hours"] == pytest.approx(12 * found["core_ms"] / 4 / 3.6e6)
    assert "core-hours a million" in run(folder, "--model", tiny_model.model, "--plan").stdout
    assert run(folder, "--model", tiny_model.model).exit_code == 2
    assert "expected NAME=COLUMN" in run(folder, "--model", tiny_model.model, "--plan", "--column", "x").stderr


def row_of(image: str, score: float | None, **changes: Any) -> dict[str, Any]:
    outcome = "FAILED" if score is None else "PASS" if score <= 1 else "REJECT"
    names = dict.fromkeys(rows.SCHEMA.names)
    return {
        **names,
        "image": image,
        "source": "s",
        "outcome": outcome,
        "score": score,
        "threshold": 1.0,
        "reason": "r",
        **changes,
    }


def test_scores_are_counted_by_folder_and_the_worst_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "WORST", 3)
    monkeypatch.setattr(tally, "_MOST_FOLDERS", 2)
    found = tally.Tally()
    for number in range(10):
        found.add(row_of(f"/a/{number % 3}/{number}.png", number / 5 if number else None))
    assert sorted(each.row["score"] for each in found.worst) == [1.4, 1.6, 1.8]
    assert found.folders.keys() == {"/a/0", "/a/1", tally.OTHERS}
    assert found.all.quantile(0.5) == pytest.approx(1.0, abs=0.02)
    assert found.failed == [("/a/0/0.png", "r")]
    beginning, names = report.without_beginning(report.by_folder(found.folders))
    assert (beginning, list(names)) == ("/a/", ["0", "1", tally.OTHERS])
    assert report.bars([0, 1, 4]) == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("hours", "first"), [(30, "2026-01-01 00:00"), (900, "2026-01-01"), (9000, "2026 week 01"), (30000, "2026-01")]
)
def test_times_are_joined_to_few_periods(hours: int, first: str) -> None:
    began = 1767225600 // 3600
    found = report.by_period({began + hour: tally.Group() for hour in (0, hours // 2, hours - 1)})
    assert next(iter(found)) == first
    assert len(found) == 3


def test_both_models_are_compared_photograph_by_photograph() -> None:
    found = tally.Tally()
    found.compare(row_of("/a", 0.5), row_of("/a", 1.5))
    found.compare(row_of("/b", 0.5), row_of("/b", 0.6))
    found.compare(row_of("/c", 0.9), row_of("/c", None))
    assert found.pairs == {("PASS", "REJECT"): 1, ("PASS", "PASS"): 1, ("PASS", "FAILED"): 1}
    assert max(found.disagreements).row["image"] == "/a"


def test_sources_are_named_without_credentials() -> None:
    place = Place.of("s3://key:secret@bucket/folder?endpoint_override=http://127.0.0.1:9&region=x")
    assert (place.name, place.path) == ("s3://bucket/folder", "bucket/folder")
    assert sources.base(Place("s3://b/f/list.csv", "b/f/list.csv", place.system)).at("x.png").path == "b/f/x.png"
    assert place.at("s3://bucket/a%20b.png").path == "bucket/a%20b.png"
    with pytest.raises(InputError, match="no store that can be opened"):
        Place.of("nonsense://x")
