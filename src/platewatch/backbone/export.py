"""The texture features' graph: fitted to good photographs, traced, and checked against torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch

from platewatch.arrays import Floats, Masks, Photos
from platewatch.backbone import weights
from platewatch.backbone.patch_features import PatchFeatures, principal_axes
from platewatch.backbone.tracing import trace
from platewatch.errors import ModelError
from platewatch.model.network_file import FEATURES, INPUT, PATCH
from platewatch.model.runtime import FeatureNetwork

TOLERANCE = 1e-3
"""Largest allowed difference between torch and the runtime of a feature, relative to the longest feature vector."""

_PHOTOS, _PATCHES = 64, 20_000  # that the principal axes are found from
_PARITY = 4  # photographs whose features are compared


def export(backbone: str, photos: Photos, insides: Masks, *, side: int, length: int, seed: int) -> bytes:
    """The graph of a `backbone`'s features for photographs like these, projected on their principal axes.

    `photos` (N, S, S, 3) uint8 are prepared good photographs, `insides` (N, S, S) bool is False on their padding. The
    graph takes tiles of `side` px. `length` is the most features of a patch. Raises RuntimeUnavailable and InputError
    as `weights.stages`, ModelError when the runtime and torch disagree.
    """
    stages = weights.stages(backbone)
    with _one_thread():
        sample = _sample(PatchFeatures(stages), photos, insides, side, seed)
        features = PatchFeatures(stages, principal_axes(sample, length)).eval()
        model = trace(features, torch.zeros(2, side, side, 3, dtype=torch.uint8), INPUT, (FEATURES,))
        onnx.checker.check_model(model)
        graph: bytes = model.SerializeToString(deterministic=True)
        _check_parity(features, graph, np.ascontiguousarray(photos[:_PARITY, :side, :side]))
    return graph


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: its convolutions round differently with another number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _sample(features: PatchFeatures, photos: Photos, insides: Masks, side: int, seed: int) -> Floats:
    """Features of patches drawn at random, of a tile of each of some photographs: (M, G) float32."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(photos))[:_PHOTOS])
    found = list[Floats]()
    for photo, inside in zip(photos[chosen], insides[chosen], strict=True):
        middles = np.argwhere(inside)
        top, left = np.clip(middles[rng.integers(len(middles))] - side // 2, 0, len(photo) - side)
        tile = np.s_[top : top + side, left : left + side]
        patches = _run(features, photo[tile][None])[0]
        shown = patches[inside[tile][PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]]  # those whose middle is shown
        found.append(shown[rng.permutation(len(shown))[: max(1, _PATCHES // len(chosen))]])
    return np.concatenate(found)


def _run(features: PatchFeatures, photos: Photos) -> Floats:
    with torch.inference_mode():
        patches: Floats = features(torch.from_numpy(np.ascontiguousarray(photos))).numpy()
    return patches


def _check_parity(features: PatchFeatures, graph: bytes, photos: Photos) -> None:
    """Raise ModelError if the runtime's features differ from torch's, in a batch or alone."""
    network, expected = FeatureNetwork(graph, threads=1), _run(features, photos)
    seen = np.stack([network.run(photos), np.concatenate([network.run(photo[None]) for photo in photos])])
    longest = float(np.linalg.norm(expected, axis=-1).max())
    worst = float(np.abs(seen - expected).max()) / max(longest, 1e-6)
    if not worst <= TOLERANCE:  # NaN fails as well
        raise ModelError(
            "export",
            f"texture features of ONNX Runtime and torch differ by {worst:.1e}, at most {TOLERANCE:.0e} is allowed",
            remedy="nothing was written: train again, and report it if it stays",
        )
