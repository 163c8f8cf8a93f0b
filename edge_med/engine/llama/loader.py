"""A text model is loaded as it was planned; if that fails on a device, once more with less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edge_med.answers import Notice
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions
from edge_med.engine.llama.bindings import verdict
from edge_med.engine.llama.context import Context
from edge_med.engine.llama.lora import Adapters
from edge_med.engine.llama.memory_log import MemoryLog, capture_memory_log
from edge_med.engine.llama.offload import device_usage, used
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import LOOK, EngineError, MemoryShortError
from edge_med.planner import memory_plan
from edge_med.planner.placement_types import CPU, DeviceUsage, Placement


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A text model with its context.

    Attributes:
        model: the text model, which is closed after the others.
        adapters: the adapters that were loaded with it.
        context: empty.
        options: the load options that were used in the end.
        usage: what llama.cpp has taken of each device.
        fallback: why less is on devices than was planned; None if all of it is.
    """

    model: TextModel
    adapters: Adapters
    context: Context
    options: LoadOptions
    usage: tuple[DeviceUsage, ...]
    fallback: str | None = None

    @property
    def notices(self) -> list[Notice]:
        """What the user should know of it."""
        return [Notice("back_off", f"{self.fallback}.")] if self.fallback else []

    @property
    def vision_device(self) -> str:
        """The device that the projector will go to."""
        wanted = self.options.projector_device
        return CPU if wanted == "auto" else wanted


def open_model(
    text: Path,
    header: Header | None,
    adapters: Mapping[str, Path],
    options: LoadOptions,
    placements: Sequence[Placement] = (),
) -> OpenedModel:
    """Open a text model, its adapters and a context.

    Args:
        text: the model's file.
        header: the header of the file, if it has been read already.
        adapters: files by name.
        options: the load options, if there is no placement.
        placements: what goes where, and what if that fails; none for the CPU alone.

    Raises:
        ArtifactError: a file is damaged or of another kind.
        EngineError: llama.cpp can't load it.
        MemoryShortError: memory was refused to it.
    """
    if not placements:
        return _open(text, header, adapters, options, None)
    first, *rest = placements
    try:
        return _open(text, header, adapters, first.options, first)
    except (EngineError, MemoryShortError) as error:
        if not used(first):
            raise
        if not rest:
            raise EngineError(
                f"{error.message} The plan was {first.where}.",
                f'Use fewer `gpu_layers`, or `device="cpu"`. {LOOK}.',
            ) from error
    second = rest[0]
    why = f"llama.cpp couldn't load it with {first.where} (layers); it has {second.where} now"
    return _open(text, header, adapters, second.options, second, why)


def _open(
    text: Path,
    header: Header | None,
    adapters: Mapping[str, Path],
    options: LoadOptions,
    placement: Placement | None,
    fallback: str | None = None,
) -> OpenedModel:
    if options.copies is None:
        options = replace(options, copies=verdict().copies)
    with ExitStack() as opened:
        with _watched() as log:
            model = TextModel(
                text, header, placement=placement, copies=options.copies, mmap=options.mmap
            )
        opened.callback(model.close)
        found = Adapters(model, adapters)
        opened.callback(found.close)
        with _watched() as more:
            context = Context(model, options, placement)
        opened.pop_all()
    both = MemoryLog(log.buffers + more.buffers, log.layers)
    where = device_usage(both, placement)
    if placement and used(placement):
        memory_plan.compare_usage(placement, where)
    else:
        memory_plan.compare(model.header, options, both.taken)
    return OpenedModel(model, found, context, options, where, fallback)


@contextmanager
def _watched() -> Iterator[MemoryLog]:
    """What llama.cpp says of its memory, and an error that says so where memory was refused."""
    with capture_memory_log() as log:
        try:
            yield log
        except EngineError as error:
            if not log.refusals:
                raise
            raise MemoryShortError(
                f"{error.message} The system refused it memory.",
                "Close other programs, or use a smaller model, quant or context.",
            ) from error
