"""Who may look at whom: only downwards, no circles, each foreign library in its own package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import platewatch

SOURCE = Path(platewatch.__file__).parent
PACKAGES = """
cli
station
archive
line
learning
exploration
evaluation
skipganomaly
backbone
model
records decision surface synthetic
photographs
signing
files config templates
errors inspection progress arrays
printable
"""
"""Top to bottom; packages on one line do not see each other."""

DEPTH = {name: row for row, line in enumerate(PACKAGES.strip().splitlines()) for name in line.split()}

LIBRARIES = {
    "torch": {"backbone", "skipganomaly"},
    "safetensors": {"backbone.weights", "skipganomaly"},
    "onnx": {"backbone", "model.inspector_graph", "skipganomaly"},
    "onnxruntime": {"model.runtime"},
    "openvino": {"model.runtime"},
    "threadpoolctl": {"model.thread_limits"},
    "google": {"model.network_file"},
    "click": {"cli"},
    "rich": {"cli", "evaluation"},
    "sklearn": {"evaluation", "exploration"},
    "scipy": set[str](),
    "matplotlib": {"evaluation.figures"},
    "jinja2": {"templates"},
    "fastapi": {"station"},
    "starlette": {"station"},
    "uvicorn": {"station"},
    "prometheus_client": {"line.metrics"},
    "markdown_it": {"station.model_cards"},
    "argon2": {"station"},
    "cryptography": {"signing"},
    "sqlalchemy": {"records"},
    "alembic": {"records"},
    "paho": {"line.topic"},
    "pymodbus": {"line.plc.modbus"},
    "harvesters": {"line.cameras.genicam"},
    "genicam": {"line.cameras.genicam"},
    "watchfiles": {"line.file_events"},
    "pyarrow": {"archive"},
    "ray": {"archive.ray_cluster"},
    "pickle": set[str](),
    "joblib": set[str](),
}
"""Which foreign library may be imported where: a package, or one module or package of it."""

PRODUCTION = ("model.inspector", "model.verification", "photographs.overlay", "cli.summary", "line.candidates")
TRAINING_ONLY = {"torch", "safetensors", "onnx", "onnxscript", "sklearn", "scipy", "matplotlib"}
"""What `pip install platewatch` without the training extra does not bring."""


def _name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_name(file): file for file in sorted(SOURCE.rglob("*.py"))}
"""Every module by its name within platewatch; a package's own `__init__` has the package's name."""
MODULES = sorted(set(FILES) - {"", "__main__"})  # these two are the way in from outside


def package(module: str) -> str:
    return module.partition(".")[0]


def around(module: str) -> list[str]:
    """The module and the packages that it lies in, innermost first."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str, *, for_types: bool = True) -> frozenset[str]:
    """Dotted names that a module imports anywhere, lazily too, and, unless told otherwise, for types alone."""
    return frozenset(_walk(tree(module), for_types=for_types))


