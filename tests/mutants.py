"""Breaks the code in ways that no test noticed once, one after the other in a copy, and checks that a test fails.

python tests/mutants.py: in the repository's root; prints a line for each mutant, exits with 1 when one survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutant:
    """One change of a file below src/platewatch, and the tests that have to fail of it."""

    what: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant(
        "adversarial label of the generator reversed",
        "skipganomaly/training.py",
        "loss_adv = _entropy(logit_hat, is_real=True)",
        "loss_adv = _entropy(logit_hat, is_real=False)",
        "tests/test_training.py",
    ),
    Mutant(
        "no limit of failed logins for an address",
        "station/login_throttle.py",
        "most = self.BY_NAME if len(of_address) < self.BY_ADDRESS else 1",
        "most = self.BY_NAME",
        "tests/test_logins.py",
    ),
    Mutant(
        "2σ in place of 3σ in the robust limit",
        "robust.py",
        "deviations: float = 3.0",
        "deviations: float = 2.0",
        "tests/test_robust.py",
    ),
    Mutant(
        "no allowance for few plates in the limit",
        "decision/calibration.py",
        " * np.sqrt(1 + 1 / len(values))",
        "",
        "tests/test_calibration.py",
    ),
    Mutant(
        "alpha fixed at 0.5",
        "learning/fitting.py",
        "alpha = calibration.choose_weight(raw.good[:, 1:], raw.artificial[:, 1:])",
        "alpha = 0.5",
        "tests/test_fitting.py",
    ),
    Mutant(
        "artificial defects as faint as they come",
        "synthetic/artificial_defects.py",
        " and change >= VISIBLE",
        "",
        "tests/test_artificial_defects.py",
    ),
    Mutant(
        "artificial defects as small as they come",
        "synthetic/artificial_defects.py",
        "SMALLEST = 1e-4",
        "SMALLEST = 0.0",
        "tests/test_artificial_defects.py",
    ),
    Mutant(
        "a destination is tried again at the same pace",
        "line/deliveries.py",
        " * 2.0 ** min(failures, 30)",
        "",
        "tests/test_deliveries.py",
    ),
    Mutant(
        "4-connected places in a verdict",
        "decision/verdict.py",
        "(anomaly_map > level).astype(np.uint8)",
        "(anomaly_map > level).astype(np.uint8), connectivity=4",
        "tests/test_verdict.py",
    ),
    Mutant(
        "4-connected regions in AUPRO",
        "evaluation/metrics.py",
        "connectivity=8",
        "connectivity=4",
        "tests/test_metrics.py",
    ),
    Mutant(
        "mean in place of the peak among the outliers",
        "exploration/outliers.py",
        "fusion.pool(seen, inside=inside[k])",
        "float(seen.mean())",
        "tests/test_exploration.py",
    ),
)


def survives(mutant: Mutant, copy: Path) -> bool:
    """Whether the mutant's tests pass; raises ValueError when the code to change is not there exactly once."""
    file = copy / "src" / "platewatch" / mutant.file
    before = file.read_text(encoding="utf-8")
    if before.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file}: {mutant.old!r} stands there {before.count(mutant.old)} times; change MUTANTS")
    file.write_text(before.replace(mutant.old, mutant.new), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "--no-header", "-p", "no:cacheprovider", mutant.tests]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    try:
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    finally:
        file.write_text(before, encoding="utf-8")
    if run.returncode not in (0, 1):  # 1: a test failed
        raise RuntimeError(run.stdout + run.stderr)
    failed = [line for line in run.stdout.splitlines() if line.startswith("FAILED")]
    outcome = "survived" if run.returncode == 0 else "killed"
    sys.stdout.write("\n    ".join([f"{outcome}: {mutant.what}", *failed]) + "\n")
    sys.stdout.flush()
    return run.returncode == 0


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("src", "tests", "benchmarks"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        survivors = sum(survives(mutant, copy) for mutant in MUTANTS)
        return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
