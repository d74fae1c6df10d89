"""An error carries its parts; the line for people is made of them and never taken apart again."""

import ast
from pathlib import Path

import pytest

import platewatch
from platewatch import errors
from platewatch.errors import InputError, PlatewatchError
from platewatch.station.problem_details import problem, request_error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("a.png", "damaged", expected="a whole file", remedy="copy it again"),
         "a.png: damaged, expected a whole file; copy it again"),
        (InputError(Path("a"), "damaged"), "a: damaged"),
        (InputError("size 3", expected="64 or more"), "size 3: expected 64 or more"),
        (InputError("", "openvino is not installed", remedy="pip install openvino"),
         "openvino is not installed; pip install openvino"),
        (InputError("a", "broken over\nlines"), "a: broken over lines"),
    ],
)  # fmt: skip
def test_the_line_joins_the_parts_that_are_there(error: PlatewatchError, text: str) -> None:
    assert str(error) == text


def test_the_reason_leaves_the_place_out() -> None:
    assert InputError("a.png", "damaged", remedy="copy it again").reason == "damaged; copy it again"


def test_a_place_with_colons_and_semicolons_stays_whole_in_json() -> None:
    """A Windows path and a name with the line's own marks: nothing of it may end up in another field."""
    where = r"C:\plates; old: 7.png"
    error = InputError(where, "damaged photograph (bad; header: 3, expected 4)", expected="a PNG", remedy="copy it")
    found = problem(request_error(error), "POST /inspections")
    assert found["where"] == where
    assert (found["expected"], found["next"]) == ("a PNG", "copy it")
    assert found["message"] == str(error)


def test_every_error_is_raised_with_its_parts() -> None:
    """No message is joined by hand: what, expected and remedy are arguments of their own."""
    names = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PlatewatchError)
    }
    for file in Path(platewatch.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names:
                where = f"{file.name}:{call.lineno}"
                assert len(call.args) == 2 or (len(call.args) == 1 and call.keywords), where
                told = " ".join(ast.unparse(argument) for argument in call.args)
                assert ", expected " not in told, where
