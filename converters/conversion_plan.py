"""Everything that will be written, decided before the first weight is read.

A plan is a value: `--dry-run` prints it, and the writing only follows it. The tensors of a file
stand in the order in which the source holds them, so that the source and every file are each read,
hashed and written from front to back, once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from converters import metadata
from converters.checkpoint import Checkpoint, adapter_among_weights, open_checkpoint, snapshot
from converters.config_checks import check_config
from converters.entries import Entry, Preparation, layout_warnings, parameters, read_entries
from converters.generation_settings import generation_warnings
from converters.header import TensorLine, pack_header
from converters.image_processor import read_processor
from converters.lora.adapter_processor import with_processor
from converters.lora.merge import merge, with_adapters
from converters.model_card import Card, read_card
from converters.quantize import Widening
from converters.request import ConversionRequest
from converters.small_files import gather
from converters.tokenizer_checks import tokenizer_warnings
from converters.vocabulary import read_vocabulary
from edge_med import __version__
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, open_adapter
from edge_med.artifacts.file_names import FILE_TYPES, projector_file, text_file
from edge_med.artifacts.gguf import DEFAULT_ALIGNMENT, pad
from edge_med.artifacts.hparams import ModelParams, TextParams, VisionParams, read_params
from edge_med.artifacts.manifest import Finding, Role
from edge_med.artifacts.published import config_words
from edge_med.artifacts.quant_mix import (
    Mixer,
    goes_through_bf16,
    parse_override,
    projector_type_of,
)
from edge_med.artifacts.safetensors import SourceTensor
from edge_med.artifacts.tensor_types import TensorType
from edge_med.errors import ArtifactError, UsageError
from edge_med.native import require_llama_cpp_python

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """One tensor of one file; the offset counts from the file's first tensor.

    Attributes:
        channels_last: whether the source holds filters as MLX does, with the colours last.
        change: change by adapters, which comes before anything else.
    """

    name: str
    source: SourceTensor
    type: TensorType
    shape: tuple[int, ...]
    offset: int
    size: int
    widening: Widening
    channels_last: bool = False
    change: Preparation | None = None


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file: its header as bytes, and the tensors that follow it."""

    name: str
    role: Role
    quant: str
    header: bytes = field(repr=False)
    tensors: tuple[TensorPlan, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        last = self.tensors[-1]
        return len(self.header) + pad(last.offset + last.size, DEFAULT_ALIGNMENT)


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """The whole conversion.

    Attributes:
        licence: terms in the files.
        notice: the same in a sentence.
        warnings: findings about the checkpoint.
    """

    request: ConversionRequest
    checkpoint: Checkpoint
    params: ModelParams
    licence: str
    notice: str
    template_sha256: str | None
    files: tuple[FilePlan, ...]
    warnings: tuple[Finding, ...] = ()
    adapters: tuple[OpenedAdapter, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def make_plan(request: ConversionRequest) -> ConversionPlan:
    """Decide every byte's place.

    Raises:
        UsageError: an override can't be used.
        CheckpointError: the checkpoint can't be converted.
        EngineError: llama-cpp-python is missing, or not the version whose types we know.
    """
    require_llama_cpp_python()
    base = snapshot(request.base) if request.base else None
    adapters = tuple((snapshot(folder), strength) for folder, strength in request.adapters)
    source = snapshot(request.source)
    request = dataclasses.replace(request, source=source, base=base, adapters=adapters)
    request = _with_known_origin(request)
    checkpoint, config, warnings = _opened(request)
    opened = tuple(open_adapter(folder, strength) for folder, strength in adapters)
    checkpoint, params, more = _with_pictures(checkpoint, config, opened)
    merged = merge(checkpoint, params, *read_entries(checkpoint, params), opened)
    params, text, projector = merged.params, merged.text, merged.projector
    checkpoint, trained = with_adapters(checkpoint, merged, request.known_name)
    vocabulary = read_vocabulary(checkpoint, params.text.vocabulary)
    warnings = (*warnings, *more, *trained, *tokenizer_warnings(checkpoint, vocabulary))
    bases = (adapter.settings.base_id for adapter in opened)
    called = (request.model_name, request.origin.id, request.base_name, *bases)
    card = read_card(checkpoint, parameters(text), called)
    values = metadata.text_values(checkpoint, params.text, vocabulary, card, __version__)
    files = [_text_file(request, quant, params, values, text) for quant in _once(request.quants)]
    if params.vision:
        seen_card = read_card(checkpoint, parameters(projector), called)
        files.append(_projector_file(request, params, params.vision, seen_card, projector))
    return ConversionPlan(
        request=request,
        checkpoint=checkpoint,
        params=params,
        licence=card.licence.name or str(card.metadata.license or ""),
        notice=card.notice(__version__),
        template_sha256=metadata.template_sha256(values),
        files=tuple(files),
        adapters=merged.adapters,
        warnings=(
            *warnings,
            *_form_warnings(params.text, projector),
            *card.warnings,
            *generation_warnings(checkpoint, vocabulary, metadata.ends_written(values)),
            *metadata.turn_warnings(values),
        ),
    )


def _form_warnings(params: TextParams, projector: list[Entry]) -> list[Finding]:
    """Filters that were turned, and numbers that are others than those that Google published."""
    words = config_words(params)
    return [
        *layout_warnings(projector),
        *([Finding("published", words)] if words else []),
    ]


def _opened(request: ConversionRequest) -> tuple[Checkpoint, Config, tuple[Finding, ...]]:
    """The checkpoint with its small files, and a config.json that its tensors check_config with."""
    checkpoint = open_checkpoint(request.source)
    checked = check_config(checkpoint)
    small, warnings = gather(request.source, request.base, sees=checked.sees)
    checkpoint = dataclasses.replace(checkpoint, config=checked.config, small=small)
    others = adapter_among_weights(request.source, (path for path, _ in request.adapters))
    return checkpoint, checked.config, (*checkpoint.warnings, *others, *checked.warnings, *warnings)


def _with_pictures(
    checkpoint: Checkpoint, config: Config, adapters: tuple[OpenedAdapter, ...]
) -> tuple[Checkpoint, ModelParams, tuple[Finding, ...]]:
    """What the model is, with the image processor's settings that count."""
    processor, warnings = read_processor(checkpoint.small)
    params = read_params(config, processor)
    if params.vision is None or not adapters:
        return checkpoint, params, warnings
    checkpoint, own = with_processor(checkpoint, adapters)
    processor, warnings = read_processor(checkpoint.small)
    return checkpoint, read_params(config, processor), (*warnings, *own)


def _with_known_origin(request: ConversionRequest) -> ConversionRequest:
    """What the folder's manifest already says of the source isn't asked again."""
    with contextlib.suppress(ArtifactError):
        existing = manifests.load(request.folder)
        if existing and existing.name == request.model_name and not request.force:
            origin = request.origin
            return dataclasses.replace(
                request,
                source_id=origin.id or existing.source.id,
                revision=origin.revision or existing.source.revision,
            )
    return request


def _once(quants: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(quants))


def _text_file(
    request: ConversionRequest,
    quant: str,
    params: ModelParams,
    values: metadata.Values,
    entries: list[Entry],
) -> FilePlan:
    text = params.text
    overrides = tuple(map(parse_override, request.tensor_types))
    names_there = [entry.name for entry in entries]
    for override, wish in zip(overrides, request.tensor_types, strict=True):
        if not any(override.pattern.search(name) for name in names_there):
            raise UsageError(
                f"--tensor-type '{wish}' matches no tensor.",
                "edge-med convert --dry-run --verbose prints their GGUF names.",
            )
    mixer = Mixer(quant, text.layers, text.heads // text.key_value_heads, text.tied, overrides)
    types = [mixer.type_of(entry.name, entry.shape) for entry in entries]
    tensors = _lay_out(entries, types, through_bf16=goes_through_bf16(quant))
    header = _header(values, quant, tensors)
    return FilePlan(text_file(request.model_name, quant), "text", quant, header, tensors)


def _projector_file(
    request: ConversionRequest,
    params: ModelParams,
    vision: VisionParams,
    card: Card,
    entries: list[Entry],
) -> FilePlan:
    quant = request.mmproj
    types = [projector_type_of(entry.name, entry.shape, quant) for entry in entries]
    tensors = _lay_out(entries, types, through_bf16=False)
    values = metadata.projector_values(params, vision, card, __version__)
    name = projector_file(request.model_name, quant)
    return FilePlan(name, "projector", quant, _header(values, quant, tensors), tensors)


def _lay_out(
    entries: list[Entry], types: list[TensorType], *, through_bf16: bool
) -> tuple[TensorPlan, ...]:
    plans, at = [], 0
    for entry, kind in zip(entries, types, strict=True):
        size = kind.row_bytes(entry.shape[-1]) * math.prod(entry.shape[:-1])
        plus = 1.0 if names.NORM_PLUS_ONE.search(entry.name) else 0.0
        # Norms are F32 in llama.cpp's intermediate file as well, so nothing rounds them.
        how = Widening(entry.source.type, plus, through_bf16 and len(entry.shape) > 1)
        plans.append(
            TensorPlan(
                entry.name,
                entry.source,
                kind,
                entry.shape,
                at,
                size,
                how,
                entry.channels_last,
                entry.change,
            )
        )
        at = pad(at + size, DEFAULT_ALIGNMENT)
    return tuple(plans)


def _header(values: metadata.Values, quant: str, tensors: tuple[TensorPlan, ...]) -> bytes:
    lines = [TensorLine(t.name, t.type.id, t.shape, t.offset) for t in tensors]
    return pack_header(metadata.with_file_type(values, FILE_TYPES[quant]), lines)
