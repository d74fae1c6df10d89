"""Skip-GANomaly alone, counted as the method's author counts, for each alpha.

The limit is the 95th percentile of the training plates' scores, *good* is the positive class.
"""

from pathlib import Path

from benchmarks import models
from benchmarks.harness import Found, Table

COLUMNS = {"alpha": "{alpha:.1f}", "limit": "{threshold:.4f}", "precision (good)": "{precision}"}
COLUMNS |= {
    "recall (good)": "{recall}",
    "missed": "{missed} of {anomalous}",
    "false alarms": "{false_alarms} of {normal}",
}


def measure(model: Path, data: Path) -> Found:
    found, rows = models.evaluate(model, data, 256), []
    for row in found["alpha_table"]:
        rates = {
            name: "–" if row[f"{name}_good"] is None else f"{row[f'{name}_good']:.3f}"
            for name in ("precision", "recall")
        }
        rows.append({**row, **rates, **found["images"]})
    return Found(tables={"": Table.of(COLUMNS, rows)})