def _walk(node: ast.AST, *, for_types: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if not for_types and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            assert child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from _walk(child, for_types=for_types)


@cache
def own(module: str, *, for_types: bool = True) -> frozenset[str]:
    """The modules of platewatch that a module imports: the longest beginning of each name that is a file."""
    found = set[str]()
    for dotted in imports(module, for_types=for_types):
        parts = dotted.split(".")
        if parts[0] == "platewatch":
            beginnings = (".".join(parts[1:end]) for end in range(len(parts), 1, -1))
            found |= {next((each for each in beginnings if each in FILES), "")}
    return frozenset(found - {module, ""})


def foreign(module: str) -> set[str]:
    return {dotted.split(".")[0] for dotted in imports(module, for_types=False)} - {"platewatch"}


def reachable(module: str, *, for_types: bool) -> set[str]:
    """What a module imports, directly or through others; itself only when that leads back to it."""
    found, waiting = set[str](), set(own(module, for_types=for_types))
    while waiting:
        found |= waiting
        waiting = {other for each in waiting for other in own(each, for_types=for_types)} - found
    return found


def test_every_module_has_its_place_in_the_table() -> None:
    assert {package(module) for module in MODULES} == DEPTH.keys()


@pytest.mark.parametrize("module", MODULES)
def test_no_import_runs_upwards(module: str) -> None:
    here = package(module)
    above = {other for other in own(module) if package(other) != here and DEPTH[package(other)] <= DEPTH[here]}
    assert above == set()


def test_no_module_reaches_itself() -> None:
    """No circle, type-only imports included."""
    assert {module for module in MODULES if module in reachable(module, for_types=True)} == set()


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_keeps_to_its_place(library: str) -> None:
    importers = {module for module in MODULES if library in foreign(module)}
    assert {module for module in importers if not set(around(module)) & LIBRARIES[library]} == set()


@pytest.mark.parametrize("module", PRODUCTION)
def test_the_production_side_reaches_nothing_of_training(module: str) -> None:
    """Invariant 10."""
    reached = {module} | reachable(module, for_types=False)
    assert {each: foreign(each) & TRAINING_ONLY for each in reached if foreign(each) & TRAINING_ONLY} == {}


def test_no_module_is_for_everything() -> None:
    everything = {"utils", "util", "common", "helpers", "base", "manager", "misc"}
    assert {module for module in MODULES if everything & set(module.split("."))} == set()


def test_the_top_level_can_be_held_in_the_head() -> None:
    assert len([path for path in SOURCE.iterdir() if path.name != "__pycache__"]) <= 28


def test_importing_the_production_side_loads_no_torch() -> None:
    """Invariant 10, in a process of its own."""
    code = (
        f"import sys, {', '.join('platewatch.' + module for module in PRODUCTION[:3])}\n"
        f"print(sorted({TRAINING_ONLY!r} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_public_names_load_nothing_heavy() -> None:
    code = "import sys, platewatch; print([n for n in ('numpy', 'cv2', 'onnxruntime', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_judging_alone_needs_neither_a_record_nor_metrics() -> None:
    """`inspect` runs without the station extra, and so will an archive of photographs."""
    code = "import sys, platewatch.line.judging\nprint(sorted({'sqlalchemy', 'prometheus_client'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@cache
def calls(module: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("module", MODULES)
def test_no_pickle_is_ever_loaded(module: str) -> None:
    """Invariant 9: np.load only without objects; torch.load only of tensors, by the backbone; no joblib."""
    for call in calls(module):
        called = ast.unparse(call.func)
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        if called == "torch.load":
            assert module == "backbone.weights"
            assert options["weights_only"] == "True"
        assert called not in {"pickle.load", "pickle.loads", "joblib.load", "np.fromfile"}
        if called in {"np.load", "numpy.load"}:
            assert options.get("allow_pickle") == "False"


RESIZES = {
    "photographs.preparation": "prepare itself",
    "photographs.quality": "conditions of a prepared photograph",
    "surface.features": "the patches of a prepared photograph, each the mean of its pixels",
    "surface.bank": "the map of a prepared photograph, up from its patches",
    "line.cameras.stillness": "small copies of frames, to see whether a part moves; they are not judged",
    "learning.groups": "thumbnails that near duplicates are found by",
    "photographs.overlay": "a map up to its photograph, for people",
    "photographs.thumbnails": "pictures for people",
    "evaluation.evaluator": "maps and masks to one size",
    "evaluation.blind_spot_pictures": "a cut-out of a judged picture, for people",
    "photographs.likeness": "reduced pictures, to find the good photograph most like a plate's, for people",
    "photographs.foreground": "the mask of the part, found on a small copy",
    "photographs.region": "the mask of what is inspected, to the prepared photograph's size",
    "learning.regions": "the same mask, from the photographs' size, once while training",
    "photographs.pose": "the background and the outline of the part, found on small copies",
    "synthetic.compositing": "noise and strokes of artificial defects",
    "synthetic.materials": "noise of synthetic plates",
}


def calling(*functions: str) -> set[str]:
    """The modules that call one of the functions, under whatever name its module goes."""
    last = {module: {ast.unparse(call.func).rpartition(".")[2] for call in calls(module)} for module in MODULES}
    return {module for module, called in last.items() if called & set(functions)}


def test_prepare_is_the_only_resize_on_the_way_to_a_detector() -> None:
    """Invariant 1: any other place that resizes is known here, with what it is for; one place decodes."""
    assert calling("resize") == RESIZES.keys()
    assert calling("imread", "imdecode", "exif_transpose") == {
        "photographs.png",
    }


def test_files_and_folders_are_written_atomically_in_one_place() -> None:
    assert calling("fsync", "mkstemp", "mkdtemp", "NamedTemporaryFile") == {"files"}


def test_the_sequence_from_quality_check_to_verdict_stands_once() -> None:
    assert calling("reason_unusable", "reason_incomplete") == {"model.scoring"}
    assert calling("judge_prepared") == {"model.inspector", "learning.out_of_fold"}


def test_array_types_are_named_in_one_place() -> None:
    typed = {module for module in MODULES if any(each.startswith("numpy.typing") for each in imports(module))}
    assert typed == {"arrays"}


def test_what_training_and_judging_measure_comes_from_prepare() -> None:
    """Invariant 1: each of these turns files into photographs for a detector."""
    assert {"model.inspector", "learning.preflight", "exploration.analysis"} <= calling("prepare")
