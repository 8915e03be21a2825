"""The model for requests that do not name one."""

from __future__ import annotations

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT
from openedai.catalog.models import Model
from openedai.errors import ModelNotFound

NONE = "None"  # what that program calls having no model


class CurrentModel:
    """The model that was last loaded through this API, else the default chat model."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._loaded: Model | None = None

    def set(self, model: Model) -> None:
        self._loaded = model

    @property
    def model(self) -> Model | None:
        """None if no model can generate text."""
        return self._loaded or self._catalog.default(CHAT)

    def resolve(self, name: str | None) -> Model:
        """The model of that name, or the current one. Raises ModelNotFound."""
        if name is not None:
            return self._catalog.resolve(name)
        if self.model is None:
            raise ModelNotFound(NONE)
        return self.model
