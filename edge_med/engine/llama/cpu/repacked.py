"""Weights in the repacking buffer alone, where AMX can't be left out by asking Linux to refuse it.

llama.cpp puts a tensor into the first of its buffer types that takes it, and AMX's is asked first.
So it is given no such types at all, and an override for each tensor that the repacking takes: any
other in that buffer ends the program (ggml-cpu/repack.cpp, set_tensor). The embedding stays out:
rows of it are looked up, which the repacked order can't.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from edge_med.artifacts.gguf import GgufTensor, Header

_LAYER = re.compile(r"blk\.(\d+)\.(\w+\.weight)")


def patterns(header: Header, layers: int, taken: Callable[[GgufTensor], bool]) -> Iterator[str]:
    """Patterns of tensors' names that match exactly the matrices that a buffer type takes.

    llama.cpp compiles each pattern once for each tensor, so there are few.

    Args:
        header: the header of the text model.
        layers: number of its layers on the CPU, which are the first ones.
        taken: whether the buffer type takes a tensor.
    """
    numbers: dict[str, list[str]] = {}
    for tensor in header.tensors:
        found = _LAYER.fullmatch(tensor.name)
        if found and int(found[1]) < layers and len(tensor.shape) == 2 and taken(tensor):
            numbers.setdefault(found[2], []).append(found[1])
    kinds: dict[str, list[str]] = {}
    for kind, where in numbers.items():
        kinds.setdefault("|".join(where), []).append(re.escape(kind))
    for layers_of, names in kinds.items():
        yield rf"^blk\.(?:{layers_of})\.(?:{'|'.join(names)})$"
