"""edge-med: MedGemma on your own machine, without the internet.

    from edge_med import MedGemma

    with MedGemma.load("models/medgemma") as model:
        print(model.ask("Describe this X-ray", image="chest.png").text)

For research and education; never for diagnosis or treatment.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_med.api import MedGemma as MedGemma
    from edge_med.config import Options as Options
    from edge_med.session import Conversation as Conversation

__version__ = "0.1.0"

_DOORS = {"MedGemma": "api", "Options": "config", "Conversation": "session"}
"""Names that are imported when they are used first, so that importing edge_med loads nothing."""

__all__ = ["Conversation", "MedGemma", "Options"]


logging.getLogger(__name__).addHandler(logging.NullHandler())  # quiet until a program says more


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return getattr(importlib.import_module(f"edge_med.{_DOORS[name]}"), name)
    raise AttributeError(f"module 'edge_med' has no attribute '{name}'")
