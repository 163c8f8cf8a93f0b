"""Which layers go to which device: llama.cpp's parameters for it, and what it logs afterwards.

A placement of ours needs no overrides of single tensors: a layer goes to a device with all that it
has, as llama.cpp does it by itself. Overrides are the user's, and ours where the CPU's weights may
be copied into some of ggml's buffer types only.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from edge_med.artifacts.gguf import GgufTensor, Header
from edge_med.config import LoadOptions
from edge_med.engine.llama import devices
from edge_med.engine.llama.bindings import cpu_buffers
from edge_med.engine.llama.cpu import ggml, repacked
from edge_med.engine.llama.memory_log import MemoryLog
from edge_med.planner.placement_types import CPU, DevicePlan, DeviceUsage, Placement
from edge_med.planner.sizes import flash_attention

_BY_LAYERS = 1  # LLAMA_SPLIT_MODE_LAYER (llama.h)
_CPU = "CPU"  # ggml's name of it
_AUTO = -1  # LLAMA_FLASH_ATTN_TYPE_AUTO: wherever the layer's device has it


def used(placement: Placement | None) -> list[DevicePlan]:
    """The shares of the devices with layers or tensors; llama.cpp sees no others."""
    if placement is None:
        return []
    sent = {device for _, device in placement.options.overrides}
    return [share for share in placement.devices[:-1] if share.layers or share.device in sent]


class _BufferOverride(ctypes.Structure):
    """`llama_model_tensor_buft_override` (llama.h), which the bindings leave out."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p))


def offload(
    api: Any,
    params: Any,
    header: Header,
    placement: Placement | None = None,
    copies: tuple[str, ...] | None = None,
) -> tuple[Any, ...]:
    """Set in llama.cpp's parameters which devices a model gets, and how many layers each.

    Without devices the list is empty, and not left out: llama.cpp would choose by itself.

    Args:
        api: the bindings.
        params: llama.cpp's parameters of a model; they are changed.
        header: the header of the text model.
        placement: which layers go to which device; all of them to the CPU if None.
        copies: buffer types that the CPU's weights may be copied into; all if None.

    Returns:
        What the parameters point to; keep it as long as the model.

    Raises:
        EngineError: a device isn't there.
    """
    shares = used(placement)
    handles = [devices.handle(share.device) for share in shares]
    listed = (ctypes.c_void_p * (len(handles) + 1))(*handles, None)
    split = (ctypes.c_float * api.llama_max_devices())(*(share.layers for share in shares))
    params.devices = ctypes.addressof(listed)
    params.split_mode = _BY_LAYERS
    params.n_gpu_layers = sum(share.layers for share in shares)
    params.tensor_split = split
    sent = placement.options.overrides if placement and shares else ()
    parts = [_BufferOverride(one.encode(), devices.buffer_type(device)) for one, device in sent]
    there = cpu_buffers()
    params.use_extra_bufts = copies is None or set(copies) >= there.keys()
    if not params.use_extra_bufts:
        # Layers are counted with the output head, and the last ones are on devices.
        layers = (header.integer("gemma3.block_count") or 0) + 1 - params.n_gpu_layers
        wanted = [there[name] for name in copies or () if name in there]
        parts += _copied(header, layers, wanted)
    overrides = (_BufferOverride * (len(parts) + 1))(
        *parts
    )  # the last one is empty and ends the list
    if parts:
        params.tensor_buft_overrides = ctypes.addressof(overrides)
    return listed, split, overrides


def _copied(header: Header, layers: int, buffers: Iterable[int]) -> Iterator[_BufferOverride]:
    """Overrides that send the CPU's weights to some of the buffer types that copy, one by one."""
    for buffer in buffers:
        yield from (
            _BufferOverride(pattern.encode(), buffer)
            for pattern in repacked.patterns(header, layers, functools.partial(_takes, buffer))
        )


def _takes(buffer: int, tensor: GgufTensor) -> bool:
    rows, columns = tensor.shape
    return ggml.takes(ggml.cpu_device(), buffer, tensor.type.id, columns, rows)


def attention(header: Header, options: LoadOptions, placement: Placement | None) -> int:
    """llama.cpp's kind of flash attention: on devices wherever there is one, as is planned."""
    return _AUTO if used(placement) else int(flash_attention(header, options))


def device_usage(log: MemoryLog, placement: Placement | None) -> tuple[DeviceUsage, ...]:
    """What was put where: the devices with layers in their order, then the CPU.

    Args:
        log: what llama.cpp logged while it loaded the model and its context.
        placement: the placement that the model was loaded with.
    """
    names = [share.device for share in used(placement)]
    return tuple(_on(device, log, names) for device in (*names, CPU))


def with_projector(
    usage: tuple[DeviceUsage, ...], log: MemoryLog, device: str
) -> tuple[DeviceUsage, ...]:
    """What was put where, with a projector: what was heard while it was opened on a device.

    Others may have been opened meanwhile, for a comparison.
    """
    named = _CPU if device == CPU else device
    sizes = [b.size for b in log.buffers if b.kind == "projector" and b.name == named]
    if all(one.device != device for one in usage):
        usage = (*usage[:-1], DeviceUsage(device, 0, 0, 0, 0, 0), usage[-1])
    size = sizes[-1] if sizes else 0
    return tuple(replace(p, projector=size if p.device == device else 0) for p in usage)


def _on(device: str, log: MemoryLog, names: Sequence[str]) -> DeviceUsage:
    def size(*kinds: str) -> int:
        return sum(
            buffer.size
            for buffer in log.buffers
            if buffer.kind in kinds and device_of(buffer.name, names) == device
        )

    return DeviceUsage(
        device=device,
        layers=sum(device_of(found, names) == device for found in log.layers.values()),
        weights=size("model"),
        projector=0,
        kv=size("KV"),
        compute=size("compute", "output"),
    )


def device_of(buffer: str, names: Sequence[str]) -> str:
    """The device of a type of buffer: its own name, or MTL0_Mapped; the rest is the CPU's memory.

    That is CPU, CPU_Mapped, CPU_REPACK, and what a device can read of it, such as Vulkan_Host.
    """
    return next((n for n in names if buffer == n or buffer.startswith(f"{n}_")), CPU)
