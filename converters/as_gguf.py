"""PEFT adapters as GGUF files, which llama.cpp applies while a model runs.

A file holds what llama.cpp can: pairs of the text model's matrices. It multiplies each pair with
alpha / rank, where alpha is one for the whole file; what PEFT multiplies a pair with otherwise, by
rslora or by a pattern, is in the numbers of B. Layout: convert_lora_to_gguf.py of llama.cpp 0.5.0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

from converters.checkpoint import Checkpoint, open_checkpoint, refuse_what_is_none, snapshot
from converters.commit import locked_folder
from converters.config_checks import check_config
from converters.conversion_plan import FilePlan, TensorPlan
from converters.header import TensorLine, TypedValue, pack_header
from converters.licence import adapter_notice
from converters.lora.arithmetic import changes_nothing, read_whole
from converters.lora.records import left_out
from converters.lora.runtime_notices import applied_warnings
from converters.lora.shape_checks import check_shapes, own_base
from converters.model_card import Card, read_card
from converters.quantize import Bytes, Widening, is_sound, narrow
from converters.request import adapter_name, check_adapters
from converters.slabs import source_files
from converters.small_files import SmallFiles
from converters.stages import Stopwatch
from converters.writer import FileWriter, disk_errors
from edge_med import __version__, _platform
from edge_med.artifacts.adapters import gguf_adapter as layout
from edge_med.artifacts.adapters.peft_adapter import (
    OpenedAdapter,
    StoredTensor,
    TensorUpdate,
    open_adapter,
)
from edge_med.artifacts.adapters.peft_folder import merge_command
from edge_med.artifacts.adapters.runtime_part import Division, divide
from edge_med.artifacts.file_names import PARTIAL, called, check_model_name
from edge_med.artifacts.gguf import DEFAULT_ALIGNMENT, pad
from edge_med.artifacts.hparams import TextParams, read_text_params
from edge_med.artifacts.json_file import read_json
from edge_med.artifacts.manifest import FileEntry, Finding
from edge_med.artifacts.shapes import text_tensors
from edge_med.artifacts.tensor_types import F16, F32
from edge_med.errors import CheckpointError, InputError, UsageError

KINDS = {"F32": F32, "F16": F16}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRequest:
    """Which adapters become GGUF files.

    Attributes:
        base: folder of the base model, of which only the small files are read.
        folder: folder for the files.
        adapters: folders of PEFT's adapters, each with the factor of its effect.
        kind: type of the numbers, out of `KINDS`.
        name: name of the file; the adapter folder's if empty.
        source_id: name of the base, such as `google/medgemma-4b-it`; for its terms.
        force: whether existing files are replaced.
    """

    base: Path
    folder: Path
    adapters: tuple[tuple[Path, float], ...]
    kind: str = "F32"
    name: str = ""
    source_id: str = ""
    force: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"A GGUF adapter can't be {self.kind}.", f"Choose out of: {', '.join(KINDS)}."
            )
        names = self.names
        if len(set(names)) < len(names) or not names:
            raise UsageError(
                f"Two adapters have the name {names[0]}." if names else "There is no --adapter.",
                "Give each adapter's folder by --adapter; convert adapters of one name one by one.",
            )
        check_adapters(self.adapters)
        for name in names:
            check_model_name(name)

    @property
    def names(self) -> list[str]:
        """What the adapters will be called."""
        return [self.name or adapter_name(snapshot(folder)) for folder, _ in self.adapters]


@dataclass(frozen=True, slots=True)
class Side:
    """A or B of a pair, on its way into the file.

    Attributes:
        factor: factor of its numbers.
    """

    plan: TensorPlan
    stored: StoredTensor
    factor: float


@dataclass(frozen=True, slots=True)
class AdapterPlan:
    """One file, decided before a weight is read; `warnings` are for the user."""

    adapter: OpenedAdapter
    file: FilePlan
    division: Division
    sides: tuple[Side, ...] = field(repr=False)
    notice: str
    warnings: tuple[Finding, ...]


def plan_adapters(request: AdapterRequest) -> tuple[AdapterPlan, ...]:
    """Decide what goes into each file, and what can't.

    Raises:
        CheckpointError: the base or an adapter is damaged, they don't belong together, or there is
            nothing in an adapter that a GGUF file can hold.
    """
    base = snapshot(request.base)
    refuse_what_is_none(base)
    config = read_json(base / "config.json")
    if any(base.glob("model*.safetensors")):
        config = check_config(open_checkpoint(base)).config
    text = read_text_params(config)
    checkpoint = Checkpoint(base, config, (), SmallFiles(base))
    name_of_base = called(base, request.source_id)
    opened = [open_adapter(snapshot(folder), scale) for folder, scale in request.adapters]
    plans = []
    for adapter, name in zip(opened, request.names, strict=True):
        card = read_card(checkpoint, 0, (name, request.source_id, adapter.settings.base))
        differs = applied_warnings(adapter, checkpoint, name_of_base, text.vocabulary)
        plans.append(_plan(request, adapter, name, text, card, differs))
    return tuple(plans)


def write_adapters(plans: tuple[AdapterPlan, ...], request: AdapterRequest) -> list[FileEntry]:
    """Write the files of plans, each whole or not at all.

    Raises:
        InputError: one is there already.
        CheckpointError: a number isn't finite, or too large for F16.
        DiskShortError: the disk becomes full.
        BusyError: another conversion writes into the folder.
    """
    with locked_folder(request.folder):
        _sweep(request.folder)
        for plan in plans:
            if (request.folder / plan.file.name).exists() and not request.force:
                raise InputError(
                    f"{plan.file.name} exists already.",
                    "Add --force to replace it, or choose another --out.",
                )
        return [_write(plan, request.folder) for plan in plans]


def _plan(
    request: AdapterRequest,
    adapter: OpenedAdapter,
    name: str,
    text: TextParams,
    card: Card,
    differs: list[Finding],
) -> AdapterPlan:
    division = divide(adapter, tied=text.tied)
    _refuse_nothing(adapter, division)
    shapes, kind = text_tensors(text), KINDS[request.kind]
    sides, at = [], 0
    for weight, part in _ordered(division):
        check_shapes(part, shapes.get(weight), own_base([adapter]))
        for suffix, stored, factor in _sides(part, adapter.settings.alpha):
            rows, *rest = stored.tensor.shape
            shape = (rows, math.prod(rest))
            size = math.prod(shape) * kind.block_bytes
            how = Widening(stored.tensor.type, 0.0, through_bf16=False)
            tensor = TensorPlan(weight + suffix, stored.tensor, kind, shape, at, size, how)
            sides.append(Side(tensor, stored, factor))
            at = pad(at + size, DEFAULT_ALIGNMENT)
    notice = adapter_notice(card.licence, __version__, adapter.name)
    tensors = tuple(side.plan for side in sides)
    lines = [TensorLine(t.name, t.type.id, t.shape, t.offset) for t in tensors]
    header = pack_header(_values(adapter, name, card, notice), lines)
    file = FilePlan(f"{name}.gguf", "adapter", request.kind, header, tensors)
    warnings = (*left_out(file.name, division, adapter.folder), *differs)
    return AdapterPlan(adapter, file, division, tuple(sides), notice, warnings)


def _refuse_nothing(adapter: OpenedAdapter, division: Division) -> None:
    if not division.tensors:
        first = division.left[0]
        raise CheckpointError(
            f"{adapter.name} has nothing that a GGUF adapter can hold: of {first.name}, "
            f"{first.reason}.",
            f"Merge it: {merge_command(adapter.folder)}",
        )
    if all(changes_nothing(part, None) for part in division.tensors.values()):
        raise CheckpointError(
            f"The adapter {adapter.name} changes nothing of the text model: it adds only zeros.",
            "Give the folder that was saved after training.",
        )


def _ordered(division: Division) -> list[tuple[str, TensorUpdate]]:
    """In the order of the adapter's file."""
    return sorted(division.tensors.items(), key=lambda item: _offset(item[1]))


