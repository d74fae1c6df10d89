"""The picture of blind spots: one row a kind, what was found left, what was missed right, and a small file."""

import cv2
import numpy as np

from platewatch.arrays import Photo
from platewatch.decision.blind_spots import ALL_KINDS
from platewatch.evaluation import blind_spot_pictures
from platewatch.evaluation.blind_spot_pictures import Example
from platewatch.inspection import Verdict


def noisy(side: int = 256) -> Photo:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def example(kind: str, verdict: Verdict, photo: Photo, box: tuple[int, int, int, int] = (100, 90, 8, 8)) -> Example:
    words = "8 px across", "10\u00a0% contrast"
    return Example(kind, words, verdict, photo, box)  # type: ignore[arg-type]


def test_found_and_missed_are_cut_out_around_the_defect_at_twice_the_size() -> None:
    photo = noisy()
    picture = blind_spot_pictures.draw(
        [
            example("blur", Verdict.PASS, photo),
            example("scratch", Verdict.REVIEW, photo, (0, 250, 30, 4)),
        ]
    )
    large = photo.repeat(2, axis=0).repeat(2, axis=1)
    missed = place(picture, large[140:160, 150:180])
    assert missed[0] > picture.shape[1] // 2, "the middle of the cut out square, right of the middle: missed"
    found = place(picture, large[470:490, 100:130])
    assert found[0] < picture.shape[1] // 2
    assert found[1] < missed[1], "scratches come before blurred places"
    assert (picture == 240).all(axis=2).sum() > 2 * 150**2, "an empty square where there is no example"


def place(picture: Photo, piece: Photo) -> tuple[int, int]:
    """Where (x, y) a piece lies in a picture, exactly."""
    _, _, (x, y), _ = cv2.minMaxLoc(cv2.matchTemplate(picture, piece, cv2.TM_SQDIFF))
    assert np.array_equal(picture[y : y + len(piece), x : x + piece.shape[1]], piece)
    return x, y


def test_the_marker_lies_around_the_defect_and_leaves_it_free() -> None:
    photo = np.full((256, 256, 3), 100, np.uint8)
    photo[90:98, 100:108] = (10, 20, 30)
    picture = blind_spot_pictures.draw([example("rust", Verdict.REJECT, photo)])
    assert ((picture == (10, 20, 30)).all(axis=2)).sum() == 16 * 16
    square = picture[40:200, 12:172]
    assert (square == 255).all(axis=2).any()


def test_a_defect_larger_than_the_square_is_shown_whole() -> None:
    photo = np.full((512, 512, 3), 100, np.uint8)
    photo[200:210, 100:300] = (10, 20, 30)
    picture = blind_spot_pictures.draw([example("scratch", Verdict.PASS, photo, (100, 200, 200, 10))])
    dark = (np.abs(picture.astype(int) - (10, 20, 30)) <= 3).all(axis=2)
    assert 130 <= np.ptp(np.argwhere(dark)[:, 1]) <= 160


def test_the_file_is_small_whatever_it_shows() -> None:
    """Noise that is shown smaller than it is: every pixel differs from its neighbours."""
    photo, box = noisy(384), (50, 60, 144, 144)
    examples = [example(kind, Verdict.PASS, photo, box) for kind in ALL_KINDS]
    data = blind_spot_pictures.png(examples)
    assert data.startswith(b"\x89PNG")
    assert 100_000 < len(data) <= 300_000
