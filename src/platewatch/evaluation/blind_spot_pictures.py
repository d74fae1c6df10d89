"""Picture of the sensitivity trials: of each kind of defect the weakest found and the strongest missed, cut out."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array, Photo
from platewatch.decision.blind_spots import ALL_KINDS
from platewatch.decision.sensitivity_summary import NAMES, Kind, StructuralKind
from platewatch.inspection import Verdict

MOST_BYTES = 300_000

_WINDOW, _SHOWN, _SCALE = 80, 160, 2  # px of the judged picture cut out, px they are shown at, and the factor
_GAP, _TEXT, _LINE, _HEAD = 12, 216, 24, 40  # px: between cells, width of a caption, height of its lines, of the head
_MARGIN, _TICK = 4, 9  # px between a defect and its marker, length of the marker's corners
_FOUND, _MISSED, _INK, _PALE = (0, 130, 95), (190, 70, 0), (30, 30, 30), (120, 120, 120)


@dataclass(frozen=True)
class Example:
    """One trial on one plate."""

    kind: Kind | StructuralKind
    words: tuple[str, ...]
    """Size and contrast, one line each."""
    verdict: Verdict
    photo: Photo
    """The prepared photograph (S, S, 3) uint8 RGB with the defect."""
    box: tuple[int, int, int, int]
    """Left, top, width and height of the defect, px."""


def png(examples: Sequence[Example]) -> bytes:
    """The picture as PNG of at most MOST_BYTES; equal examples give equal bytes.

    One row for each kind among the examples, at most one example each that was found and that was missed. Where the
    file would be larger, the lowest bits of each channel are dropped.
    """
    canvas, data = draw(examples), b""
    for bits in range(8):
        coarse = canvas >> bits << bits
        _, encoded = cv2.imencode(".png", cv2.cvtColor(coarse, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 6])
        data = encoded.tobytes()
        if len(data) <= MOST_BYTES:
            break
    return data


def draw(examples: Sequence[Example]) -> Photo:
    """The picture (H, W, 3) uint8 RGB."""
    kinds = [kind for kind in ALL_KINDS if any(each.kind == kind for each in examples)]
    width, row = 2 * (_SHOWN + _TEXT + 2 * _GAP), _SHOWN + _GAP
    canvas = np.full((_HEAD + len(kinds) * row, width, 3), 255, np.uint8)
    for column, (title, missed) in enumerate((("Weakest found", False), ("Strongest missed", True))):
        left = _GAP + column * width // 2
        _write(canvas, title, (left, 27), 0.65, _MISSED if missed else _FOUND)
        for place, kind in enumerate(kinds):
            chosen = [each for each in examples if each.kind == kind and (each.verdict is Verdict.PASS) == missed]
            _cell(canvas, (left, _HEAD + place * row), kind, chosen[0] if chosen else None, missed=missed)
    return canvas


def _cell(
    canvas: Photo, corner: tuple[int, int], kind: Kind | StructuralKind, example: Example | None, *, missed: bool
) -> None:
    """Draw one example and its caption at `corner` (x, y)."""
    left, top = corner
    square = canvas[top : top + _SHOWN, left : left + _SHOWN]
    square[:] = _cut(example) if example else 240
    colour, x = _MISSED if missed else _FOUND, left + _SHOWN + _GAP
    _write(canvas, NAMES[kind], (x, top + _LINE), 0.6, _INK)
    if example is None:
        lines = [f"none was {'missed' if missed else 'found'}"]
        result = ""
    else:
        lines = list(example.words)
        result = f"{'missed' if missed else 'found'}: {example.verdict}"
    for number, line in enumerate(lines, start=2):
        _write(canvas, line, (x, top + number * _LINE), 0.5, _INK if example else _PALE)
    _write(canvas, result, (x, top + (len(lines) + 2) * _LINE), 0.5, colour)


def _cut(example: Example) -> Photo:
    """The defect and what is around it, twice as large, or as large as fits: (_SHOWN, _SHOWN, 3) uint8."""
    left, top, width, height = example.box
    side = len(example.photo)
    window = min(side, max(_WINDOW, max(width, height) + 4 * _MARGIN))
    x, y = (int(np.clip(at + size // 2 - window // 2, 0, side - window)) for at, size in ((left, width), (top, height)))
    scale = _SHOWN / window
    how = cv2.INTER_NEAREST if scale >= _SCALE else cv2.INTER_AREA
    cut = example.photo[y : y + window, x : x + window]
    shown = np.asarray(cv2.resize(cut, (_SHOWN, _SHOWN), interpolation=how), np.uint8)
    reach = np.array([[left - x, top - y], [left + width - x, top + height - y]]) * scale
    low, high = np.clip(np.rint(reach + np.array([[-_MARGIN], [_MARGIN]])), 1, _SHOWN - 2).astype(int)
    _mark(shown, low, high)
    return shown


def _mark(picture: Photo, low: Array, high: Array) -> None:
    """Draw the four corners of a box from `low` (x, y) to `high`, white with a dark edge, into a picture."""
    tick = np.minimum(_TICK, (high - low) // 3)
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        for x, inwards in ((low[0], tick[0]), (high[0], -tick[0])):
            for y, down in ((low[1], tick[1]), (high[1], -tick[1])):
                cv2.line(picture, (int(x), int(y)), (int(x + inwards), int(y)), colour, thick)
                cv2.line(picture, (int(x), int(y)), (int(x), int(y + down)), colour, thick)


def _write(canvas: Photo, text: str, place: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    """Write a line, whose baseline begins at `place` (x, y); spaces that do not break become plain ones."""
    plain = text.replace("\u00a0", " ")
    cv2.putText(canvas, plain, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
