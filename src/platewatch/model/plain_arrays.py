"""Reads the arrays of an npz file that may come from elsewhere: names, types and sizes are checked before the values.

No pickle is loaded. An array's header states its shape; memory is taken only when the file is as long as that says.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from math import prod
from typing import IO

import numpy as np
from numpy.lib import format as npy

from platewatch.arrays import Array
from platewatch.errors import ModelError

Shape = tuple[int, ...]


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Raise ModelError, naming the file `name`, for whatever goes wrong while it is read."""
    try:
        yield
    except Exception as error:  # zipfile raises a dozen classes for a damaged archive
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(name, f"cannot be read ({why})", remedy="restore the file or train again") from error


def read(
    data: bytes,
    types: Mapping[str, type[np.generic]],
    most_bytes: int,
    check: Callable[[str, Shape], None] = lambda _name, _shape: None,
) -> dict[str, Array]:
    """The arrays of these names and types, `most_bytes` in all; `check` gets each shape before the values are read.

    Raises ValueError for other names, types or sizes, what `check` raises, and what zipfile raises.
    """
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
        if members.keys() != types.keys() or len(members) != len(archive.infolist()):
            raise ValueError(f"holds {sorted(members)[:8]}, expected {sorted(types)}")
        if sum(each.file_size for each in members.values()) > most_bytes:
            raise ValueError(f"larger than {most_bytes} bytes")
        found = {}
        for name, member in members.items():
            with archive.open(member) as file:
                dtype = np.dtype(types[name])
                shape = _shape(file, name, dtype, member.file_size)
                check(name, shape)
                values = file.read()  # to the end, where the archive compares its checksum
                found[name] = np.frombuffer(values, dtype).reshape(shape)
    return found


def _shape(file: IO[bytes], name: str, dtype: np.dtype[np.generic], size: int) -> Shape:
    """The shape in an array's header; raises ValueError unless it is of the type, row by row, as long as the file."""
    if npy.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another format")
    shape, is_fortran, stored = npy.read_array_header_1_0(file)
    if stored != dtype or is_fortran:
        raise ValueError(f"{name} is no plain array of {dtype}")
    if file.tell() + dtype.itemsize * prod(shape) != size:
        raise ValueError(f"{name} is not as long as its shape {shape}")
    return shape
