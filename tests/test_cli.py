"""The commands: output on stdout and stderr, JSON, exit codes."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from pydantic import TypeAdapter

import platewatch
import platewatch.learning
from conftest import Tiny
from platewatch import cli
from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.learning import fitting


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(each) for each in arguments])


def one_error(result: Result) -> str:
    """The one line on stderr that begins with 'error: '."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return errors[0]


def check(name: str, values: Any) -> None:
    schema = json.loads((resources.files("platewatch") / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(values)


def test_help_answers_for_every_command_and_imports_nothing_heavy() -> None:
    for command in cli.main.commands:
        assert run(command, "--help").exit_code == 0
    heavy = ["torch", "numpy", "cv2", "sklearn", "matplotlib", "onnxruntime", "pydantic", "rich"]
    code = f"import sys, platewatch.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_version_is_the_package_s() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert run("--version").output.split()[-1] == pyproject["project"]["version"]


def test_inspect_prints_a_line_for_each_plate_and_exits_3_when_one_did_not_pass(tiny_model: Tiny) -> None:
    good, rust = tiny_model.data / "train/good/000.png", tiny_model.data / "test/total_rust/000.png"
    result = run("inspect", tiny_model.model, good, rust)
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["PASS", "REJECT"]
    assert (result.exit_code, run("inspect", tiny_model.model, good).exit_code) == (3, 0)


def test_inspect_json_gives_one_schema_checked_object_a_line(tiny_model: Tiny) -> None:
    result = run("inspect", tiny_model.model, tiny_model.data / "test/good", "nowhere.png", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for line in lines:
        check("inspection", line)
    assert len(lines) == 4
    assert (lines[-1]["verdict"], lines[-1]["error"]) == (None, "nowhere.png: no such file; check the path")
    assert result.exit_code == 1


def test_the_inspection_schema_is_that_of_the_type() -> None:
    stored = json.loads((resources.files("platewatch") / "schemas" / "inspection.json").read_text(encoding="utf-8"))
    assert stored == TypeAdapter(Inspection).json_schema(mode="serialization")


def test_one_unreadable_file_does_not_stop_the_others(tiny_model: Tiny, tmp_path: Path) -> None:
    shutil.copytree(tiny_model.data / "test/good", tmp_path / "plates")
    (tmp_path / "plates/001.png").write_text("not a photograph")
    result = run("inspect", tiny_model.model, tmp_path / "plates", "--out", tmp_path / "overlays")
    assert [line.startswith("NOT READABLE ") for line in result.stdout.splitlines()].count(True) == 1
    assert len({line.index("  threshold ") for line in result.stdout.splitlines()}) == 1
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == ["000.overlay.png", "002.overlay.png"]
    assert "001.png" in one_error(result)
    assert result.exit_code == 1


def test_inspect_gives_a_pipe_its_line_and_waits_for_nobody(tiny_model: Tiny, tmp_path: Path) -> None:
    shutil.copy(tiny_model.data / "test/good/000.png", tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    result = run("inspect", tiny_model.model, tmp_path)
    assert len(result.stdout.splitlines()) == 2
    assert one_error(result).endswith("b.png: is a pipe, expected a file; leave it out")
    assert result.exit_code == 1


def test_overlays_of_photographs_with_one_name_do_not_overwrite_each_other(tiny_model: Tiny, tmp_path: Path) -> None:
    photos = [tiny_model.data / "test" / kind / "000.png" for kind in ("good", "scratches")]
    run("inspect", tiny_model.model, *photos, "--out", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-000.overlay.png", "2-000.overlay.png"]


def test_an_overlay_that_cannot_be_written_is_reported_and_the_plate_is_judged(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _picture: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("platewatch.photographs.reading.write_png", full)
    result = run("inspect", tiny_model.model, tiny_model.data / "train/good/000.png", "--out", tmp_path)
    assert result.stdout.startswith("PASS")
    assert "No space left" in one_error(result)
    assert result.exit_code == 1


def test_evaluate_prints_tables_and_with_json_one_object(tiny_model: Tiny, tmp_path: Path) -> None:
    result = run("evaluate", tiny_model.model, tiny_model.data, "--out", tmp_path / "report")
    assert result.exit_code == 0
    assert "Skip-GANomaly" in result.stdout
    assert (tmp_path / "report/report.html").stat().st_size > 10_000
    found = json.loads(run("evaluate", tiny_model.model, tiny_model.data, "--json").stdout)
    check("evaluation", found)
    assert found["images"] == {"normal": 3, "anomalous": 3}


def test_an_unreadable_mask_is_reported_and_left_out_of_pixel_metrics(tiny_model: Tiny, tmp_path: Path) -> None:
    shutil.copytree(tiny_model.data, tmp_path / "data")
    mask = tmp_path / "data/ground_truth/scratches/000_mask.png"
    mask.write_text("no mask")
    result = run("evaluate", tiny_model.model, tmp_path / "data", "--json")
    assert "000_mask.png" in one_error(result)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["images"] == {"normal": 3, "anomalous": 3}


def test_verify_says_equal_and_in_json_too(tiny_model: Tiny) -> None:
    assert run("verify", tiny_model.model).stdout.rstrip().endswith("equal")
    found = json.loads(run("verify", tiny_model.model, "--json").stdout)
    check("verification", found)
    assert found["equal"] is True


def test_verify_reports_other_numbers_than_those_stored(tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from platewatch.model.inspector import Inspector

    replay = Inspector.replay

    def drifted(self: Inspector, plate: Any) -> Any:
        found = replay(self, plate)
        assert found.second is not None
        error = found.second.reconstruction_error * 1.001
        return replace(found, second=replace(found.second, reconstruction_error=error))

    monkeypatch.setattr(Inspector, "replay", drifted)
    result = run("verify", tiny_model.model)
    assert "NOT EQUAL" in result.stdout
    assert result.exit_code == 1


def test_render_and_explore(tmp_path: Path) -> None:
    assert run("render", tmp_path / "plates", "--good", "6", "--size", "64", "--no-test").exit_code == 0
    assert len(list((tmp_path / "plates/train/good").iterdir())) == 6
    result = run("explore", tmp_path / "plates", "--out", tmp_path / "seen")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "seen/explore.html").exists()


def test_train_says_in_one_line_what_is_wrong_with_the_data(tmp_path: Path) -> None:
    run("render", tmp_path / "plates", "--good", "3", "--size", "64", "--no-test")
    few = one_error(run("train", tmp_path / "plates", "--out", tmp_path / "model"))
    assert "found 3 images, training needs at least 20; add photographs or pass --min-images 3" in few
    assert "no such folder" in one_error(run("train", tmp_path / "nowhere", "--out", tmp_path / "model"))
    (tmp_path / "empty").mkdir()
    assert "no photographs" in one_error(run("train", tmp_path / "empty", "--out", tmp_path / "model"))
    assert list(tmp_path.glob("*model*")) == []


def test_train_refuses_to_overwrite_a_model_or_an_unfinished_training(tiny_model: Tiny, tmp_path: Path) -> None:
    assert "not empty" in one_error(run("train", tiny_model.data, "--out", tiny_model.model))
    fitting.checkpoint_folder(tmp_path / "model").mkdir()
    assert "--resume" in one_error(run("train", tiny_model.data, "--out", tmp_path / "model"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[training]\nepochs = 0", "training.epochs"),
        ("[training]\nepoch = 3", "training.epoch"),
        ("mm_per_px = 0", "mm_per_px"),
        ("[sensitivity]\nwidths = []", "sensitivity.widths"),
        ("[sensitivity]\ncontrasts = [0.2, 1.5]", "sensitivity.contrasts"),
        ("epochs", "not a readable TOML file"),
    ],
)
def test_a_wrong_configuration_file_is_named_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "my.toml").write_text(text)
    result = run("train", tmp_path, "--out", tmp_path / "model", "--config", tmp_path / "my.toml")
    assert expected in one_error(result)
    assert result.exit_code == 1


def test_the_scale_of_the_photographs_reaches_the_training(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list[Any]()

    def read(_paths: Any, settings: Any, _progress: Any) -> None:
        given.append(settings)
        raise InputError("far enough")

    monkeypatch.setattr("platewatch.learning.preflight.read", read)
    for value in ("0.25", "-1"):
        result = run("train", tiny_model.data, "--out", tmp_path / "model", "--mm-per-px", value)
    assert [settings.mm_per_px for settings in given] == [0.25]
    assert "mm_per_px" in one_error(result)


def test_wrong_usage_exits_2(tmp_path: Path) -> None:
    assert run("train", tmp_path).exit_code == 2
    assert run("inspect").exit_code == 2
    assert run("frobnicate").exit_code == 2


def test_ctrl_c_gives_one_line_and_130(tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(platewatch, "load", interrupted)
    result = run("inspect", tiny_model.model, tiny_model.data / "test/good")
    assert result.exit_code == 130
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_package_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("learning.phase_two", "skipganomaly.training", "skipganomaly.network"):
        monkeypatch.delitem(sys.modules, f"platewatch.{name}", raising=False)
    monkeypatch.delattr(platewatch.learning, "phase_two", raising=False)
    found = one_error(run("train", tmp_path, "--out", tmp_path / "model"))
    assert "torch is not installed" in found
    assert "pip install 'platewatch[train,backbone]', or train with --preset surface --backbone none" in found
