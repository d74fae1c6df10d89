"""Alpha table in the form of the method's author: precision and recall of Skip-GANomaly alone for nine alphas."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platewatch.arrays import Labels
from platewatch.evaluation.metrics import Proportion
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL

ALPHAS = tuple(step / 10 for step in range(1, 10))


@dataclass(frozen=True)
class AlphaRow:
    """One row of the table. The positive class is *good*, predicted for scores up to `threshold`."""

    alpha: float
    threshold: float
    missed: Proportion
    false_alarms: Proportion

    @property
    def precision_good(self) -> float | None:
        """Fraction of plates predicted good that are good; None when none is predicted good."""
        good = self.false_alarms.of - self.false_alarms.count
        return Proportion(good, good + self.missed.count).rate

    @property
    def recall_good(self) -> float | None:
        """Fraction of good plates that are predicted good."""
        return Proportion(self.false_alarms.of - self.false_alarms.count, self.false_alarms.of).rate


def alpha_table(
    training_errors: Sequence[tuple[float, float]], labels: Labels, errors: Sequence[tuple[float, float]]
) -> tuple[AlphaRow, ...]:
    """The method's author counts *good* as positive; threshold = 95th percentile of training scores.

    `training_errors` are the (reconstruction, latent) errors of the plates that the network was fitted to, `errors`
    those of the N test plates, `labels` (N,) int. The table is empty without training errors or test plates.
    """
    if not len(training_errors) or not len(errors):
        return ()
    fitted, tested = np.array(training_errors, float), np.array(errors, float)
    rows = []
    for alpha in ALPHAS:
        weights = np.array([alpha, 1 - alpha])
        threshold = float(np.percentile(fitted @ weights, 95))
        above = tested @ weights > threshold
        missed = Proportion(int((~above)[labels == ANOMALOUS].sum()), int((labels == ANOMALOUS).sum()))
        alarms = Proportion(int(above[labels == NORMAL].sum()), int((labels == NORMAL).sum()))
        rows.append(AlphaRow(alpha, threshold, missed, alarms))
    return tuple(rows)
