"""An archive on Ray: the same rows as without it, also when a node of two is lost. `make test-ray` installs Ray."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Tiny
from platewatch.archive import runs, shards
from platewatch.archive.runs import Events, Settings
from test_archive import archive_folder, in_this_process, settings, table  # noqa: F401 - fixtures

ray = pytest.importorskip("ray", reason="Ray is not installed: make test-ray")


def test_ray_gives_the_rows_of_this_machine(folder: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    """In a process of its own: Ray reads its token once, and what it writes into the home folder is seen."""
    runs.run(settings(folder, tiny_model, tmp_path / "here"), Events())
    (tmp_path / "home").mkdir()
    model = str(tiny_model.model)
    code = (
        "from platewatch import cli\nfrom platewatch.archive import shards\nshards.cut.__defaults__ = (4,)\ncli.main()"
    )
    words = [
        "archive",
        str(folder),
        "--model",
        model,
        "--against",
        model,
        "--out",
        str(tmp_path / "ray"),
        "--ray",
        "local",
        "--json",
    ]
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--workers", "2"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    assert json.loads(done.stdout)["photographs"] == 12  # Ray prints nothing there
    assert table(tmp_path / "ray") == table(tmp_path / "here") == table(tmp_path / "ray", "against")
    names = [{path.name for path in (tmp_path / each / "rows").iterdir()} for each in ("ray", "here")]
    assert names[0] == names[1]
    assert list((tmp_path / "home").iterdir()) == []


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two nodes of one core on loopback addresses."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)  # else one is written into the home folder
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.2"})
    cluster.lost = cluster.add_node(num_cpus=1, node_ip_address="127.0.0.3")
    yield cluster
    cluster.shutdown()


def test_a_node_that_is_lost_costs_no_row(
    folder: Path,
    tiny_model: Tiny,
    tmp_path: Path,
    two_nodes: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shards.cut, "__defaults__", (2,))
    seen = list[int]()

    def status(found: runs.Status) -> None:
        seen.append(found.finished)
        if found.finished and two_nodes.lost is not None:
            two_nodes.remove_node(two_nodes.lost, allow_graceful=False)
            two_nodes.lost = None
            two_nodes.add_node(num_cpus=1, node_ip_address="127.0.0.4")

    asked = Settings((str(folder),), tiny_model.model, str(tmp_path / "ray"), ray=two_nodes.address, workers=2)
    ended = runs.run(asked, Events(status=status))
    runs.run(settings(folder, tiny_model, tmp_path / "here"), Events())
    assert ended.unfinished == ended.problems == ()
    assert two_nodes.lost is None
    assert table(tmp_path / "ray") == table(tmp_path / "here")
