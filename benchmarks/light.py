"""Verdicts on a labelled test folder under another light, turned, and compressed; one table in Markdown.

python benchmarks/light.py MODEL DATA
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import platewatch
from platewatch import dataset, images
from platewatch.dataset import ANOMALOUS, NORMAL
from platewatch.images import Array

LAMPS = {
    "as it is": (1.0, 0.0),
    "25 % darker": (0.75, 0.0),
    "10 % darker": (0.9, 0.0),
    "10 % brighter": (1.1, 0.0),
    "25 % brighter": (1.25, 0.0),
    "warmer by 4 %": (1.0, 0.04),
    "colder by 4 %": (1.0, -0.04),
}
"""Factor on all channels, and share by which red gains and blue loses."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    asked = parser.parse_args()
    model = platewatch.load(asked.model)
    plates = [(sample.label, images.read(sample.path)) for sample in dataset.test(asked.data)]
    changes: dict[str, Callable[[Array], Array]] = {name: _relit(*lamp) for name, lamp in LAMPS.items()}
    changes |= {"turned by 40°": _turned, "JPEG, quality 85": _compressed}
    sys.stdout.write("| light | good: PASS / REVIEW / REJECT | defective: PASS / REVIEW / REJECT |\n|---|---|---|\n")
    for name, change in changes.items():
        counts = Counter((label, str(model.inspect(change(photo)).verdict)) for label, photo in plates)
        cells = [
            " / ".join(str(counts[label, verdict]) for verdict in ("PASS", "REVIEW", "REJECT"))
            for label in (NORMAL, ANOMALOUS)
        ]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


def _relit(factor: float, tint: float) -> Callable[[Array], Array]:
    factors = factor * np.array([1 + tint, 1, 1 - tint])
    return lambda photo: np.clip(photo * factors, 0, 255).astype(np.uint8)


def _turned(photo: Array) -> Array:
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 40, 1)
    return cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _compressed(photo: Array) -> Array:
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return images.read(data.tobytes())


if __name__ == "__main__":
    main()
