"""Draw the README's picture from three rendered plates and a model of the demo.

python benchmarks/picture.py demo/model docs/verdicts.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import platewatch
from platewatch.arrays import Array
from platewatch.photographs import overlay, preparation, reading
from platewatch.synthetic import rendered_plates

SHOWN = (("good", 55), ("scratches", 42), ("major_rust", 11))
SIDE = 420
COLOURS = {"PASS": (0, 114, 178), "REVIEW": (230, 159, 0), "REJECT": (213, 94, 0)}


def main() -> None:
    model, out = platewatch.load(sys.argv[1]), Path(sys.argv[2])
    panels = []
    for kind, seed in SHOWN:
        photo, _ = rendered_plates.render(kind, seed, 840)
        seen = model.examine(photo)
        drawn = overlay.overlay(photo, seen.frame.cut(seen.anomaly_map), seen.inspection.defects)
        panels.append(
            _caption(preparation.prepare(drawn, SIDE), str(seen.inspection.verdict), seen.inspection.score or 0)
        )
    reading.write_png(out, np.hstack(panels))


def _caption(picture: Array, verdict: str, score: float) -> Array:
    strip = np.full((44, SIDE, 3), COLOURS[verdict], np.uint8)
    text = f"{verdict}  score {score:.2f}"
    cv2.putText(strip, text, (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    return np.vstack([picture, strip])


if __name__ == "__main__":
    main()
