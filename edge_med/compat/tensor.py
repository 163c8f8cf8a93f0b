"""The stand-in's tensor: an array of numpy's under the names that torch has for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class DType:
    """A type of numbers.

    Attributes:
        name: torch's.
        stored: what numpy holds them as; for bfloat16, which it hasn't got, and float16 the numbers
            stay as exact as they are.
    """

    name: str
    stored: type[np.generic]

    @property
    def is_floating_point(self) -> bool:
        """Whether numbers may be broken."""
        return issubclass(self.stored, np.floating)

    def __repr__(self) -> str:
        return f"torch.{self.name}"


DTYPES = {
    "bfloat16": DType("bfloat16", np.float32),
    "float16": DType("float16", np.float32),
    "float32": DType("float32", np.float32),
    "float64": DType("float64", np.float64),
    "int64": DType("int64", np.int64),
    "int32": DType("int32", np.int32),
}
_BOOL = DType("bool", np.bool_)


def _dtype_of(array: npt.NDArray[Any]) -> DType:
    if array.dtype == np.bool_:
        return _BOOL
    if array.dtype.kind == "f":
        return DTYPES["float64" if array.dtype == np.float64 else "float32"]
    return DTYPES["int32" if array.dtype == np.int32 else "int64"]


@dataclass(frozen=True, slots=True)
class device:  # noqa: N801 - torch's own name
    """A device by its name; everything stays where it is."""

    type: str

    def __str__(self) -> str:
        return self.type


class Tensor:
    """Numbers with a shape; read like torch's tensor."""

    def __init__(self, values: npt.NDArray[Any], dtype: DType | None = None) -> None:
        """Of an array; its own type of numbers is kept if `dtype` is None."""
        self.dtype = dtype or _dtype_of(values)
        self._values = values.astype(self.dtype.stored)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many there are along each axis."""
        return tuple(self._values.shape)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return self._values.ndim

    @property
    def device(self) -> Any:
        """Always the processor."""
        return device("cpu")

    def size(self, axis: int | None = None) -> Any:
        """The shape, or the length of one axis."""
        return self.shape if axis is None else self.shape[axis]

    def to(self, *where: object, **named: object) -> Tensor:
        """With another type of numbers, if one is given; a device changes nothing."""
        wanted = [to for to in (*where, *named.values()) if isinstance(to, DType)]
        return Tensor(self._values, wanted[0]) if wanted else self

    def cpu(self) -> Tensor:
        """It is there already."""
        return self

    def detach(self) -> Tensor:
        """It has no gradients."""
        return self

    def clone(self) -> Tensor:
        """A copy."""
        return Tensor(self._values.copy(), self.dtype)

    def float(self) -> Tensor:
        """In single precision."""
        return Tensor(self._values, DTYPES["float32"])

    def long(self) -> Tensor:
        """As whole numbers."""
        return Tensor(self._values, DTYPES["int64"])

    def numpy(self) -> npt.NDArray[Any]:
        """Its array."""
        return self._values

    def tolist(self) -> Any:
        """Plain lists, or the number if there is but one."""
        return self._values.tolist()

    def item(self) -> Any:
        """The only number."""
        return self._values.item()

    def unsqueeze(self, axis: int) -> Tensor:
        """With one more axis, of length one."""
        return Tensor(np.expand_dims(self._values, axis), self.dtype)

    def squeeze(self, axis: int | None = None) -> Tensor:
        """Without axes of length one, or without one axis if that is its length."""
        if axis is not None and self.shape[axis] != 1:
            return self
        return Tensor(np.squeeze(self._values, axis), self.dtype)

    def numel(self) -> int:
        """How many numbers there are."""
        return self._values.size

    def __getitem__(self, index: Any) -> Tensor:
        return Tensor(np.asarray(self._values[_plain(index)]), self.dtype)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        return np.array(self._values, dtype, copy=copy)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor(np.asarray(self._values == _plain(other)))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor(np.asarray(self._values != _plain(other)))

    __hash__ = None  # type: ignore[assignment]

    def __int__(self) -> int:
        return int(self._values.item())

    __index__ = __int__

    def __bool__(self) -> bool:
        return bool(self._values.item())

    def __repr__(self) -> str:
        return f"tensor({self._values.tolist()})"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.numpy() if isinstance(value, Tensor) else value