def _offset(part: TensorUpdate) -> int:
    return min(stored.tensor.offset for stored in part.stored)


def _sides(part: TensorUpdate, alpha: float) -> Iterator[tuple[str, StoredTensor, float]]:
    """A, and B with the factor that llama.cpp doesn't apply."""
    assert part.down is not None
    assert part.up is not None
    rank = part.down.tensor.shape[0]
    yield ".lora_a", part.down, 1.0
    yield ".lora_b", part.up, part.scale * rank / alpha


def _values(adapter: OpenedAdapter, name: str, card: Card, notice: str) -> dict[str, TypedValue]:
    writer = gguf.GGUFWriter(path=None, arch="gemma3")
    writer.add_type(layout.KIND)
    terms, base = card.metadata, adapter.settings.base_name
    gguf.Metadata(
        name=name,
        license=terms.license,
        license_name=terms.license_name,
        license_link=terms.license_link,
        base_models=[{"name": base}] if base else None,
    ).set_gguf_meta_model(writer)
    writer.add_string("adapter.type", "lora")
    writer.add_float32(layout.ALPHA, float(adapter.settings.alpha))
    writer.add_string("edge_med.notice", notice)
    (weights,) = source_files({adapter.shard.path.name: adapter.shard.path})
    writer.add_string(layout.MADE_OF, weights.sha256)
    writer.add_float32(layout.STRENGTH, adapter.strength)
    values: dict[str, TypedValue] = writer.kv_data[0]
    return values


def _sweep(folder: Path) -> None:
    """Remove what a killed run has left of a file of ours, by the key in its header."""
    for path in filter(Path.is_file, folder.glob(f"*.gguf{PARTIAL}")):
        with path.open("rb") as file:
            start = file.read(_START)
        if layout.MADE_OF.encode() in start:
            path.unlink(missing_ok=True)


_START = 1 << 16
"""Bytes in which the keys of an adapter stand: before its tensors, and few of them."""


def _write(plan: AdapterPlan, folder: Path) -> FileEntry:
    with disk_errors(plan.file.name, folder):
        writer = FileWriter(folder, plan.file, Stopwatch())
        try:
            writer.start()
            for side in plan.sides:
                writer.write(side.plan, _numbers(side).data)
            entry = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        _platform.replace(writer.partial, folder / plan.file.name)
        _platform.sync_folder(folder)
    return entry


def _numbers(side: Side) -> Bytes:
    """A matrix in the file's type."""
    values = read_whole(side.stored) * np.float32(side.factor)
    data = narrow(values.reshape(-1), side.plan.type)
    if not is_sound(data, side.plan.type):
        raise CheckpointError(
            f"{side.stored.tensor.name} of the adapter has numbers that {side.plan.type.name} "
            "can't hold.",
            "Copy the adapter again if it is damaged; if the numbers are only too large for F16, "
            "leave out --quant: F32 is the default.",
        )
    return data
