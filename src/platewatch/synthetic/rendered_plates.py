"""Renders synthetic photographs of metal plates with masks, for the demo and the tests.

A painted steel plate with a round hole and a notched corner hangs on a hook, in any rotation. Everything is computed:
`materials` gives paint, rust and scratches of the front, `pose` illumination and camera.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from platewatch import files
from platewatch.arrays import Floats, Mask, Photo
from platewatch.errors import InputError
from platewatch.progress import Progress, silent
from platewatch.synthetic.materials import ASPECT, Material, abrade, half_paint, paint, plate_from_texels, rust
from platewatch.synthetic.pose import compose, expose, illuminate, mount, rim_distance

KINDS = ("good", "major_rust", "scratches", "total_rust")
TEST_COUNTS: Mapping[str, int] = MappingProxyType({"good": 26, "major_rust": 14, "scratches": 34, "total_rust": 23})


def render(kind: str, seed: int, size: int = 512) -> tuple[Photo, Mask]:
    """One photograph (size, size, 3) uint8 RGB and its mask (size, size) bool, True where the plate is defective.

    The same kind and seed give the same plate at any size. Raises InputError for an unknown kind, a negative seed or a
    size outside 64 to 2048.
    """
    _check_options(kind, seed, size)
    # one random generator per step, so that a change of one step does not change the others
    mounting, painting, lighting, camera = (default_rng([seed, KINDS.index(kind), part]) for part in range(4))
    pose = mount(mounting, size)
    rim = rim_distance(pose, (round(0.62 * size), round(0.62 * size * ASPECT)))
    material = _front(kind, painting, rim)
    to_photo = pose.front @ plate_from_texels(rim.shape)
    lit = illuminate(lighting, material, pose, rim)
    lit = np.asarray(cv2.warpPerspective(lit, to_photo, (size, size), borderMode=cv2.BORDER_REPLICATE), np.float32)
    photo, front = compose(camera, pose, lit)
    defect = cv2.warpPerspective(material.defect, to_photo, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return expose(camera, photo), np.asarray((defect > 0.5) & (front > 0.5))


def _front(kind: str, rng: Generator, rim: Floats) -> Material:
    if kind == "total_rust":
        return rust(rng, rim, grey=rng.uniform(0.1, 0.65), orange=rng.uniform(0.1, 0.5))
    if kind == "major_rust":
        return half_paint(rng, rim)
    return abrade(rng, paint(rng, rim)) if kind == "scratches" else paint(rng, rim)


def render_set(
    out: Path,
    *,
    good: int = 54,
    test: Mapping[str, int] = TEST_COUNTS,
    size: int = 512,
    seed: int = 0,
    progress: Progress = silent,
) -> int:
    """Write `good` training photographs and the `test` ones with masks in the MVTec layout; returns their number.

    A photograph depends on seed, size, folder and number alone. On failure nothing is left behind. Raises InputError
    when an option is out of its bounds, OutputError when `out` is not empty or the set cannot be written.
    """
    for kind, count in [("good", good), *test.items()]:
        _check_options(kind, seed, size)
        if count < 0:
            raise InputError(kind, f"{count} photographs", expected="0 or more", remedy="choose another number")
    photographs = [("train", "good", i) for i in range(good)]
    photographs += [("test", kind, i) for kind, count in test.items() for i in range(count)]
    with files.whole_folder(out, remedy="free space or choose a folder you may write") as folder:
        for done, (split, kind, i) in enumerate(photographs, start=1):
            entropy = [seed, ("train", "test").index(split), i]
            photo, mask = render(kind, int(SeedSequence(entropy).generate_state(1)[0]), size)
            _write_png(folder / split / kind / f"{i:03d}.png", photo[..., ::-1])  # OpenCV writes BGR
            if kind != "good":
                _write_png(folder / "ground_truth" / kind / f"{i:03d}_mask.png", mask.astype(np.uint8) * 255)
            progress("rendering plates", done, len(photographs))
    return len(photographs)


def _check_options(kind: str, seed: int, size: int) -> None:
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}", expected=f"one of {', '.join(KINDS)}", remedy="choose one of them")
    if seed < 0:
        raise InputError(f"seed {seed}", expected="0 or more", remedy="choose another seed")
    if not 64 <= size <= 2048:
        raise InputError(f"size {size}", expected="64 to 2048 px", remedy="choose another size")


def _write_png(path: Path, image: Photo) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
