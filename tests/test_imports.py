"""Who may look at whom: only downwards, each foreign library in its own room (house.md)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import platewatch

SOURCE = Path(platewatch.__file__).parent
LAYERS = (
    ("__main__",),
    ("cli",),
    ("station",),
    ("explore_report", "summary"),
    ("report", "reading", "explore", "explore_plots", "retraining"),
    ("replay", "watch"),
    ("evaluate", "fit", "verify", "bench", "shift_report", "deliveries"),
    ("out_of_fold", "sensitivity", "card", "statement_plots", "yardstick", "destinations"),
    ("preflight", "tables"),
    ("odd",),
    ("evaluation", "exploration", "classical", "challenge"),
    ("inspector", "export", "alpha_table"),
    ("train", "model"),
    ("checkpoint",),
    ("runtime", "network", "augmentation", "surface", "calibration", "metrics", "pipeline", "records", "drift"),
    ("coreset",),
    ("verdict", "gates", "forge", "plates", "plots", "overlay", "dataset", "cells", "features", "doubled"),
    ("statement", "comparison"),
    ("images", "inspection", "config", "scene", "brush", "machine"),
    ("coats",),
    ("errors",),
)
"""Top to bottom; neighbours do not see each other. `platewatch` itself, the public names, is outside."""

ROOMS = {
    "torch": {"network", "doubled", "checkpoint", "train", "export", "yardstick"},
    "safetensors": {"checkpoint"},
    "onnx": {"export"},
    "onnxruntime": {"runtime"},
    "openvino": {"runtime"},
    "threadpoolctl": {"machine"},
    "click": {"cli"},
    "rich": {"cli", "tables", "summary"},
    "sklearn": {"metrics", "classical", "odd"},
    "scipy": {"metrics", "calibration", "classical", "odd"},
    "matplotlib": {"plots", "explore_plots", "statement_plots", "report", "explore_report"},
    "jinja2": {"report", "card", "shift_report", "station"},
    "fastapi": {"station"},
    "starlette": {"station"},
    "uvicorn": {"station"},
    "prometheus_client": {"station"},
    "argon2": {"station"},
    "sqlalchemy": {"records"},
    "alembic": {"records"},
    "paho": {"destinations"},
    "watchfiles": {"watch"},
    "pickle": set[str](),
    "joblib": set[str](),
}
"""Which foreign library may be imported where."""

PRODUCTION = ("inspector", "verify", "overlay", "summary", "challenge")
TRAINING_ONLY = {"torch", "safetensors", "onnx", "onnxscript", "sklearn", "scipy", "matplotlib", "jinja2"}
"""What `pip install platewatch` without the training extra does not bring."""


def module_names() -> list[str]:
    """Every room: a file, or a folder of files that belong together."""
    files = {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}
    return sorted(files | {path.parent.name for path in SOURCE.glob("*/__init__.py")})


@cache
def trees(name: str) -> list[ast.Module]:
    """The room's files, parsed."""
    folder = SOURCE / name
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [SOURCE / f"{name}.py"]
    return [ast.parse(file.read_text(encoding="utf-8")) for file in files]


@cache
def imports(name: str) -> set[str]:
    """Dotted names that a room imports anywhere, lazily too, but not for types alone."""
    return {dotted for tree in trees(name) for dotted in _walk(tree)}


def _walk(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            assert child.module
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from _walk(child)


def own(name: str) -> set[str]:
    """The modules of this package that a module imports."""
    parts = (dotted.split(".") for dotted in imports(name))
    return ({each[1] for each in parts if each[0] == "platewatch" and len(each) > 1} & set(module_names())) - {name}


def foreign(name: str) -> set[str]:
    return {dotted.split(".")[0] for dotted in imports(name)} - {"platewatch"}


def reachable(name: str) -> set[str]:
    found, waiting = set[str](), {name}
    while waiting:
        found |= waiting
        waiting = {other for each in waiting for other in own(each)} - found
    return found


def test_every_file_has_its_layer_and_every_layer_its_files() -> None:
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == module_names()


@pytest.mark.parametrize("name", module_names())
def test_arrows_go_downwards_only(name: str) -> None:
    depth = {each: number for number, layer in enumerate(LAYERS) for each in layer}
    assert [f"{name} → {other}" for other in sorted(own(name)) if depth[other] <= depth[name]] == []


@pytest.mark.parametrize("library", ROOMS)
def test_each_library_keeps_to_its_rooms(library: str) -> None:
    assert {name for name in module_names() if library in foreign(name)} <= ROOMS[library]


@pytest.mark.parametrize("name", PRODUCTION)
def test_the_production_side_reaches_nothing_of_training(name: str) -> None:
    """Invariant 10."""
    assert {each: foreign(each) & TRAINING_ONLY for each in reachable(name) if foreign(each) & TRAINING_ONLY} == {}


def test_no_room_is_for_everything() -> None:
    assert not {"utils", "util", "common", "helpers", "base", "manager", "misc"} & set(module_names())


def test_importing_the_production_side_loads_no_torch() -> None:
    """Invariant 10, in a process of its own."""
    code = (
        "import sys, platewatch.inspector, platewatch.verify, platewatch.overlay\n"
        f"print(sorted({TRAINING_ONLY!r} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_public_names_load_nothing_heavy() -> None:
    code = "import sys, platewatch; print([n for n in ('numpy', 'cv2', 'onnxruntime', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@cache
def calls(name: str) -> list[ast.Call]:
    return [node for tree in trees(name) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("name", module_names())
def test_no_pickle_is_ever_loaded(name: str) -> None:
    """Invariant 9: np.load only without objects; no torch.load, no read_pickle, no joblib."""
    for call in calls(name):
        called = ast.unparse(call.func)
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        assert called not in {"torch.load", "pickle.load", "pickle.loads", "joblib.load", "np.fromfile"}
        if called in {"np.load", "numpy.load"}:
            assert options.get("allow_pickle") == "False"


RESIZES = {
    "images": "prepare itself",
    "gates": "conditions of a prepared photograph",
    "features": "the cells of a prepared photograph, each the mean of its places",
    "surface": "the map of a prepared photograph, up from its cells",
    "preflight": "thumbnails that near duplicates are found by",
    "overlay": "a map up to its photograph, for people",
    "report": "pictures for people",
    "shift_report": "pictures for people",
    "evaluate": "maps and masks to one size",
    "brush": "the forge's noise, and where the object lies",
    "coats": "noise of synthetic plates",
}


def calling(*functions: str) -> set[str]:
    """The modules that call one of the functions, under whatever name its module goes."""
    last = {name: {ast.unparse(call.func).rpartition(".")[2] for call in calls(name)} for name in module_names()}
    return {name for name, called in last.items() if called & set(functions)}


def test_prepare_is_the_only_resize_on_the_way_to_a_detector() -> None:
    """Invariant 1: any other place that resizes is known here, with what it is for; one place decodes."""
    assert calling("resize") == RESIZES.keys()
    assert calling("imread", "imdecode", "exif_transpose") == {"images"}


def test_what_training_and_judging_measure_comes_from_prepare() -> None:
    """Invariant 1: each of these turns files into photographs for a detector."""
    assert {"inspector", "preflight", "explore"} <= calling("prepare")
