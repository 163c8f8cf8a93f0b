"""Processors and memory of macOS, as it reports them."""

from __future__ import annotations

import ctypes
from typing import Any

CACHED_OR_FREE = (
    "vm.page_free_count",
    "vm.page_pageable_external_count",
    "vm.page_purgeable_count",
)
"""Pages that hold nothing, files that can be read again, and what programs can do without."""


FEATURES = {
    "SSSE3": "supplementalsse3",
    "SSE3": "sse3",
    "AVX": "avx1_0",
    "AVX2": "avx2_0",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX512": "avx512f",
    "NEON": "AdvSIMD",
    "ARM_FMA": "AdvSIMD",
    "FP16_VA": "arm.FEAT_FP16",
    "DOTPROD": "arm.FEAT_DotProd",
    "MATMUL_INT8": "arm.FEAT_I8MM",
    "SME": "arm.FEAT_SME",
}
"""What ggml calls a feature (ggml-cpu.cpp), and the kernel below `hw.optional` (sysctl)."""


def performance_cores() -> int | None:
    """How many cores are of the fastest kind; None if it isn't known.

    Processors of a single kind have `hw.physicalcpu` alone. Source:
    https://developer.apple.com/documentation/kernel/1387446-sysctlbyname/determining_system_capabilities
    """
    return _value("hw.perflevel0.physicalcpu") or _value("hw.physicalcpu")


def available_memory() -> int | None:
    """Bytes that Activity Monitor doesn't call used: free memory, and cached files.

    Programs' memory that could be compressed or swapped out isn't among them.
    """
    counts = [_value(name) for name in CACHED_OR_FREE]
    page = _value("vm.pagesize")
    return sum(count or 0 for count in counts) * page if page and counts[0] is not None else None


def total_memory() -> int | None:
    """Bytes of memory."""
    return _value("hw.memsize")


def cpu_features() -> frozenset[str] | None:
    """What the processor can do, by ggml's names."""
    return frozenset(name for name, key in FEATURES.items() if _value(f"hw.optional.{key}"))


def processor() -> str:
    """Model and features of the processor."""
    facts = ("hw.cputype", "hw.cpusubtype", "hw.cpufamily")
    return " ".join([*(str(_value(name)) for name in facts), *sorted(cpu_features() or ())])


def graphics() -> tuple[str, ...]:
    """Apple's own GPU, where the processor is theirs."""
    return ("apple",) if _value("hw.optional.arm64") else ()


def _value(name: str) -> int | None:
    """A number of the kernel's, of 32 or 64 bits; None if it has none of that name."""
    value = ctypes.c_uint64(0)  # little-endian: 32 bits fill the lower half
    size = ctypes.c_size_t(ctypes.sizeof(value))
    failed = library().sysctlbyname(
        name.encode(), ctypes.pointer(value), ctypes.pointer(size), None, ctypes.c_size_t(0)
    )
    return None if failed else value.value


def library() -> Any:
    """The system's own library, which every process has loaded."""
    return ctypes.CDLL(None)


BACKGROUND = 0x09
"""QOS_CLASS_BACKGROUND (sys/qos.h): efficiency cores, and reading behind others."""


def step_back() -> None:
    """Put this thread behind all others."""
    library().pthread_set_qos_class_self_np(ctypes.c_uint(BACKGROUND), ctypes.c_int(0))
