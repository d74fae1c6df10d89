"""`platewatch` with a runtime that fails on every third plate: python tests/failing_runtime.py watch …"""

from itertools import count

import click

from platewatch import cli
from platewatch.arrays import Photos
from platewatch.errors import ModelError
from platewatch.model.runtime import Network, NetworkResult

_run, _plates = Network.run, count(1)


def run(self: Network, photos: Photos) -> NetworkResult:
    """What stands for `Network.run`."""
    if next(_plates) % 3 == 0:
        raise ModelError("network.onnx", "the runtime failed (out of memory)", remedy="export the model again")
    return _run(self, photos)


if __name__ == "__main__":
    Network.run = run  # type: ignore[method-assign]
    command: click.Group = cli.main
    command(prog_name="platewatch")
