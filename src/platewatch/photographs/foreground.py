"""Foreground mask: separates the part from the background by Otsu's threshold on the distance from its colour.

Where the part fills the frame, a highlight or a dark core has another colour than the border too. `find_object` gives
the whole photograph unless what it found is surely an object: few large pieces, a sharp outline, a plain background.
"""

import cv2
import numpy as np

from platewatch.arrays import Grey, Mask, Photo
from platewatch.photographs.preparation import Frame

_THUMB = 128  # longer side of the thumbnail in which the part is searched, px
_LEAST = 0.02  # smallest fraction of the photograph that is an object
_WIRE = 7  # px of the thumbnail; narrower regions (hooks, cables, specks) do not belong to the part
_PIECE, _IN_PIECES = 0.01, 0.75  # 75 % of an object are pieces of at least 1 % of the photograph, and no wires
_STEP, _SHARP = 0.4, 0.6  # along 60 % of its outline, 40 % of its distance arises within 3 px of the thumbnail
_UNEVEN, _GROUND = 0.1, 0.05  # the background, 5 % of the photograph, differs from a paraboloid by 10 % of the distance


def find_object(photo: Photo) -> Mask:
    """Foreground mask (H, W) bool: True where an (H, W, 3) uint8 photograph differs from the colour of its border.

    All True when less than 2 % differs, and when what differs may be a highlight, a dark core or texture of a part that
    fills the frame.
    """
    height, width = photo.shape[:2]
    thumb = _thumbnail(photo)
    distance, limit = _distance(thumb)
    if not _is_object(thumb, distance, distance > limit):
        return np.ones((height, width), bool)
    return np.asarray(cv2.resize(distance, (width, height), interpolation=cv2.INTER_LINEAR) > limit)


def find_framed_object(photo: Photo, frame: Frame) -> Mask:
    """`find_object` of a prepared (S, S, 3) uint8 photograph without its padding: (S, S) bool, False on the padding."""
    mask = np.zeros(photo.shape[:2], bool)
    frame.cut(mask)[:] = find_object(frame.cut(photo))
    return mask


def find_part(photo: Photo) -> Mask:
    """Mask (h, w) bool of the largest object without specks and wires, in a thumbnail of at most 128 px.

    `photo` is (H, W, 3) uint8. All False when less than 2 % of it differs from the colour of its border.
    """
    distance, limit = _distance(_thumbnail(photo))
    count, labels, areas, _ = cv2.connectedComponentsWithStats(_without_wires(distance > limit))
    largest = 1 + int(np.argmax(areas[1:, cv2.CC_STAT_AREA])) if count > 1 else 1
    part: Mask = labels == largest
    return part if np.count_nonzero(part) >= _LEAST * part.size else np.zeros_like(part)


def _thumbnail(photo: Photo) -> Photo:
    height, width = photo.shape[:2]
    scale = min(1.0, _THUMB / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _distance(thumb: Photo) -> tuple[Grey, float]:
    """Distance of each pixel of a thumbnail from the colour of its border, (h, w) uint8, and the limit of objects."""
    rim = np.concatenate([thumb[0], thumb[-1], thumb[:, 0], thumb[:, -1]])
    ground = np.median(rim, axis=0)
    colour = np.broadcast_to(np.rint(ground).astype(np.uint8), thumb.shape)
    distance = strongest_channel(np.asarray(cv2.absdiff(thumb, colour), np.uint8))
    # A hook, a cable or a part that touches the border may cover a quarter of the rim. Otsu's limit lies midway between
    # background and object; half of it allows for uneven light on the background and dull places on the object.
    otsu, _ = cv2.threshold(distance, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return distance, max(20.0, 2 * float(np.quantile(np.abs(rim - ground).max(axis=1), 0.75)), otsu / 2)


def _without_wires(found: Mask) -> Grey:
    """The regions of a thumbnail (h, w) without specks and wires, 0 or 1."""
    padded = np.pad(found.astype(np.uint8), _WIRE, mode="edge")
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WIRE, _WIRE))
    return np.asarray(cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[_WIRE:-_WIRE, _WIRE:-_WIRE], np.uint8)


def _is_object(thumb: Photo, distance: Grey, found: Mask) -> bool:
    """Whether the pixels `found` (h, w) of a thumbnail are surely an object in front of a background."""
    if np.count_nonzero(found) < _LEAST * found.size:
        return False
    mask, square = found.view(np.uint8), np.ones((3, 3), np.uint8)
    areas = cv2.connectedComponentsWithStats(_without_wires(found))[2][1:, cv2.CC_STAT_AREA]
    if areas[areas >= _PIECE * found.size].sum() < _IN_PIECES * np.count_nonzero(found):
        return False
    contrast = float(np.quantile(distance[found], 0.9))
    inner = cv2.erode(mask, square, borderType=cv2.BORDER_REPLICATE)  # the photograph's border is no outline
    step = cv2.subtract(cv2.dilate(distance, square), cv2.erode(distance, square))[found & (inner == 0)]
    if not step.size or (step >= _STEP * contrast).mean() < _SHARP:
        return False
    ground = cv2.dilate(mask, np.ones((7, 7), np.uint8)) == 0  # without the outline's blur
    is_large = np.count_nonzero(ground) >= _GROUND * found.size
    return bool(is_large and _unevenness(thumb, ground) <= _UNEVEN * contrast)


def _unevenness(thumb: Photo, ground: Mask) -> float:
    """How far the background's colours are from a paraboloid over x and y (uneven light): the 95 % quantile."""
    points, colours = np.nonzero(ground), thumb[ground].astype(np.float64)
    y, x = (each / length - 0.5 for each, length in zip(points, ground.shape, strict=True))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    fitted = np.linalg.lstsq(terms @ terms.T, terms @ colours, rcond=None)[0]  # a tenth of the time of all rows
    return float(np.quantile(np.abs(colours - terms.T @ fitted).max(axis=1), 0.95))


def strongest_channel(change: Photo) -> Grey:
    """The largest of the three channels of (H, W, 3) uint8: (H, W) uint8."""
    red, green, blue = cv2.split(change)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)
