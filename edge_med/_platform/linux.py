"""Processors and memory of Linux, within the limits of control groups."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DEVICES = Path("/sys/devices")
GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")
PROCESSOR = Path("/proc/cpuinfo")
PCI = Path("/sys/bus/pci/devices")
WSL = Path("/usr/lib/wsl/lib")
"""Where Windows puts its drivers' libraries for a Linux inside it, which sees no card itself."""

FEATURES = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "AVX": "avx",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX_VNNI": "avx_vnni",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "NEON": "asimd",
    "ARM_FMA": "asimd",
    "FP16_VA": "asimdhp",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
    "SME": "sme",
}
"""What ggml calls a feature (ggml-cpu.cpp), and what the kernel does (cpufeatures.h, hwcap.c)."""

VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
DISPLAY = "0x03"
"""How the class of a display controller begins (pci_ids.h)."""


def performance_cores(devices: Path = DEVICES) -> int | None:
    """How many of the cores that this process may use are fast ones; None if it isn't known.

    Two threads of one core count once: they share the units that multiply. llama.cpp's own programs
    count so too (`common_cpu_get_num_math`).

    Sources: tools/perf/Documentation/intel-hybrid.txt of the kernel (cpu_core),
    https://docs.kernel.org/scheduler/sched-capacity.html (cpu_capacity).
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    processors = devices / "system/cpu"
    siblings = "topology/thread_siblings_list"
    cores = {min(_listed(processors / f"cpu{n}" / siblings) & allowed or {n}) for n in allowed}
    if fast := cores & _listed(devices / "cpu_core/cpus"):
        return len(fast)
    capacities = [_number(processors / f"cpu{n}/cpu_capacity") for n in cores]
    return worth_using([capacity or 0 for capacity in capacities])


def worth_using(capacities: Sequence[int]) -> int:
    """How many cores, from the fastest on, finish soonest what is shared out evenly.

    Every operation waits for the slowest, so `n` cores do `n` times what the slowest of them does.
    That takes in a middle class that is nearly as fast, and leaves out one that would hold up all.
    """
    fastest_first = sorted(capacities, reverse=True)
    if not fastest_first[-1]:  # not told of all of them
        return len(fastest_first)
    return max(range(1, len(capacities) + 1), key=lambda n: n * fastest_first[n - 1])


def available_memory(
    memory: Path = MEMORY, root: Path = GROUPS, membership: Path = MEMBERSHIP
) -> int | None:
    """Bytes that are free or hold files that can be read again, within every group's limit.

    Source: https://docs.kernel.org/filesystems/proc.html (MemAvailable).
    """
    free = _kilobytes(memory, "MemAvailable")
    sizes = [free, *(_free_bytes(group) for group in control_groups("memory", root, membership))]
    return min((size for size in sizes if size is not None), default=None)


def total_memory(
    memory: Path = MEMORY, root: Path = GROUPS, membership: Path = MEMBERSHIP
) -> int | None:
    """Bytes of memory, or the smallest limit of the control groups that this process is in."""
    groups = control_groups("memory", root, membership)
    limits = [_number(group / files.limit) for group in groups for files in _LIMITS]
    sizes = [_kilobytes(memory, "MemTotal"), *limits]
    return min((size for size in sizes if size is not None), default=None)


def cpu_features(processor: Path = PROCESSOR) -> frozenset[str] | None:
    """What the processor can do, by ggml's names; None if it isn't known."""
    lines = {name.strip(): value.split() for name, value in _lines(processor, ":").items()}
    flags = lines.get("flags") or lines.get("Features")
    return frozenset(name for name, flag in FEATURES.items() if flag in flags) if flags else None


_CHANGING = ("processor", "cpu MHz", "apicid", "initial apicid", "core id", "bogomips", "BogoMIPS")
"""Lines of /proc/cpuinfo that differ from core to core, or from one moment to the next."""


def processor(processors: Path = PROCESSOR) -> str:
    """Model and flags of the first processor (/proc/cpuinfo); empty if it isn't known."""
    with contextlib.suppress(OSError):
        lines = processors.read_text().partition("\n\n")[0].splitlines()
        return "\n".join(line for line in lines if not line.startswith(_CHANGING))
    return ""


