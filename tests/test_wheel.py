"""The production side: the built wheel with its own requirements and nothing else, so without torch.

The environment is made without a network: of everything installed here it gets what the wheel asks for, no more.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import tiny
from conftest import Tiny

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and what it requires."""
    return tiny.shared(tmp_path_factory, "production", _make) / "venv" / "bin" / "python"


def test_it_inspects_a_plate_and_verifies_the_model_without_torch(production: Path, tiny_model: Tiny) -> None:
    plate = tiny_model.data / "test" / "total_rust" / "000.png"
    result = _run(production, "-m", "platewatch", "inspect", str(tiny_model.model), str(plate), "--json")
    assert (result.returncode, json.loads(result.stdout)["verdict"]) == (3, "REJECT"), result.stderr
    result = _run(production, "-m", "platewatch", "verify", str(tiny_model.model))
    assert (result.returncode, result.stdout.split()[-1]) == (0, "equal"), result.stderr
    for name in ("torch", "sklearn", "scipy", "matplotlib"):
        assert _run(production, "-c", f"import {name}").returncode != 0


def test_python_reads_the_same_verdict_as_here(production: Path, tiny_model: Tiny) -> None:
    plate = tiny_model.data / "test" / "good" / "000.png"
    code = f"import platewatch; print(platewatch.load({str(tiny_model.model)!r}).inspect({str(plate)!r}).score)"
    here = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(_run(production, "-c", code).stdout) == pytest.approx(float(here), rel=1e-6)


def test_the_wheel_holds_every_file_of_the_package(production: Path) -> None:
    """Templates, pages, migrations and schemas too."""
    (site,) = (production.parents[1] / "lib").glob("python*/site-packages")
    source = ROOT / "src"
    expected = {path.relative_to(source) for path in (source / "platewatch").rglob("*") if path.is_file()}
    assert {path for path in expected if "__pycache__" not in path.parts and not (site / path).exists()} == set()


def test_training_without_torch_says_what_to_install(production: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    result = _run(production, "-m", "platewatch", "train", str(tiny_model.data), "--out", str(tmp_path / "model"))
    assert result.returncode == 1
    assert "platewatch[train,backbone]" in result.stderr
    assert "--preset surface --backbone none" in result.stderr
    assert "Traceback" not in result.stderr


def test_phase_one_is_trained_without_torch(production: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    """What the preset `surface` needs, `pip install platewatch` brings; in use the model needs no more."""
    (tmp_path / "small.toml").write_text(
        'preset = "surface"\nbackbone = "none"\nimage_size = 96\nmin_images = 8\n'
        "[sensitivity]\nwidths = [8.0]\ndiameters = [24.0]\ncontrasts = [0.6]\nplates = 2\nbrightnesses = [0.8]\n"
    )
    model, words = tmp_path / "model", (str(tiny_model.data), "--config", str(tmp_path / "small.toml"))
    result = _run(production, "-m", "platewatch", "train", *words, "--out", str(model))
    assert result.returncode == 0, result.stderr
    assert not (model / "network.onnx").exists()
    plate = tiny_model.data / "test" / "total_rust" / "000.png"
    result = _run(production, "-m", "platewatch", "inspect", str(model), str(plate), "--json")
    assert (result.returncode, json.loads(result.stdout)["verdict"]) == (3, "REJECT"), result.stderr


def _run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-I", *arguments], capture_output=True, text=True, check=False)


def _make(folder: Path) -> None:
    source = folder / "source"  # a copy: setuptools leaves its work beside what it builds
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "venv", with_pip=False)
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    here = Path(sysconfig.get_path("purelib"))
    (information,) = site.glob("platewatch-*.dist-info")
    for name in _closure(metadata.Distribution.at(information).requires or []):
        for top in {file.parts[0] for file in metadata.files(name) or [] if ".." not in file.parts}:
            if not (site / top).exists():
                (site / top).symlink_to(here / top)


def _closure(requirements: list[str]) -> set[str]:
    """The names of all distributions that the requirements lead to, extras left out."""
    names: set[str] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in names:
            names.add(requirement.name)
            waiting += [Requirement(each) for each in metadata.requires(requirement.name) or []]
    return names
