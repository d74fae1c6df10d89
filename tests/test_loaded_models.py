"""Models in memory: loaded on demand, within the limit, never dropped in use, none waits for ever."""

import threading
from pathlib import Path

import pytest

import kinds
from kinds import MB, Loader
from platewatch.errors import ModelError
from platewatch.line.loaded_models import LoadedModels, memory_of
from waiting import eventually


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [kinds.model(tmp_path / name, f"{number:012x}") for number, name in enumerate("abcd")]


def loads(limit: int, load: Loader) -> LoadedModels:
    return LoadedModels(load, limit * MB, size=lambda _: 10 * MB)


def use(models: LoadedModels, folder: Path) -> str:
    with models.lent(folder) as inspector:
        return str(inspector.manifest.model_id)


def test_the_least_recently_used_goes_and_memory_stays_within_the_limit(folders: list[Path]) -> None:
    load = Loader()
    models = loads(25, load)
    for folder in (folders[0], folders[1], folders[0], folders[2]):
        use(models, folder)
        assert models.bytes <= 20 * MB
    assert load.loaded == ["a", "b", "c"]
    assert [models.is_loaded(folder) for folder in folders] == [True, False, True, False]
    models.stop()


def test_a_model_in_use_is_never_dropped_and_the_next_one_waits_for_it(folders: list[Path]) -> None:
    models = loads(10, Loader())
    first = models.lend(folders[0]).result(60)
    second, again = models.lend(folders[1]), models.lend(folders[0])
    assert not second.done()
    assert not again.done(), "what is to make room takes no further user, or the other would wait for ever"
    assert models.is_loaded(folders[0])
    first.end()
    second.result(60).end()
    assert again.result(60).inspector.manifest.model_id == "0" * 12
    again.result().end()
    assert models.bytes == 10 * MB
    models.stop()


def test_while_one_is_loaded_others_judge(folders: list[Path]) -> None:
    load = Loader()
    models = loads(40, load)
    load.held["b"] = threading.Event()
    slow = models.lend(folders[1])
    assert use(models, folders[0]) == "0" * 12
    assert not slow.done()
    load.held["b"].set()
    slow.result(60).end()
    models.stop()


def test_many_that_ask_for_one_model_load_it_once(folders: list[Path]) -> None:
    load = Loader()
    models = loads(40, load)
    for lent in [models.lend(folders[0]) for _ in range(5)]:
        lent.result(60).end()
    assert load.loaded == ["a"]
    models.stop()


def test_a_model_that_cannot_be_loaded_costs_only_those_that_asked_for_it(folders: list[Path]) -> None:
    def load(folder: Path) -> object:
        if folder.name == "b":
            raise ModelError(folder, "damaged")
        return Loader()(folder)

    models = LoadedModels(load, 10 * MB, size=lambda _: 10 * MB)  # type: ignore[arg-type]
    asked = [models.lend(folder) for folder in folders[:3]]
    asked[0].result(60).end()
    with pytest.raises(ModelError, match="damaged"):
        asked[1].result(60)
    asked[2].result(60).end()
    eventually(lambda: models.is_loaded(folders[2]))
    models.stop()


def test_a_model_larger_than_the_limit_is_refused_with_both_numbers(folders: list[Path]) -> None:
    models = loads(9, Loader())
    with pytest.raises(ModelError, match=r"needs 10 MB of memory, expected at most 9 \(--model-memory\)"):
        models.lend(folders[0]).result(60)
    models.stop()


def test_memory_is_counted_by_the_files_that_judge(tmp_path: Path) -> None:
    (tmp_path / "replay").mkdir()
    for name, size in {"surface.npz": 100, "backbone.onnx": 50, "replay/0.png": 7, "model-card.md": 1000}.items():
        (tmp_path / name).write_bytes(bytes(size))
    assert memory_of(tmp_path) == 3 * 157


def test_those_that_still_wait_are_told_when_the_line_stops(folders: list[Path]) -> None:
    models = loads(10, Loader())
    first = models.lend(folders[0]).result(60)
    waits = models.lend(folders[1])
    models.stop()
    with pytest.raises(ModelError, match="the line stops"):
        waits.result(60)
    first.end()
