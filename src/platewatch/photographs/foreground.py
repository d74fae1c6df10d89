"""Foreground mask: separates the part from the background by Otsu's threshold on the distance from its colour."""

import cv2
import numpy as np

from platewatch.arrays import Grey, Mask, Photo


def find_object(photo: Photo) -> Mask:
    """Foreground mask (S, S) bool: True where an (S, S, 3) uint8 photograph differs from the colour of its border.

    All True when less than 2 % differs.
    """
    side = photo.shape[0]
    thumb = cv2.resize(photo, (min(side, 128),) * 2, interpolation=cv2.INTER_AREA)
    rim = np.concatenate([thumb[0], thumb[-1], thumb[:, 0], thumb[:, -1]])
    ground = np.median(rim, axis=0)
    colour = np.broadcast_to(np.rint(ground).astype(np.uint8), thumb.shape)
    distance = strongest_channel(np.asarray(cv2.absdiff(thumb, colour), np.uint8))
    # A hook, a cable or a part that touches the border may cover a quarter of the rim. Otsu's limit lies midway between
    # background and object; half of it allows for uneven light on the background and dull places on the object.
    otsu, _ = cv2.threshold(distance, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    limit = max(20.0, 2 * float(np.quantile(np.abs(rim - ground).max(axis=1), 0.75)), otsu / 2)
    if np.count_nonzero(distance > limit) < 0.02 * distance.size:
        return np.ones((side, side), bool)
    return np.asarray(cv2.resize(distance, (side, side), interpolation=cv2.INTER_LINEAR) > limit)


def strongest_channel(change: Photo) -> Grey:
    """The largest of the three channels of (S, S, 3) uint8: (S, S) uint8."""
    red, green, blue = cv2.split(change)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)
