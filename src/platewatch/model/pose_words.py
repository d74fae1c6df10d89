"""Pose and findings of the shape check as an Inspection holds them: px of the original photograph, and words."""

from collections.abc import Sequence
from typing import TypedDict

import cv2
import numpy as np

from platewatch.arrays import Points
from platewatch.inspection import Finding, Pose
from platewatch.photographs import part_shape
from platewatch.photographs.part_shape import Examined
from platewatch.photographs.preparation import Frame

_CORNERS = 0.006  # of the outline's length: how far the corners' polygon may be from it


class Described(TypedDict):
    """The fields of an Inspection that the shape check gives."""

    findings: tuple[Finding, ...]
    pose: Pose | None


def described(found: Examined | None, frame: Frame, size: tuple[int, int]) -> Described:
    """What the shape check found, in px of the original photograph of this (width, height)."""
    if found is None:
        return {"findings": (), "pose": None}
    scale = np.array([size[0] / frame.width, size[1] / frame.height])
    findings = tuple(Finding(each.check, each.reason, _box(each.box, scale, size)) for each in found.findings)
    if found.outline is None or found.placed is None:
        return {"findings": findings, "pose": None}
    corners = _simple(found.outline.polygon) if found.outline.corners is None else found.outline.corners
    outline = tuple((round(float(x), 1), round(float(y), 1)) for x, y in (corners + 0.5) * scale - 0.5)
    pose = Pose(outline, round(part_shape.direction(found.placed), 2), found.placed.mirrored)
    return {"findings": findings, "pose": pose}


def reason(by_score: str, findings: Sequence[Finding], *, passed: bool) -> str:
    """The verdict's sentence with the findings; they come first where the score alone `passed`."""
    if not findings:
        return by_score
    words = "; ".join(each.reason for each in findings)
    return f"{words}: look at it" if passed else f"{by_score}; {words}"


def _simple(polygon: Points) -> Points:
    contour = polygon.astype(np.float32)
    few = cv2.approxPolyDP(contour, _CORNERS * cv2.arcLength(contour, True), True)
    return np.asarray(few[:, 0, :], np.float64)


def _box(
    box: tuple[float, float, float, float] | None, scale: Points, size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of a box within the photograph, px."""
    if box is None:
        return None
    corners = (np.array(box).reshape(2, 2) + 0.5) * scale
    (left, top), (right, bottom) = np.clip([np.floor(corners[0]), np.ceil(corners[1])], 0, size).astype(int).tolist()
    return left, top, max(1, right - left), max(1, bottom - top)
