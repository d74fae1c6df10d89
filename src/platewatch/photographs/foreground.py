"""Foreground mask: separates the part from the background by Otsu's threshold on the distance from its colour."""

import cv2
import numpy as np

from platewatch.arrays import Grey, Mask, Photo
from platewatch.photographs.preparation import Frame

_THUMB = 128  # longer side of the thumbnail in which the part is searched, px
_LEAST = 0.02  # smallest fraction of the photograph that is an object
_WIRE = 7  # px of the thumbnail; narrower regions (hooks, cables, specks) do not belong to the part


def find_object(photo: Photo) -> Mask:
    """Foreground mask (H, W) bool: True where an (H, W, 3) uint8 photograph differs from the colour of its border.

    All True when less than 2 % differs.
    """
    height, width = photo.shape[:2]
    distance, limit = _distance(photo)
    if np.count_nonzero(distance > limit) < _LEAST * distance.size:
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
    distance, limit = _distance(photo)
    found = np.pad((distance > limit).astype(np.uint8), _WIRE, mode="edge")
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WIRE, _WIRE))
    thick = cv2.morphologyEx(found, cv2.MORPH_OPEN, disc)[_WIRE:-_WIRE, _WIRE:-_WIRE]
    count, labels, areas, _ = cv2.connectedComponentsWithStats(thick)
    largest = 1 + int(np.argmax(areas[1:, cv2.CC_STAT_AREA])) if count > 1 else 1
    part: Mask = labels == largest
    return part if np.count_nonzero(part) >= _LEAST * part.size else np.zeros_like(part)


def _distance(photo: Photo) -> tuple[Grey, float]:
    """Distance of each pixel of a thumbnail from the colour of its border, (h, w) uint8, and the limit of objects."""
    height, width = photo.shape[:2]
    scale = min(1.0, _THUMB / max(height, width))
    small = max(1, round(width * scale)), max(1, round(height * scale))
    thumb = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    rim = np.concatenate([thumb[0], thumb[-1], thumb[:, 0], thumb[:, -1]])
    ground = np.median(rim, axis=0)
    colour = np.broadcast_to(np.rint(ground).astype(np.uint8), thumb.shape)
    distance = strongest_channel(np.asarray(cv2.absdiff(thumb, colour), np.uint8))
    # A hook, a cable or a part that touches the border may cover a quarter of the rim. Otsu's limit lies midway between
    # background and object; half of it allows for uneven light on the background and dull places on the object.
    otsu, _ = cv2.threshold(distance, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return distance, max(20.0, 2 * float(np.quantile(np.abs(rim - ground).max(axis=1), 0.75)), otsu / 2)


def strongest_channel(change: Photo) -> Grey:
    """The largest of the three channels of (H, W, 3) uint8: (H, W) uint8."""
    red, green, blue = cv2.split(change)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)