def graphics(pci: Path = PCI, wsl: Path = WSL) -> tuple[str, ...]:
    """The makers of the display controllers that are built in, a GPU's or not."""
    found = {"nvidia"} if (wsl / "libcuda.so.1").exists() else set()
    for device in pci.glob("*"):
        with contextlib.suppress(OSError):
            if (device / "class").read_text().startswith(DISPLAY):
                found.add(VENDORS.get((device / "vendor").read_text().strip(), ""))
    return tuple(sorted(found - {""}))


def container_cores(root: Path = GROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """The smallest CPU quota of the control groups that this process is in; None for none.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), cgroup-v1 (cpu.cfs_*).
    """
    quotas = [_quota(group) for group in control_groups("cpu", root, membership)]
    return min((cores for cores in quotas if cores is not None), default=None)


def control_groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The folders of the groups, from the outermost in; a limit of any holds for all inside."""
    lines = membership.read_text().splitlines() if membership.is_file() else ["0::/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        folder = root / controller if controllers else root
        for name in ("", *PurePosixPath(path).parts[1:]):
            folder /= name
            yield folder


def go_first_without_memory(score: Path = Path("/proc/self/oom_score_adj")) -> None:
    """Have the kernel end this process first (proc(5); the score may always be raised)."""
    with contextlib.suppress(OSError):
        score.write_text("1000")


def forbid_dumps() -> None:
    """Have no core dump made at all, whatever its limit is (PR_SET_DUMPABLE of prctl(2))."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def _quota(group: Path) -> int | None:
    """A group's quota in cores, rounded up."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else -(-int(quota) // int(period))
    with contextlib.suppress(OSError, ValueError):
        used = int((group / "cpu.cfs_quota_us").read_text())
        period_us = int((group / "cpu.cfs_period_us").read_text())
        return None if used < 0 else -(-used // period_us)
    return None


@dataclass(frozen=True, slots=True)
class _Limit:
    """The files of a group with its limit and its use, and the lines of memory.stat for cache.

    A model file that was read lately counts as used, and yet makes room when room is needed.
    """

    limit: str
    used: str
    cache: tuple[str, ...]


_LIMITS = (
    _Limit("memory.max", "memory.current", ("inactive_file", "active_file")),
    _Limit(
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
)
"""Of version 2 and 1: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory), cgroup-v1."""


def _free_bytes(group: Path) -> int | None:
    """Bytes that a group's limit leaves; None without a limit."""
    for files in _LIMITS:
        limit, used = _number(group / files.limit), _number(group / files.used)
        if limit is not None and used is not None:
            lines = _lines(group / "memory.stat", " ")
            cache = sum(int(lines.get(name, "0")) for name in files.cache)
            return max(0, limit - used + cache)
    return None


def _kilobytes(memory: Path, name: str) -> int | None:
    """A size in /proc/meminfo, in bytes."""
    kilobytes, *_ = _lines(memory, ":").get(name, "").split() or [""]
    return int(kilobytes) * 1024 if kilobytes.isdecimal() else None


def _lines(path: Path, separator: str) -> dict[str, str]:
    """A file of names and values; empty if there is none."""
    with contextlib.suppress(OSError):
        parts = (line.partition(separator) for line in path.read_text().splitlines())
        return {name: value for name, _, value in parts}
    return {}


def _number(path: Path) -> int | None:
    """The number that a file holds; None if there is none, or it is `max`."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _listed(path: Path) -> set[int]:
    """Processors as the kernel lists them, such as `0-3,8`; none if there is no such file."""
    found: set[int] = set()
    with contextlib.suppress(OSError, ValueError):
        for part in path.read_text().split(","):
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found


NICE = 15
"""Of a thread that steps back: it gets a thirtieth of a core that others want, and is never starved
(`sched_prio_to_weight` in kernel/sched/core.c)."""


def step_back() -> None:
    """Lower this thread's priority alone; on Linux each thread has its own (setpriority(2))."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
