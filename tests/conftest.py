"""What several rooms' tests share: the tiny model, trained once for all of pytest's workers."""

import gc
import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest
from hypothesis import HealthCheck, settings

import empty_records
import measuring
import servers
from platewatch.model.inspector import Inspector

slow = [HealthCheck.too_slow]
settings.register_profile("platewatch", deadline=None, derandomize=True, suppress_health_check=slow)
settings.load_profile("platewatch")  # a busy machine is no failure, and each run tries the same
cv2.setNumThreads(1)  # pytest's workers share the cores


class WithoutTorch:
    """Where torch is not installed, whatever imports it is skipped and says why: the rest is tried all the same."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name == "torch":
            pytest.skip("torch is not installed", allow_module_level=True)


if importlib.util.find_spec("torch") is None:
    sys.meta_path.append(WithoutTorch)


gc.disable()  # what is imported and collected stays: looking through it again and again frees nothing


def pytest_collection_finish() -> None:
    """From here on garbage is collected, but not looked for among all that was there before."""
    gc.freeze()
    gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Before the order becomes a random one."""
    measuring.choose(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Leave the tests marked `unmeasured` out of coverage with their fixtures."""
    if item.get_closest_marker("unmeasured") is None:
        return (yield)
    with measuring.unmeasured():
        return (yield)


if "PYTEST_XDIST_WORKER" in os.environ:  # in a worker coverage begins after this, and would slow these imports
    for each in (
        "alembic",
        "fastapi.testclient",
        "onnx",
        "playwright.sync_api",
        "scipy.stats",
        "sklearn.metrics",
        "torch",
    ):
        if importlib.util.find_spec(each.partition(".")[0]) is not None:
            importlib.import_module(each)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the order that the tests ran in, also where -q leaves out the header."""
    seed = terminalreporter.config.getoption("randomly_seed", None)
    if seed is not None:
        terminalreporter.write_line(f"random order of --randomly-seed={seed}")


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """What holds for the whole process is after a test what it was before, so that tests run in any order."""
    environment, folder, threads = dict(os.environ), Path.cwd(), cv2.getNumThreads()
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(folder)
    cv2.setNumThreads(threads)
    logger.handlers[:] = handlers
    logger.setLevel(level)
    for number, handler in signals.items():
        signal.signal(number, handler)


@dataclass(frozen=True)
class Tiny:
    """A model folder, the data that it was made of, and what training opened of that."""

    data: Path
    model: Path
    touched: tuple[str, ...]
    graphs: Path
    """Where graphs are kept, for `tiny.trace_once`."""


@dataclass(frozen=True)
class Resumed:
    """The same model once more, from a training that was interrupted and resumed."""

    model: Path
    left: dict[str, Any]
    """What lay there after the interruption."""
    scored: list[dict[str, Any]]
    """Who was scored by detectors that had seen whom."""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    import tiny

    folder = tiny.shared(tmp_path_factory, "tiny", tiny.build_first)
    touched = tuple(json.loads((folder / "touched.json").read_text()))
    return Tiny(folder / "data", folder / "model", touched, folder / "graphs")


@pytest.fixture(scope="session")
def surface_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Tiny) -> Path:
    """A model folder of the tiny plates without phase two."""
    import tiny

    def build(folder: Path) -> None:
        few = {
            "widths": (8.0,),
            "diameters": (24.0,),
            "contrasts": (0.6,),
            "plates": 1,
            "brightnesses": (),
            "warmth": 0,
            "structural_diameters": (),
        }
        tiny.learn(tiny_model.data, folder / "model", preset="surface", sensitivity=few)

    return tiny.shared(tmp_path_factory, "surface", build) / "model"


@pytest.fixture(scope="session")
def tiled_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of photographs that are not square, with texture features in tiles."""
    import tiled
    import tiny

    return tiny.shared(tmp_path_factory, "tiled", tiled.build) / "model"


@pytest.fixture(scope="session")
def untrained_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of untrained networks, as a file."""
    import tiny
    import untrained

    return tiny.shared(tmp_path_factory, "untrained", untrained.build) / "model" / "network.onnx"


@pytest.fixture(scope="session")
def resumed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Tiny) -> Resumed:
    import tiny

    folder = tiny.shared(tmp_path_factory, "resumed", lambda folder: tiny.build_second(folder, tiny_model.model.parent))
    return Resumed(folder / "model", **json.loads((folder / "spied.json").read_text()))


@pytest.fixture(scope="session")
def inspector(tiny_model: Tiny) -> Inspector:
    return Inspector(tiny_model.model, threads=1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL of this worker's own: its URL without a database's name."""
    with servers.postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def record_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty record on either database."""
    if request.param == "sqlite":
        return empty_records.sqlite(tmp_path / "records.db")
    return empty_records.postgresql(request.getfixturevalue("postgresql"))
