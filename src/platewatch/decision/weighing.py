"""The weights of phase one's maps, and what their choice was based on; stored in the manifest."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.config import STRICT

Weights = tuple[Annotated[float, Field(ge=0, le=100)], ...]
Rate = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Weighing:
    """Weights of the colour, line and texture maps in the fused map."""

    weights: Annotated[Weights, Field(min_length=2, max_length=3)]
    power: Annotated[int, Field(ge=1, le=2)]
    """1: the maps are added; 2: the root of the sum of their squares is taken."""
    auroc: Rate
    """AUROC, with these weights, of hard artificial defects against good plates, out of fold."""
    default_auroc: Rate
    """The same with the default weights."""
    single_aurocs: Annotated[tuple[Rate, ...], Field(min_length=2, max_length=3)]
    """The same of each map alone."""
    standard_error: Annotated[float, Field(ge=0, le=1)]
    """Of the difference between the best weights that were tried and the default ones."""

    def __post_init__(self) -> None:
        if not any(self.weights) or len(self.weights) != len(self.single_aurocs):
            raise ValueError(f"weights {self.weights}: expected one for each map, and one above 0")
