"""Millimetres: from a checkerboard, from a part of known size, and by each part's own pose."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import drawn_parts
from platewatch import cli, config
from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.inspection import Defect, Evidence
from platewatch.model import millimetres
from platewatch.photographs import part_shape, preparation, reading, scale, shape_limits

SIZE = 160
DEFECT = Defect((70, 70, 12, 12), 100, 12.0, 2.0, Evidence(colour=0.5, line=0.5))


def board(*, tilt: float = 0.0, square: int = 20) -> Array:
    """A board of 9 × 7 squares of 20 px before white, seen at an angle."""
    flat = np.full((7 * square + 80, 9 * square + 80), 255, np.uint8)
    rows, columns = np.indices((7 * square, 9 * square)) // square
    flat[40:-40, 40:-40] = np.where((rows + columns) % 2, 255, 0)
    height, width = flat.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    moved = corners + np.array([(0, 0), (0, tilt * height), (0, -tilt * height), (0, 0)], np.float32)
    seen = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(corners, moved), (width, height), borderValue=255)
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.7), np.uint8)[..., None].repeat(3, axis=2)


def test_a_checkerboard_gives_the_scale_and_a_tilt_its_uncertainty() -> None:
    flat = scale.of_checkerboard(board(), (9, 7), 5.0, "board")
    assert flat.mm_per_px == pytest.approx(0.25, rel=0.003)
    assert flat.uncertainty < 0.005
    tilted = scale.of_checkerboard(board(tilt=0.15), (9, 7), 5.0, "board")
    assert tilted.uncertainty > 5 * flat.uncertainty


@pytest.mark.parametrize("squares", [(8, 7), (9, 2), (9.5, 7)])
def test_a_board_that_is_not_there_is_one_line(squares: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="squares") as caught:
        scale.of_checkerboard(board(), squares, 5.0, "board")
    assert "\n" not in str(caught.value)


def part(seed: int, angle: float = 20) -> tuple[Array, float]:
    """A drawn part of 80 × 60 mm and its mm per px."""
    draw = np.random.default_rng(seed)
    return drawn_parts.photo(seed, angle=angle, wire=False), 1 / (1.2 * draw.uniform(0.95, 1.05))


def test_a_part_of_known_size_gives_the_scale_in_px_of_the_photograph() -> None:
    photo, true = part(3)
    for picture, mm in ((photo, true), (photo.repeat(4, axis=0).repeat(4, axis=1), true / 4)):
        found = scale.of_part(picture, (60, 80), "part")
        assert found.mm_per_px == pytest.approx(mm, rel=0.015)
        assert abs(found.mm_per_px - mm) < 3 * found.uncertainty * mm
    with pytest.raises(InputError, match="no part with four sides"):
        scale.of_part(np.full((160, 160, 3), 170, np.uint8), (60, 80), "wall")


def test_each_part_s_pose_gives_its_scale_at_every_place() -> None:
    """Parts at other distances have other scales; one number for all of them would be wrong."""
    check = shape_limits.learn([part(seed, angle=5 * seed)[0] for seed in range(24)], range(24))
    assert check is not None
    settings = config.preset("surface", part_mm=(80.0, 60.0))
    frame = preparation.frame(SIZE, SIZE, SIZE)
    for seed in (100, 101, 102, 103):
        photo, true = part(seed)
        plane = millimetres.plane(settings, part_shape.examine(photo, check), frame, (SIZE, SIZE))
        assert plane is not None
        assert plane.by_part
        found = millimetres.measured(DEFECT, plane, 1.0).size_mm
        assert found is not None
        assert found.length_mm == pytest.approx(12 * true, rel=0.015)
        assert found.area_mm2 == pytest.approx(100 * true**2, rel=0.03)
        both = np.hypot(plane.uncertainty * 12, np.sqrt(0.5)) * true
        assert found.length_uncertainty_mm == pytest.approx(both, rel=0.02)
    wall = part_shape.examine(np.full((SIZE, SIZE, 3), 170, np.uint8), check)
    assert millimetres.plane(settings, wall, frame, (SIZE, SIZE)) is None


def test_one_scale_holds_for_the_whole_picture_with_its_uncertainty() -> None:
    settings = config.preset("surface", mm_per_px=0.2, mm_uncertainty=0.1)
    plane = millimetres.plane(settings, None, preparation.frame(320, 320, SIZE), (320, 320))
    stated = millimetres.stated(plane, (320, 320))
    assert stated is not None
    assert (stated.mm_per_px, stated.uncertainty, stated.by_part) == (0.2, 0.1, False)
    found = millimetres.measured(DEFECT, plane, 2.0).size_mm
    assert found is not None
    assert (found.length_mm, found.area_mm2) == (2.4, 4.0)
    assert found.length_uncertainty_mm == pytest.approx(np.hypot(0.24, np.sqrt(2) * 0.2), abs=1e-3)
    assert millimetres.measured(DEFECT, None, 2.0) == DEFECT
    nothing = config.preset("surface")
    assert millimetres.plane(nothing, None, preparation.frame(320, 320, SIZE), (320, 320)) is None


def test_the_command_prints_what_to_train_with(tmp_path: Path) -> None:
    reading.write_png(tmp_path / "board.png", board())
    asked = ["scale", str(tmp_path / "board.png"), "--checkerboard", "9x7", "--square", "5"]
    said = CliRunner().invoke(cli.main, asked)
    assert "train with --mm-per-px 0.2" in said.output
    values = json.loads(CliRunner().invoke(cli.main, [*asked, "--json"]).stdout)
    assert values["mm_per_px"] == pytest.approx(0.25, rel=0.003)
    for wrong in (asked[:2], asked[:4], [*asked, "--part", "80x60"]):
        assert CliRunner().invoke(cli.main, wrong).exit_code == 2
    bad = CliRunner().invoke(cli.main, [*asked[:2], "--part", "80"])
    assert (bad.exit_code, bad.stderr.count("\n")) == (1, 1)
    assert "'80' is no pair of sizes" in bad.stderr
