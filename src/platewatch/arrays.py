"""Type aliases of NumPy arrays for signatures: dtype and meaning; the function's docstring says shape and range."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8]
"""A photograph or picture (H, W, 3), RGB, 0 to 255."""
Photos = NDArray[np.uint8]
"""Prepared photographs (N, S, S, 3), RGB, 0 to 255."""
Grey = NDArray[np.uint8]
"""One channel (H, W), 0 to 255."""
Rgba = NDArray[np.uint8]
"""A picture with opacity (H, W, 4), RGBA, 0 to 255."""
Samples = NDArray[np.unsignedinteger[Any]]
"""Values of a file's pixels as it stores them, uint8 or uint16."""
Mask = NDArray[np.bool_]
"""(H, W), True inside."""
Masks = NDArray[np.bool_]
"""(N, H, W), True inside."""
Floats = NDArray[np.float32]
"""Pixels, maps, features and distances."""
Doubles = NDArray[np.float64]
"""Scores, statistics, widths and matrices of transforms."""
Points = NDArray[np.float64]
"""Coordinates (…, 2): x, y in px or in the unit that the docstring names."""
Indices = NDArray[np.intp]
"""Positions in another array, and numbers of photographs or plates."""
Bytes = NDArray[np.uint8]
"""Numbers from 0 to 255 that are no pixels, and a file's bytes."""
Labels = NDArray[np.intp]
"""(N,), 0 normal or 1 anomalous."""
Dtype = TypeVar("Dtype", bound=np.generic)
Same = NDArray[Dtype]
"""`Same[Dtype]`: the function returns an array of the dtype that it was given."""
Array = NDArray[Any]
"""Any array, where the dtype varies or a library does not state it; the docstring says which."""
