"""Colour of a photograph: conversion to CIE Lab, and whether it is grey."""

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Photo


def lab(photo: Photo) -> Floats:
    """CIE Lab of (H, W, 3) uint8 RGB: (H, W, 3) float32, L from 0 to 100, a and b about ± 128."""
    converted: Array = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return converted


def is_grey(photo: Photo) -> bool:
    """Whether R = G = B in every pixel of a (…, 3) uint8 photograph."""
    return bool((photo[..., 0] == photo[..., 1]).all() and (photo[..., 1] == photo[..., 2]).all())
