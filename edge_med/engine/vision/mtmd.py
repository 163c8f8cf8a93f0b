"""llama.cpp's encoder of images (mtmd): the reference that others are compared with."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np

from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.vision_facts import image_size
from edge_med.config import LoadOptions
from edge_med.engine.llama import devices
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import mtmd_cpp
from edge_med.engine.llama.context import NEVER, Stop, threads
from edge_med.engine.llama.signatures import EvalCallback, InputText
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.vision.encoder import UNWATCHED, Advance
from edge_med.errors import LOOK, CancelledError, EngineError, ImageError
from edge_med.imaging import Picture
from edge_med.planner.placement_types import CPU

MARKER = b"<__media__>"
_NODES_A_LOOK = 16
"""llama.cpp stops computing at every node that we look at; a layer of SigLIP has about thirty."""

_SEE = f"{LOOK}."
_IMAGE = 1  # MTMD_INPUT_CHUNK_TYPE_IMAGE (mtmd.h)


class MtmdEncoder:
    """An opened projector of an opened model; close it before the model.

    Attributes:
        device: the device that it is on.
        side: side of the square that it sees, in pixels.
        steps: nodes of llama.cpp's graph that the last picture has come to; for every picture and
            device the graph is about the same.
    """

    def __init__(
        self, path: Path, model: TextModel, options: LoadOptions, device: str = CPU
    ) -> None:
        """Open a projector on a device.

        Raises:
            EngineError: llama.cpp can't load it, or the device isn't there.
        """
        self._api = mtmd_cpp()
        self._should_stop: Stop = NEVER
        self._advance: Advance = UNWATCHED
        self._count: int | None = None
        self.steps = 0
        self._ended_by: BaseException | None = None
        self._look = EvalCallback(self._guarded)
        params = self._api.mtmd_context_params_default()
        params.use_gpu = device != CPU
        params.device = devices.handle(device) if device != CPU else None
        params.print_timings = False
        params.warmup = False
        params.n_threads = threads(options)
        params.media_marker = MARKER
        params.cb_eval = self._look
        self.device = device
        self._width = model.width
        self.side = image_size(read_header(path)) or 0
        self._context = self._api.mtmd_init_from_file(os.fsencode(path), model.handle, params)
        if not self._context:
            raise EngineError(
                f"llama.cpp can't load {path.name}.",
                f"{LOOK}; edge-med verify says whether the file is whole, and memory may be short.",
            )

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        if self._context:
            self._api.mtmd_free(self._context)
            self._context = None

    @property
    def tokens(self) -> int | None:
        """Rows that each image becomes; None before the first."""
        return self._count

    def encode(self, picture: Picture, stop: Stop = NEVER, advance: Advance = UNWATCHED) -> Floats:
        """The embeddings of a picture, F32 of shape (image tokens, width).

        Args:
            picture: a picture of exactly the projector's size, of which llama.cpp copies the pixels
                as they are.
            stop: called about twice in each layer; true ends the encoding.
            advance: called as often, with the number of nodes that are done.

        Raises:
            ImageError: the picture has another size: llama.cpp would resize it by its own rule.
            CancelledError: `stop` became true.
            EngineError: llama.cpp failed.
        """
        if picture.pixels.shape != (self.side, self.side, 3):
            raise ImageError(
                f"A picture has the shape {picture.pixels.shape}, and the projector sees "
                f"{self.side} x {self.side} pixels.",
                f"Open it with side={self.side}.",
            )
        self._should_stop, self._advance, self.steps, self._ended_by = stop, advance, 0, None
        chunks = self._chunks(picture)
        try:
            chunk = self._image_of(chunks)
            code = self._api.mtmd_encode_chunk(self._context, chunk)
            if self._ended_by:  # llama.cpp then calls what it has a success
                raise self._ended_by
            if code != 0:
                raise EngineError(f"llama.cpp can't encode the image (code {code}).", _SEE)
            self._count = count = int(self._api.mtmd_input_chunk_get_n_tokens(chunk))
            found = self._api.mtmd_get_output_embd(self._context)
            rows: Floats = np.ctypeslib.as_array(found, (count, self._width)).copy()
        finally:
            self._should_stop, self._advance = NEVER, UNWATCHED
            self._ended_by = None  # its traceback would hold the picture
            self._api.mtmd_input_chunks_free(chunks)
        return rows

    def _chunks(self, picture: Picture) -> Any:
        """The picture as llama.cpp's input; the caller frees it."""
        api = self._api
        pixels = np.ascontiguousarray(picture.pixels)
        height, width, _ = pixels.shape
        data = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        bitmap = api.mtmd_bitmap_init(width, height, data)
        chunks = api.mtmd_input_chunks_init()
        text = InputText(MARKER, len(MARKER), False, True)
        bitmaps = (ctypes.c_void_p * 1)(bitmap)
        code = api.mtmd_tokenize(self._context, chunks, ctypes.byref(text), bitmaps, 1)
        api.mtmd_bitmap_free(bitmap)
        if code != 0:
            api.mtmd_input_chunks_free(chunks)
            raise EngineError(f"llama.cpp can't prepare the image (code {code}).", _SEE)
        return chunks

    def _image_of(self, chunks: Any) -> Any:
        api = self._api
        every = [
            api.mtmd_input_chunks_get(chunks, index)
            for index in range(api.mtmd_input_chunks_size(chunks))
        ]
        images = [c for c in every if api.mtmd_input_chunk_get_type(c) == _IMAGE]
        if len(images) != 1:
            raise EngineError(f"llama.cpp made {len(images)} images out of one.", _SEE)
        return images[0]

    def _on_node(self, _tensor: object, ask: bool, _data: object) -> bool:  # noqa: FBT001
        """Called before a node, whether we want to look after it, and then after it.

        Whatever it raises after a node ends the encoding.
        """
        if ask:
            self.steps += 1
            return self.steps % _NODES_A_LOOK == 0
        self._advance(self.steps)
        if self._should_stop():
            raise CancelledError("Stopped while an image was encoded.", "Ask again.")
        return True

    def _guarded(self, tensor: object, ask: bool, data: object) -> bool:  # noqa: FBT001
        """`_on_node` for llama.cpp, which can't be raised through: what it raises is remembered."""
        if self._ended_by is not None:
            return ask
        try:
            return self._on_node(tensor, ask, data)
        except BaseException as error:  # noqa: BLE001 - raised again by `encode`
            self._ended_by = error
            return ask
