"""Colour of a photograph: conversion to CIE Lab, whether it is grey, and whether its camera shows colour."""

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Photo

_ROUNDING = 3  # of 255: channels of a grey photograph differ by this after JPEG and WebP, at most
_CLEAR = 20  # of 255


def lab(photo: Photo) -> Floats:
    """CIE Lab of (H, W, 3) uint8 RGB: (H, W, 3) float32, L from 0 to 100, a and b about ± 128."""
    converted: Array = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return converted


def is_grey(photo: Photo) -> bool:
    """Whether R = G = B in every pixel of a (…, 3) uint8 photograph."""
    return bool((photo[..., 0] == photo[..., 1]).all() and (photo[..., 1] == photo[..., 2]).all())


def has_none(photo: Photo) -> bool:
    """Whether an (H, W, 3) uint8 photograph shows no colour at all, but for the rounding of its file format."""
    few = photo[::8, ::8]  # enough for nearly every photograph in colour, in a sixtieth of the time
    return all(int(_spread(each).max()) <= _ROUNDING for each in (few, photo))


def has_much(photo: Photo) -> bool:
    """Whether some part of a (…, 3) uint8 photograph is clearly coloured."""
    return float(np.quantile(_spread(photo), 0.99)) >= _CLEAR


def _spread(photo: Photo) -> Array:
    """The difference of the largest and the smallest channel of each pixel."""
    return np.asarray(photo.max(axis=-1) - photo.min(axis=-1))
