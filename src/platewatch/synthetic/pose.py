"""Pose, illumination and camera of a rendered plate that hangs on a hook in front of a grey wall.

The front is lit in plate coordinates (see `materials`), projected by a pinhole camera, and composed with wall and hook.
Polygons are (N, 2); S is the photograph's side in px; colours are RGB, 0 to 255.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from platewatch.arrays import Doubles, Floats, Photo, Points
from platewatch.synthetic.materials import (
    ASPECT,
    Colour,
    Material,
    blend,
    coverage,
    noise,
    places,
    plate_from_texels,
    project,
    ribbon,
    step,
)

HOLE_RADIUS, THICKNESS = 0.147, 0.035  # in plate heights
FOCAL = 2.2  # focal length and distance of the plate, in picture widths: a short telephoto lens


@dataclass(frozen=True)
class Pose:
    """Pose of a plate: matrices (3, 3) from plate coordinates to px, outline (N, 2), direction (2,) of the light."""

    front: Doubles
    back: Doubles
    outline: Points
    illumination: Doubles


# ---- the plate


def mount(rng: Generator, size: int) -> Pose:
    """A random pose on the hook: any rotation, a small tilt, near the centre of the picture."""
    roll, yaw, pitch = rng.uniform(0, 2 * np.pi), np.clip(rng.normal(0, 0.2), -0.5, 0.5), rng.normal(0, 0.07)
    turn = _rotation(0, yaw, 0) @ _rotation(pitch, 0, 0) @ _rotation(0, 0, roll)
    scale = rng.uniform(0.44, 0.53)
    camera = np.array([[FOCAL, 0, rng.normal(0.48, 0.025)], [0, FOCAL, rng.normal(0.5, 0.02)], [0, 0, 1 / size]]) * size
    away = np.array([0, 0, FOCAL])
    front = camera @ np.column_stack([scale * turn[:, 0], scale * turn[:, 1], away])
    behind = away + scale * THICKNESS * turn[:, 2]
    back = camera @ np.column_stack([scale * turn[:, 0], scale * turn[:, 1], behind])
    illumination = turn[:2, :2].T @ np.array([-0.94, -0.34])
    return Pose(front, back, _outline(rng), illumination / np.linalg.norm(illumination))


def _rotation(x: float, y: float, z: float) -> Doubles:
    return cv2.Rodrigues(np.array([x, y, z], dtype=np.float64))[0].astype(np.float64)


def _outline(rng: Generator) -> Points:
    """A rectangle with a quarter-circle notch at one corner and slightly rough edges."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [ASPECT / 2, 0.5]
    notched, radius = rng.integers(4), rng.uniform(0.105, 0.145)
    angle = np.linspace(0, np.pi / 2, 24)[:, None]
    ring = []
    for i, corner in enumerate(corners):
        before, after = np.sign(corners[i - 1] - corner), np.sign(corners[(i + 1) % 4] - corner)
        bite = np.cos(angle) * before + np.sin(angle) * after
        ring.append(corner + radius * bite if i == notched else corner + 0.006 * bite[[0, -1]])
    loop = np.concatenate([*ring, ring[0][:1]])
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(loop, axis=0), axis=1))]
    at = np.arange(0, along[-1], 0.008)
    even = np.column_stack([np.interp(at, along, loop[:, 0]), np.interp(at, along, loop[:, 1])])
    nicks = np.where(rng.random((len(at), 1)) < 0.04, 0.002, 0.0003)
    return np.asarray(even + nicks * rng.normal(0, 1, even.shape))


def _circle(radius: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def rim_distance(pose: Pose, texels: tuple[int, int]) -> Floats:
    """Distance (h, w) of every texel from the nearest edge, also the hole's, in plate heights."""
    to_texels = np.linalg.inv(plate_from_texels(texels))
    hole = coverage([project(to_texels, _circle(HOLE_RADIUS))], texels)
    solid = coverage([project(to_texels, pose.outline)], texels) - hole > 0.5
    return np.asarray(cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5) / texels[0], dtype=np.float32)


