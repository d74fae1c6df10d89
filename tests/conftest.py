"""What several rooms' tests share: the tiny model, trained once for all of pytest's workers."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import servers
import tiny
from platewatch.model.inspector import Inspector

settings.register_profile("platewatch", deadline=None, derandomize=True)
settings.load_profile("platewatch")  # a busy machine is no failure, and each run tries the same


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
    folder = tiny.shared(tmp_path_factory, "tiny", tiny.build_first)
    touched = tuple(json.loads((folder / "touched.json").read_text()))
    return Tiny(folder / "data", folder / "model", touched, folder / "graphs")


@pytest.fixture(scope="session")
def resumed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Tiny) -> Resumed:
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
        return f"sqlite:///{tmp_path / 'records.db'}"
    return servers.new_database(request.getfixturevalue("postgresql"), f"test_{uuid.uuid4().hex}")
