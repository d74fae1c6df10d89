"""The table that the method's author judges by: one row for each mix of the network's two errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platewatch.arrays import Array
from platewatch.evaluation.metrics import Proportion
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL

ALPHAS = tuple(step / 10 for step in range(1, 10))


@dataclass(frozen=True)
class AlphaRow:
    """One row: GOOD is his positive class, predicted at a score up to `threshold`."""

    alpha: float
    threshold: float
    missed: Proportion
    false_alarms: Proportion

    @property
    def precision_good(self) -> float | None:
        """Of the plates called good, the share that is; None when none is called good."""
        good = self.false_alarms.of - self.false_alarms.count
        return Proportion(good, good + self.missed.count).rate

    @property
    def recall_good(self) -> float | None:
        """Of the good plates, the share called good."""
        return Proportion(self.false_alarms.of - self.false_alarms.count, self.false_alarms.of).rate


def alpha_table(
    training_errors: Sequence[tuple[float, float]], labels: Array, errors: Sequence[tuple[float, float]]
) -> tuple[AlphaRow, ...]:
    """For each alpha the threshold is the 95th percentile of the training plates' scores, as he had it.

    `training_errors` are (reconstruction, latent) of the plates that the network was fitted to, `errors` those of the
    test plates with `labels` (N,). Empty without training errors or test plates.
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
