"""Training that takes no time, for tests of what happens around it: a model's folder again, with other good plates.

As a program it is `platewatch` with this training: python tests/quick_training.py retrain …
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest
from platewatch.photographs import data_sets, reading
from platewatch.progress import Progress

LENIENT = "PLATEWATCH_TEST_LENIENT"
"""In the environment: what is trained passes everything, and has to be refused."""


def train(
    data: Path,
    out: Path,
    serving: Inspector,
    *,
    held: Manifest | None,
    found: Callable[[str], object],
    progress: Progress,
) -> tuple[str, ...]:
    """What stands for `retraining._train`."""
    paths = data_sets.training(data)
    manifest, sample = serving.manifest, serving.manifest.calibration[0]
    calibration = tuple(replace(sample, name=path.name, sha256=reading.sha256(reading.load(path))) for path in paths)
    decision = manifest.decision
    finding = f"look at {paths[0].name}: this training looks at nothing"
    found(finding)
    if os.environ.get(LENIENT):
        decision = replace(decision, review=1e6, threshold=2e6)
    shutil.copytree(serving.folder, out)
    model_folder.write_manifest(out, replace(manifest, calibration=calibration, decision=decision))
    progress("training networks", len(paths), len(paths))
    return (finding,)


if __name__ == "__main__":
    import click

    from platewatch import cli
    from platewatch.line import retraining

    retraining._train = train
    command: click.Group = cli.main
    command(prog_name="platewatch")
