"""The command line: words into calls, results onto stdout, errors into one line and an exit code.

Exit codes: 0 all well, 1 an error, 2 wrong usage, 3 a plate did not pass, 130 interrupted. Nothing heavy is imported
before a command runs, so that --help answers at once.
"""

import click

from platewatch.cli import judging, learning, recording, serving, watching
from platewatch.cli.shell import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="platewatch", message="%(prog)s %(version)s")
def main() -> None:
    """Learn good metal plates from about fifty photographs; judge every further one.

    \b
    platewatch train DATA --out MODEL     DATA/train/good holds the good photographs
    platewatch inspect MODEL PHOTO...     PASS, REVIEW or REJECT, where, and why
    """  # noqa: D301 - click reads \b, the backspace itself, as 'leave these lines as they are'


for command in (
    learning.render,
    learning.explore,
    learning.train,
    learning.retrain,
    judging.evaluate,
    judging.inspect,
    judging.verify,
    judging.bench,
    watching.watch,
    recording.audit,
    recording.replay,
    recording.export,
    serving.serve,
    serving.users,
):
    main.add_command(command)
