"""Skip-GANomaly alone for each alpha, in the form of the method's author.

The limit is the 95th percentile of the training plates' scores, *good* is the positive class.
"""

from pathlib import Path

from benchmarks import models
from benchmarks.harness import Found, Table


def measure(model: Path, data: Path) -> Found:
    found, rows = models.evaluate(model, data, 256), []
    defective, good = found["images"]["anomalous"], found["images"]["normal"]
    for row in found["alpha_table"]:
        rates = ["–" if row[name] is None else f"{row[name]:.3f}" for name in ("precision_good", "recall_good")]
        counts = [f"{row['missed']} of {defective}", f"{row['false_alarms']} of {good}"]
        rows.append([f"{row['alpha']:.1f}", f"{row['threshold']:.4f}", *rates, *counts])
    head = ["alpha", "limit", "precision (good)", "recall (good)", "missed", "false alarms"]
    return Found(tables={"": Table(head, rows)})
