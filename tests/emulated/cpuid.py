"""What the processor of this process says of itself; an emulated one says what it emulates."""

from __future__ import annotations

import ctypes
import mmap

from edge_med._platform import children

CODE = bytes.fromhex(
    "53"  # push rbx
    "89f8"  # mov eax, edi: the leaf
    "31c9"  # xor ecx, ecx
    "0fa2"  # cpuid
    "89d8"  # mov eax, ebx
    "837e0000"  # cmp dword [rsi], 0: whether ecx is wanted
    "7402"  # je +2
    "89c8"  # mov eax, ecx
    "5b"  # pop rbx
    "c3"  # ret
)
"""A function of a leaf and a flag (System V, x86-64), which returns EBX or ECX."""


def main() -> None:
    """Say whether there is AVX (leaf 1, ECX bit 28) and AVX-512 (leaf 7, EBX bit 16)."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(CODE)
    kind = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ctypes.c_int))
    ask = kind(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    ecx_of_1, ebx_of_7 = ask(1, ctypes.c_int(1)), ask(7, ctypes.c_int(0))
    children.report(avx=bool(ecx_of_1 >> 28 & 1), avx512=bool(ebx_of_7 >> 16 & 1))
