"""Arrays of a model folder's files: what a header states takes no memory before it is known to be true."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from platewatch.errors import ModelError
from platewatch.model import plain_arrays, region_file
from platewatch.model.region_file import RegionSettings


def archive(shape: tuple[int, ...], values: bytes) -> bytes:
    """An npz file with one array `mask` whose header states this shape."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as parts:
        parts.writestr("mask.npy", file.getvalue() + values)
    return made.getvalue()


def test_a_region_whose_header_states_more_than_it_holds_takes_no_memory_for_it() -> None:
    settings = RegionSettings(in_part=False, fraction=0.5, fill=(0, 0, 0), source="mask.png")
    data = archive((4096, 4096), b"\1" * 64)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"region\.npz: cannot be read \(mask is not as long as its shape"):
            region_file.read(data, settings, "region.npz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20
    assert region_file.read(archive((8, 8), b"\1" * 64), settings, "region.npz").mask.all()


def test_a_shape_that_is_refused_is_refused_before_the_values_are_read() -> None:
    def check(name: str, shape: tuple[int, ...]) -> None:
        raise ValueError(f"{name} {shape}")

    with pytest.raises(ValueError, match=r"mask \(8, 8\)"):
        plain_arrays.read(archive((8, 8), b"\1" * 64), {"mask": np.uint8}, 2**20, check)
    with pytest.raises(ValueError, match="larger than 8 bytes"):
        plain_arrays.read(archive((8, 8), b"\1" * 64), {"mask": np.uint8}, 8)
