"""What is loaded: a text model, its adapters, a context with its slots, and its projector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_med.answers import Notice
from edge_med.artifacts.chat_template import WORDS
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import Ledger
from edge_med.engine.llama.bindings import give_back_memory
from edge_med.engine.llama.loader import open_model
from edge_med.engine.llama.offload import with_projector
from edge_med.engine.llama.sequence import Sequence as Cells
from edge_med.engine.slot import Slot
from edge_med.engine.vision.embedder import ImageEmbedder
from edge_med.planner.placement_types import DeviceUsage, Placement, devices_of


class Engine:
    """An opened model; to be used from one thread at a time.

    Attributes:
        model: weights and vocabulary.
        adapters: the adapters that were loaded with it.
        context: llama.cpp's, which the slots share.
        options: the load options that were used in the end.
        images: embeddings of images; its projector is opened with the first.
        slot: the one sequence that prompts are read into.
        notices_given: codes of notices that are given once.
    """

    def __init__(
        self,
        text: Path,
        projector: Path | None = None,
        options: LoadOptions | None = None,
        adapters: Mapping[str, Path] | None = None,
        *,
        header: Header | None = None,
        placements: Sequence[Placement] = (),
        notices: Sequence[Notice] = (),
    ) -> None:
        """Open a model and its adapters, by name; its projector when the first image comes.

        Args:
            text: the text model's file.
            projector: its projector's; None for a model that can't see.
            options: the load options of a model on the CPU alone.
            adapters: files by name.
            header: the header of the text model, if it has been read already.
            placements: what goes where, and what if that fails; none for the CPU alone. Their
                options are taken.
            notices: notices about its files.

        Raises:
            ArtifactError: a file is damaged or of another kind.
            EngineError: llama.cpp can't load it.
        """
        opened = open_model(text, header, adapters or {}, options or LoadOptions(), placements)
        self.model, self.adapters, self.context = opened.model, opened.adapters, opened.context
        self.options, self._opened, self._notices = opened.options, opened, notices
        self.images = ImageEmbedder(projector, self.model, self.options, opened.vision_device)
        ledger = Ledger(self.model.window, self.options.checkpoint_bytes)
        self.slot = Slot(Cells(self.context), ledger, self.adapters, self.images, self.options)
        self.notices_given: set[str] = set()

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        self.images.close()
        self.context.close()
        self.adapters.close()
        self.model.close()
        give_back_memory()

    @property
    def usage(self) -> tuple[DeviceUsage, ...]:
        """What llama.cpp has put where; the projector once it was needed."""
        usage = self._opened.usage
        if self.images.encoder is None:
            return usage
        return with_projector(usage, self.images.memory, self.images.device)

    @property
    def device(self) -> str:
        """What computes texts: `cpu` or a device's name, or several joined by `+`."""
        return devices_of(self.usage)

    @property
    def vision_device(self) -> str:
        """The device that encodes images, or will."""
        return self.images.device

    @property
    def notices(self) -> list[Notice]:
        """What the user should know of it, by what has been opened so far."""
        words = WORDS.get(self.model.turns)
        of_turns = [Notice(*words)] if words else []
        return [*of_turns, *self._notices, *self._opened.notices, *self.images.notices]

    @property
    def fallbacks(self) -> list[str]:
        """Why something isn't where it was planned."""
        return [why for why in (self._opened.fallback, self.images.fallback) if why]
