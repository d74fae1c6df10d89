"""Names for arrays, so that a signature says what it takes."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""Any array; the docstring says shape, dtype and range."""
