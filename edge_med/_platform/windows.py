"""Processors and memory of Windows, as it reports them."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CORE = 0
"""`RelationProcessorCore` of LOGICAL_PROCESSOR_RELATIONSHIP (winnt.h)."""

RECORD = "<IIBB"
"""SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX up to a core's efficiency class: relationship, size of
the record, flags, class (winnt.h)."""


FEATURES = {
    "SSE3": 13,
    "SSSE3": 36,
    "AVX": 39,
    "AVX2": 40,
    "AVX512": 41,
    "NEON": 19,
    "DOTPROD": 43,
}
"""What ggml calls a feature (ggml-cpu.cpp), and its PF_ number for IsProcessorFeaturePresent."""

DRIVERS = {"nvcuda.dll": "nvidia", "amdvlk64.dll": "amd", "igvk64.dll": "intel"}
"""Files that a maker's driver puts into the system's folder: CUDA's, or Vulkan's."""


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX (sysinfoapi.h); the first field is the size of all of it."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("physical", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended", ctypes.c_uint64),
    )


def performance_cores() -> int | None:
    """How many cores are of the fastest kind, the highest efficiency class; None if it isn't known.

    Source: GetLogicalProcessorInformationEx; it has a record for each core, whatever its threads.
    """
    size, ask = ctypes.c_uint32(0), kernel().GetLogicalProcessorInformationEx
    ask(CORE, None, ctypes.pointer(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not ask(CORE, buffer, ctypes.pointer(size)):
        return None
    classes = list(_efficiency_classes(buffer.raw[: size.value]))
    return classes.count(max(classes)) if classes else None


def _efficiency_classes(records: bytes) -> Iterator[int]:
    at = 0
    while at + struct.calcsize(RECORD) <= len(records):
        _, size, _, efficiency = struct.unpack_from(RECORD, records, at)
        yield efficiency
        at += size or len(records)


def available_memory() -> int | None:
    """Bytes of physical memory that are free or hold files that can be read again.

    Source: GlobalMemoryStatusEx (ullAvailPhys).
    """
    status = _memory_status()
    return int(status.available) if status else None


def total_memory() -> int | None:
    """Bytes of physical memory (ullTotalPhys)."""
    status = _memory_status()
    return int(status.physical) if status else None


def _memory_status() -> MemoryStatus | None:
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    return status if kernel().GlobalMemoryStatusEx(ctypes.pointer(status)) else None


def cpu_features() -> frozenset[str] | None:
    """What the processor can do, by ggml's names, as far as Windows reports it."""
    has = kernel().IsProcessorFeaturePresent
    return frozenset(name for name, number in FEATURES.items() if has(ctypes.c_uint32(number)))


def processor() -> str:
    """Model and features of the processor, as far as Windows reports it."""
    return " ".join([platform.processor(), *sorted(cpu_features() or ())])


def find_libraries(folder: Path) -> None:
    """Have libraries looked for in a folder, and in those of CUDA and HIP where they are installed.

    ctypes looks there by itself (LOAD_LIBRARY_SEARCH_DEFAULT_DIRS), and never where the program is
    started.
    """
    # mypy knows the function on Windows alone, where the comment is then unused.
    add: Any = os.add_dll_directory  # type: ignore[attr-defined, unused-ignore]
    add(str(folder))
    for tools in ("CUDA_PATH", "HIP_PATH"):
        for name in ("bin", "lib"):
            inside = Path(os.environ.get(tools, "")) / name
            if os.environ.get(tools) and inside.is_dir():
                add(str(inside))


SEPARATE = 0x08000000 | 0x00000200
"""CREATE_NO_WINDOW and CREATE_NEW_PROCESS_GROUP (processthreadsapi.h)."""

JOB_LIMITS = 9
"""`JobObjectExtendedLimitInformation` of JOBOBJECTINFOCLASS (winnt.h)."""

JOB_BYTES, JOB_FLAGS_AT = 144, 16
"""JOBOBJECT_EXTENDED_LIMIT_INFORMATION on 64 bits, and where its LimitFlags are (winnt.h)."""

JOB_FLAGS = 0x2000 | 0x400
"""KILL_ON_JOB_CLOSE, and DIE_ON_UNHANDLED_EXCEPTION, else a crashed process waits for a dialog."""


def end_with_this_process(process: Any) -> None:
    """Put a process into a job that ends when this process does, since it alone holds the job."""
    job = _job()
    if job is not None:
        kernel().AssignProcessToJobObject(job, ctypes.c_void_p(int(process._handle)))


@functools.cache
def _job() -> Any:
    """The job of this process's children; None if it can't be made."""
    library = kernel()
    library.CreateJobObjectW.restype = ctypes.c_void_p
    job = ctypes.c_void_p(library.CreateJobObjectW(None, None))
    limits = ctypes.create_string_buffer(JOB_BYTES)
    struct.pack_into("<I", limits, JOB_FLAGS_AT, JOB_FLAGS)
    made = job.value and library.SetInformationJobObject(
        job, JOB_LIMITS, limits, ctypes.c_uint32(JOB_BYTES)
    )
    return job if made else None


def graphics() -> tuple[str, ...]:
    """The makers of graphics drivers that are installed."""
    buffer = ctypes.create_unicode_buffer(260)  # MAX_PATH
    kernel().GetSystemDirectoryW(buffer, ctypes.c_uint32(len(buffer)))
    folder = Path(buffer.value)
    return tuple(sorted({maker for name, maker in DRIVERS.items() if (folder / name).is_file()}))


def kernel() -> Any:
    """The system's own library; on 64 bits there is one calling convention for all."""
    return ctypes.CDLL("kernel32")


BACKGROUND = 0x00010000
"""THREAD_MODE_BACKGROUND_BEGIN (winbase.h): computing and reading behind others."""


def step_back() -> None:
    """Put this thread behind all others."""
    library = kernel()
    library.GetCurrentThread.restype = ctypes.c_void_p
    library.SetThreadPriority(ctypes.c_void_p(library.GetCurrentThread()), BACKGROUND)
