"""The weights of phase one's maps: the default, unless hard artificial defects clearly say otherwise."""

import numpy as np
import pytest

from platewatch.arrays import Floats
from platewatch.config import SurfaceConfig
from platewatch.learning import fusing
from platewatch.learning.fusing import DEFAULT, _choose, _Plate

SETTINGS = SurfaceConfig(score_fractions=(0.01,))
INSIDE = np.ones((16, 16), bool)


def plates(seen: tuple[float, float, float], noise: tuple[float, float, float], count: int = 30) -> list[_Plate]:
    """Plates whose defects add `seen` to a place of the three maps; good plates' peaks vary by `noise`."""
    rng = np.random.default_rng(0)

    def maps(added: tuple[float, float, float]) -> tuple[Floats, ...]:
        found = []
        for more, deviation in zip(added, noise, strict=True):
            picture = np.zeros((16, 16), np.float32)
            picture[4:8, 4:8] = np.exp(rng.normal(0, deviation)) + more
            found.append(picture)
        return tuple(found)

    return [
        _Plate(maps((0, 0, 0)), tuple(maps(seen) for _ in range(fusing.DEFECTS_PER_PLATE)), INSIDE)
        for _ in range(count)
    ]


def test_the_default_stays_where_nothing_is_clearly_better() -> None:
    assert _choose(plates((0.1, 0.1, 0.1), (0.3, 0.3, 0.3)), (1, 1, 1), SETTINGS).weights == DEFAULT.weights


def test_what_is_surely_but_little_better_does_not_replace_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = plates((0.4, 0.4, 0.4), (0.1, 0.1, 0.2), count=200)
    assert _choose(seen, (1, 1, 1), SETTINGS).weights == DEFAULT.weights
    monkeypatch.setattr(fusing, "_AT_LEAST", 0.0)
    chosen = _choose(seen, (1, 1, 1), SETTINGS)
    assert 3 * chosen.standard_error < chosen.auroc - chosen.default_auroc < 0.05


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_map_that_only_adds_noise_loses_its_weight(kind: int) -> None:
    seen, noise = [1.0, 1.0, 1.0], [0.1, 0.1, 0.1]
    seen[kind], noise[kind] = 0.0, 2.0
    chosen = _choose(plates(tuple(seen), tuple(noise)), (1, 1, 1), SETTINGS)  # type: ignore[arg-type]
    assert chosen.weights[kind] == 0
    assert chosen.auroc > chosen.default_auroc + 1.64 * chosen.standard_error


def test_auroc_counts_ties_by_half() -> None:
    good, damaged = np.array([1.0, 2.0]), np.array([[2.0], [3.0]])
    assert fusing._auroc(good, damaged) == pytest.approx((1 + 0.5 + 2) / 4)