def illuminate(rng: Generator, material: Material, pose: Pose, rim: Floats) -> Floats:
    """The lit front (h, w, 3), 0 to 255: shading by height, fall-off with distance from the light source, glare."""
    x, y = places(rim.shape)
    kernel = (
        np.array(
            [
                [0, pose.illumination[1], 0],
                [pose.illumination[0], 0, -pose.illumination[0]],
                [0, -pose.illumination[1], 0],
            ]
        )
        / 2
    )
    slope = cv2.filter2D(material.height, -1, kernel) * np.float32(rim.shape[0] / 317) ** 0.5
    exposure = 0.42 if rng.random() < 0.03 else rng.uniform(0.85, 1.08)  # 3 % are dark
    fall_off = 1 + rng.uniform(0.2, 0.5) * (x * pose.illumination[0] + y * pose.illumination[1])
    shade = exposure * fall_off * (1 + np.clip(0.45 * slope, -0.6, 0.6))
    spot, spread = rng.uniform(0.3, 0.55) * pose.illumination + rng.normal(0, 0.1, 2), rng.uniform(0.16, 0.3)
    power = rng.uniform(0.7, 1.2) if rng.random() < 0.12 else rng.uniform(0.1, 0.45)
    glare = power * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * spread**2))
    grit = noise(rng, rim.shape, 100, 2, gain=1.0)
    mirror = np.clip((glare * (1 + 0.28 * grit) + 0.9 * slope - 0.62) / 0.75, 0, 1) + 0.1 * glare
    lit = material.colour * shade[..., None] + (190 * material.gloss * mirror)[..., None]
    return np.asarray(lit, dtype=np.float32)


# ---- the photograph


def compose(rng: Generator, pose: Pose, lit: Floats) -> tuple[Floats, Floats]:
    """Compose background, wire, plate and hook: photograph (S, S, 3) and coverage (S, S) of the visible front."""
    size = lit.shape[0]
    hole = project(pose.front, _circle(HOLE_RADIUS))
    contact = hole[np.argmin(hole[:, 1])]  # the hook holds the plate where the hole is highest
    gap, face = coverage([hole], lit.shape), coverage([project(pose.front, pose.outline)], lit.shape)
    far_gap = coverage([project(pose.back, _circle(HOLE_RADIUS))], lit.shape)
    far_face = coverage([project(pose.back, pose.outline)], lit.shape)
    solid = np.maximum(face, far_face) * (1 - gap * far_gap)
    photo = _background(rng, size)
    _draw_wire(rng, photo, contact)
    edge = np.median(lit[face > 0.5], axis=0) * rng.uniform(0.35, 0.8) + 8
    photo = blend(photo, edge.astype(np.float32), solid)
    front = face * (1 - gap)
    photo = blend(photo, lit * (1 - _hook_shadow(rng, contact, size))[..., None], front)
    return photo, front * (1 - _draw_hook(rng, photo, contact))


