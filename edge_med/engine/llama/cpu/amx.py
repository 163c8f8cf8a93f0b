"""Linux is made to refuse AMX to llama.cpp, which then leaves it out by itself.

A program must ask Linux for AMX's registers (arch_prctl, ARCH_REQ_XCOMP_PERM: kernel docs,
arch/x86/xstate.rst). ggml asks once in a process, when it makes its list of buffer types. That is
done here in a thread of its own, for which a seccomp filter answers no; the thread then ends, and
the rest of the program has never heard of the filter.
"""

from __future__ import annotations

import ctypes
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from edge_med import _platform

T = TypeVar("T")

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # prctl.h, seccomp.h
_X86_64 = 0xC000003E  # AUDIT_ARCH_X86_64 (audit.h)
_WRITE, _ARCH_PRCTL = 1, 158  # unistd_64.h
_REQUEST = 0x1023  # ARCH_REQ_XCOMP_PERM (asm/prctl.h)
_STDERR = 2

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K (linux/bpf.h)
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data (linux/seccomp.h)
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # SECCOMP_RET_ALLOW, _ERRNO

_PROGRAM = (
    # instruction, steps to go on if equal, if not, operand
    (_LOAD, 0, 0, _ARCHITECTURE),
    (_EQUAL, 0, 7, _X86_64),
    (_LOAD, 0, 0, _NUMBER),
    (_EQUAL, 0, 2, _ARCH_PRCTL),
    (_LOAD, 0, 0, _ARGUMENT),
    (_EQUAL, 4, 3, _REQUEST),
    (_EQUAL, 0, 2, _WRITE),
    (_LOAD, 0, 0, _ARGUMENT),
    (_EQUAL, 1, 0, _STDERR),  # ggml writes past its own log that AMX isn't ready
    (_RETURN, 0, 0, _ALLOW),
    (_RETURN, 0, 0, _REFUSE),
)


class _Instruction(ctypes.Structure):
    """`struct sock_filter` (linux/filter.h)."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("equal", ctypes.c_uint8),
        ("other", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """`struct sock_fprog` (linux/filter.h)."""

    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


def refused(ask: Callable[[], T]) -> T:
    """Call something in a thread that gets no AMX, where Linux can refuse it; else as it is.

    Whatever ggml decides meanwhile holds for the process. What is raised is raised here.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            if _platform.SYSTEM == "linux" and _platform.MACHINE in ("x86_64", "amd64"):
                _refuse()
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks
            future.set_exception(error)

    thread = threading.Thread(target=run, name="edge-med without AMX")
    thread.start()
    thread.join()
    return future.result()


def _refuse() -> None:
    """Set the filter for this thread; a kernel that has none leaves everything as it is."""
    control = ctypes.CDLL(None).prctl
    control.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    instructions = (_Instruction * len(_PROGRAM))(*(_Instruction(*one) for one in _PROGRAM))
    program = _Program(len(_PROGRAM), instructions)
    control(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    control(_SET_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0)
