"""Type aliases of NumPy arrays for signatures."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""Any array; the function's docstring says shape, dtype and range."""
