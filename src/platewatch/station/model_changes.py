"""What changes when another model is taken into service; the templates put it into words."""

from dataclasses import dataclass

from platewatch.line import protections
from platewatch.line.model_registry import ModelRegistry
from platewatch.model.model_folder import Manifest


@dataclass(frozen=True)
class ModelChanges:
    """The model in service, the other one, and the limits that become looser."""

    before: Manifest | None
    """None without a model in service."""
    after: Manifest
    looser: tuple[str, ...]


def of(models: ModelRegistry | None, after: Manifest) -> ModelChanges:
    """The changes that taking `after` into service makes; `models` None for a new part type."""
    before = models.serving() if models is not None and models.has_model else None
    return ModelChanges(before, after, () if before is None else protections.looser(before, after))
