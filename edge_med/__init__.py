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
    from edge_med import errors as errors
    from edge_med import imaging as imaging
    from edge_med.answers import Answer as Answer
    from edge_med.answers import Choice as Choice
    from edge_med.answers import End as End
    from edge_med.answers import Event as Event
    from edge_med.answers import Notice as Notice
    from edge_med.answers import Piece as Piece
    from edge_med.answers import Progress as Progress
    from edge_med.answers import Score as Score
    from edge_med.answers import Tokens as Tokens
    from edge_med.api import MedGemma as MedGemma
    from edge_med.config import Options as Options
    from edge_med.conversation.session import Conversation as Conversation
    from edge_med.errors import AccessError as AccessError
    from edge_med.errors import ArtifactError as ArtifactError
    from edge_med.errors import BusyError as BusyError
    from edge_med.errors import CancelledError as CancelledError
    from edge_med.errors import CheckpointError as CheckpointError
    from edge_med.errors import ContextOverflowError as ContextOverflowError
    from edge_med.errors import DiskShortError as DiskShortError
    from edge_med.errors import EdgeMedError as EdgeMedError
    from edge_med.errors import EngineError as EngineError
    from edge_med.errors import ImageError as ImageError
    from edge_med.errors import InputError as InputError
    from edge_med.errors import IntegrityError as IntegrityError
    from edge_med.errors import MemoryShortError as MemoryShortError
    from edge_med.errors import PairingError as PairingError
    from edge_med.errors import PromptError as PromptError
    from edge_med.errors import ResourceError as ResourceError
    from edge_med.errors import SchemaError as SchemaError
    from edge_med.errors import UsageError as UsageError

__version__ = "0.1.0"

_ROOMS = {
    "answers": "Answer Choice End Event Notice Piece Progress Score Tokens",
    "api": "MedGemma",
    "config": "Options",
    "errors": "AccessError ArtifactError BusyError CancelledError CheckpointError "
    "ContextOverflowError DiskShortError EdgeMedError EngineError ImageError InputError "
    "IntegrityError MemoryShortError PairingError PromptError ResourceError SchemaError UsageError",
    "conversation.session": "Conversation",
}
_DOORS = {name: room for room, names in _ROOMS.items() for name in names.split()}
"""Names that are imported when they are used first, so that importing edge_med loads nothing."""

_OPEN = ("errors", "imaging")
"""Rooms that are names of their own."""

__all__ = sorted([*_DOORS, *_OPEN])  # noqa: PLE0605 - ruff knows a list of constants alone

logging.getLogger(__name__).addHandler(logging.NullHandler())  # quiet until a program says more


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return getattr(importlib.import_module(f"edge_med.{_DOORS[name]}"), name)
    if name in _OPEN:
        return importlib.import_module(f"edge_med.{name}")
    raise AttributeError(f"module 'edge_med' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
