"""Load a model out of the files that were found, and say what was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_med.answers import Notice
from edge_med.artifacts.gguf import Header
from edge_med.artifacts.gguf_facts import Facts, facts
from edge_med.artifacts.published import window_words
from edge_med.artifacts.vision_facts import VisionFacts
from edge_med.config import LoadOptions
from edge_med.engine.decode.notices import TOY
from edge_med.engine.service.client import Client
from edge_med.engine.service.isolation import connect
from edge_med.engine.service.process import Starter
from edge_med.engine.service.protocol import EngineSpec
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.engine.vision import pair
from edge_med.library.integrity import HashedFile, Watch
from edge_med.library.known_hashes import SeenFiles
from edge_med.library.loaded_adapters import FoundAdapter
from edge_med.library.store import ModelFiles
from edge_med.planner import memory_plan
from edge_med.planner.placement_types import DeviceUsage, ModelSpec, devices_of


@dataclass(frozen=True, slots=True)
class Info:
    """Facts of a loaded model.

    Attributes:
        model: facts of the text model's file.
        projector: facts of the projector's file; None for a model without one.
        options: options of the load, with the devices that were decided.
        plan: plan of the memory.
        placement: memory that llama.cpp uses on each device; with the projector after an image.
        cpu_code: level of llama.cpp's code for the CPU: `as built`, or what is left out.
        others: files of the same model in its folder, of other quants, that weren't taken.
        adapters: adapters that calls can apply.
        notices: notices about the files themselves, such as that the model is a toy.
    """

    model: Facts
    projector: Facts | None
    options: LoadOptions
    plan: memory_plan.MemoryPlan
    placement: tuple[DeviceUsage, ...]
    cpu_code: str
    others: tuple[Path, ...] = ()
    adapters: tuple[FoundAdapter, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def device(self) -> str:
        """What computes texts: `cpu` or a device's name, or several joined by `+`."""
        return devices_of(self.placement)

    @property
    def vision(self) -> VisionFacts:
        """What images become."""
        eye = self.projector
        return VisionFacts.known(eye.image_size, eye.image_tokens) if eye else VisionFacts()


def opened(
    found: ModelFiles,
    options: LoadOptions,
    adapters: tuple[FoundAdapter, ...],
    starter: Starter | None,
) -> tuple[Client, Info]:
    """Open the files of a model, in a process that was prepared for it or in a thread.

    Raises:
        EdgeMedError: as `MedGemma.load` has it.
    """
    text = facts(found.text.name, found.header)
    projector = _facts(found.projector, found.projector_header)
    subject = ModelSpec(found.text.stem, found.quant, found.header, found.projector_header)
    identity = ModelIdentity(
        model_sha256=found.model_sha256,
        projector_sha256=found.projector_sha256,
        quant=found.quant,
        image_tokens=found.vision.tokens,
        adapters={adapter.name: adapter.sha256 for adapter in adapters},
        toy=text.toy,
        model=text.file,
    )
    known = (*((TOY,) if text.toy else ()), *_of_window(text))
    notices = (*known, *of_pair(found), *_of_adapters(adapters))
    spec = EngineSpec(found.text, found.projector, subject, identity, options, adapters, notices)
    watch = Watch(_hashed_files(found))
    client = connect(spec, starter)
    client.watch = watch
    ready = client.opened
    plan, code = ready.plan, ready.cpu_code
    info = Info(text, projector, options, plan, (), code, found.others, adapters, notices)
    return client, info


def _hashed_files(found: ModelFiles) -> list[HashedFile]:
    """The files of a model, with their known hashes."""
    files = [HashedFile("text", found.text, found.model_sha256)]
    if len(found.parts) > 1:  # such a model has no hash of its own
        files = [HashedFile("part", part, None) for part in found.parts]
    if found.projector is not None:
        files.append(HashedFile("projector", found.projector, found.projector_sha256))
    return files


def _of_window(text: Facts) -> Iterator[Notice]:
    """That a file of a published shape has another window than that."""
    if words := window_words(text.layers, text.hidden, text.window):
        yield Notice("window", words)


def of_pair(found: ModelFiles) -> tuple[Notice, ...]:
    """Notices of a text model and a projector that weren't made together.

    A pair of one conversion is searched for lost weights until the projector's hash was read.

    Raises:
        ArtifactError: weights of the projector are lost.
        PairingError: it is made for a text model of another size.
    """
    if found.projector is None or found.projector_header is None:
        return ()
    if found.together and SeenFiles().known(found.projector):
        return ()
    notices = pair.check(found.text, found.header, found.projector, found.projector_header)
    return () if found.together else notices


def _of_adapters(adapters: tuple[FoundAdapter, ...]) -> Iterator[Notice]:
    """What adapters lack of those that they were made of."""
    for adapter in adapters:
        yield from (Notice("adapter", text) for text in adapter.lacks)


def _facts(path: Path | None, header: Header | None) -> Facts | None:
    return None if path is None or header is None else facts(path.name, header)
