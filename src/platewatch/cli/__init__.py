"""Command line: parses arguments, prints results to stdout and errors as one line to stderr, sets the exit code.

Exit codes: 0 every plate passed, 1 error, 2 wrong usage, 3 a plate did not pass, 130 interrupted. Heavy modules are
imported when a command runs, so that --help is fast.
"""

import click

from platewatch.cli import (
    archiving,
    devices,
    judging,
    learning,
    maintenance,
    measuring,
    part_types,
    recording,
    serving,
    signing,
    training,
    watching,
)
from platewatch.cli.shell import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="platewatch", message="%(prog)s %(version)s")
def main() -> None:
    """Learn from about fifty photographs of good metal plates, then judge further photographs.

    \b
    platewatch train DATA --out MODEL     DATA/train/good holds the good photographs
    platewatch inspect MODEL PHOTO...     verdict PASS, REVIEW or REJECT with place and reason
    """  # noqa: D301 - click leaves the lines after \b as they are


for command in (
    learning.render,
    learning.arrange,
    learning.explore,
    measuring.scale,
    training.preflight,
    training.train,
    training.retrain,
    judging.evaluate,
    judging.inspect,
    archiving.archive,
    judging.verify,
    judging.bench,
    judging.onnx_file,
    watching.watch,
    part_types.part_types,
    recording.audit,
    recording.backup,
    recording.copy,
    recording.replay,
    recording.export,
    serving.serve,
    serving.users,
    maintenance.doctor,
    maintenance.settings,
    devices.cameras,
    devices.plc,
    signing.key,
    signing.sign,
):
    main.add_command(command)