def _background(rng: Generator, size: int) -> Floats:
    """A light grey wall (S, S, 3), brighter on the left, darker in the corners."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = at[None], at[:, None]
    level = rng.normal(196, 6) + rng.normal(-12, 7) * x + rng.normal(0, 6) * y
    level = level - rng.normal(24, 6) * (x * x + y * y) / 1.2 + 16 * x * y
    corners = np.asarray((x - 0.5) ** 2 + (y - 0.5) ** 2 - 0.35, dtype=np.float32)
    level = level - 9 * step(corners, 0.35)
    return np.asarray(level[..., None] * np.array([0.998, 1.004, 0.999]), dtype=np.float32)


def _draw_wire(rng: Generator, photo: Floats, contact: Points) -> None:
    """Draw the straight wire from the upper border of the picture to the hole, behind the plate."""
    size = photo.shape[0]
    top = np.array([contact[0] + rng.normal(-0.01, 0.02) * size, -4])
    line = top + np.linspace(0, 1, 12)[:, None] * (contact - top)
    _draw_rod(photo, line, np.full(12, rng.uniform(0.010, 0.013) * size))


def _draw_hook(rng: Generator, photo: Floats, contact: Points) -> Floats:
    """Draw the hook's end, which comes out of the hole and bends up over the front; returns its coverage (S, S)."""
    size = photo.shape[0]
    inside, under, out = contact + size * np.array([[-0.022, 0.004], [0.005, 0.035], [0.028, -0.012]])
    tip = contact + size * np.array([rng.normal(0.1, 0.03), rng.normal(-0.165, 0.015)])
    t = np.linspace(0, 1, 24)[:, None]
    line = (1 - t) ** 3 * inside + 3 * (1 - t) ** 2 * t * under + 3 * (1 - t) * t**2 * out + t**3 * tip
    widths = np.linspace(0.016, 0.021, 24) * size * rng.uniform(0.9, 1.05)
    _fill(photo, _circle(0.017 * size) * [1.3, 0.55] + inside + size * np.array([0.006, 0.001]), (22, 22, 24), 0.85)
    cover = _draw_rod(photo, line, widths)
    ahead = (line[-1] - line[-3]) / np.linalg.norm(line[-1] - line[-3])
    cap = _circle(widths[-1] / 2) * [1, 0.6] @ np.array([[-ahead[1], ahead[0]], ahead]) + line[-1]
    return np.maximum(cover, _fill(photo, cap, (150, 148, 134), 0.9))


def _draw_rod(photo: Floats, line: Points, widths: Doubles) -> Floats:
    """Draw a round rod along `line`, lit from the left; returns its coverage (S, S)."""
    cover = _fill(photo, ribbon(line, widths), (50, 50, 46))
    for shift, width, tone in ((0.08, 0.74, (86, 85, 74)), (0.15, 0.46, (112, 110, 96)), (0.2, 0.16, (150, 148, 133))):
        _fill(photo, ribbon(line + shift * widths[:, None] * [-1.0, -0.3], width * widths), tone, 0.75)
    return cover


def _fill(photo: Floats, polygon: Points, tone: Colour, opacity: float = 1.0) -> Floats:
    """Fill a polygon in the photograph in place; returns its coverage (S, S)."""
    size = photo.shape[0]
    left, top = np.clip(np.floor(polygon.min(0)) - 2, 0, size - 1).astype(int)
    right, bottom = np.clip(np.ceil(polygon.max(0)) + 3, 1, size).astype(int)
    box = np.s_[top:bottom, left:right]
    cover = np.zeros((size, size), np.float32)
    cover[box] = coverage([polygon - [left, top]], cover[box].shape)
    photo[box] = blend(photo[box], tone, opacity * cover[box])
    return cover


def _hook_shadow(rng: Generator, contact: Points, size: int) -> Floats:
    """The hook's shadow on the front (S, S), 0 to 1: thin at the hole, wider to the right."""
    t = np.linspace(0, 1, 16)[:, None]
    reach, drop, bend = rng.uniform(0.24, 0.4), rng.normal(0.0, 0.025), rng.normal(0, 0.01)
    line = np.column_stack([0.02 + reach * t, 0.018 + drop * t + bend * np.sin(np.pi * t)])
    widths = np.r_[np.linspace(0.014, 0.033, 14), 0.028, 0.016]
    cover = coverage([ribbon(contact + size * line, widths * size)], (size, size))
    soft = cv2.GaussianBlur(cover, (0, 0), max(0.006 * size, 0.3))
    return np.asarray(rng.uniform(0.55, 0.75) * soft, dtype=np.float32)


def expose(rng: Generator, photo: Floats) -> Photo:
    """The camera's picture (S, S, 3) uint8: lens blur, exposure, white balance and noise."""
    size = photo.shape[0]
    soft = cv2.GaussianBlur(photo, (0, 0), max(rng.uniform(0.45, 0.75) * size / 512, 0.2))
    gains = (rng.normal(1, 0.025) * (1 + rng.normal(0, 0.005, 3))).astype(np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal((size, size, 3), dtype=np.float32), (0, 0), 0.5)
    return np.clip(soft * gains + np.float32(rng.uniform(1.2, 2.2)) * grain + 0.5, 0, 255).astype(np.uint8)
