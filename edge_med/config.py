"""Options of a user: of the load of a model, and of an answer."""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypedDict, get_args

from edge_med import class_schemas
from edge_med.errors import UsageError

Fit = Literal["pad", "stretch"]
KV = Literal["f16", "q8_0"]
GpuLayers = int | Literal["auto"]
MemoryRule = Literal["plan", "warn", "ignore"]
Isolation = Literal["process", "thread"]
Think = Literal["off", "auto", "on"]

LONGEST_ANSWER = 8192
"""Tokens that MedGemma may write (model card); a prompt may have 131,072."""

LONGEST_CONTEXT = 131_072 + LONGEST_ANSWER

MOST_THREADS = 512
"""GGML_MAX_N_THREADS (ggml.h): llama.cpp aborts the process for more."""

MOST_PARALLEL = 256
"""LLAMA_MAX_SEQ (llama-cparams.h): llama.cpp makes no context for more."""

MOST_LAYERS = 10_000
"""As many as a tensor's name can count (hparams.py), and the output head."""

ANSWER_SHARE = 4
"""A quarter of the context is left for an answer, or its largest length if that's less, whatever a
thought or the earlier turns of a chat take."""

LARGEST_PART = 1e9
"""Of a split between devices: far beyond any use, and a number of bytes will do."""

LARGEST_SCALE = 1000.0
"""Of an adapter, up or down: far beyond any use, and too small to make numbers overflow."""


class LoadArguments(TypedDict, total=False):
    """Keyword arguments of a load (PEP 692), as `LoadOptions` has them by name."""

    context: int
    kv: KV
    threads: int | None
    device: str
    gpu_layers: GpuLayers
    tensor_split: Sequence[float]
    tensor_overrides: Sequence[str]
    projector_device: str
    parallel: int
    memory: MemoryRule
    isolation: Isolation
    python: str | None
    mmap: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Options of a load.

    Attributes:
        context: largest number of tokens of prompt and answer together.
        kv: type of the KV cache.
        threads: number of compute threads; by default the number of usable performance cores.
        device: device that computes: `auto`, `cpu` or a device's name.
        gpu_layers: number of layers on devices; the output head is one; `auto` for as many as fit.
        tensor_split: proportions in which the devices share these layers, in their order; if empty,
            the devices are filled one after the other.
        tensor_overrides: REGEX=DEVICE each: matrices of layers whose names match go to a device, or
            to `cpu`, wherever their layer is; the first that matches decides.
        projector_device: device of the projector, likewise.
        parallel: number of sequences that share the cache; each needs its own window cells.
        memory: rule for a plan that is larger than the free memory: `plan` refuses, `warn` says
            so in the log, `ignore` loads.
        isolation: place of llama.cpp: a `process` of its own, so that no fault in it ends the
            program, or in a `thread` of the program.
        python: interpreter of that process; by default this one, or that of EDGE_MED_PYTHON.
        mmap: whether the weights stay in the file, which must not change then, and are read from it
            as they are needed; else they are copied into memory first.
        batch: number of tokens that are read at once; an image block must fit into one batch.
        outputs: largest number of rows of logits of a batch; each takes 1 MB with Gemma.
        checkpoint_bytes: memory for window checkpoints, so that an earlier turn can be taken back.
        embedding_bytes: memory for embeddings of images that were seen.
        copies: ggml's buffer types that the CPU's weights may be copied into, such as AMX and
            CPU_REPACK; if None those that were found to be sound on this machine.
    """

    context: int = 8192
    kv: KV = "f16"
    threads: int | None = None
    device: str = "auto"
    gpu_layers: GpuLayers = "auto"
    tensor_split: Sequence[float] = ()
    tensor_overrides: Sequence[str] = ()
    projector_device: str = "auto"
    parallel: int = 1
    memory: MemoryRule = "plan"
    isolation: Isolation = "process"
    python: str | None = None
    mmap: bool = True
    batch: int = 512
    outputs: int = 32
    checkpoint_bytes: int = 512 << 20
    embedding_bytes: int = 256 << 20
    copies: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.kv not in ("f16", "q8_0"):
            raise UsageError(f"'{self.kv}' isn't a type of KV cache.", "Use f16 or q8_0.")
        if self.isolation not in ("process", "thread"):
            raise UsageError(f"'{self.isolation}' isn't an isolation.", "Use process or thread.")
        if self.memory not in get_args(MemoryRule):
            raise UsageError(f"memory is {self.memory!r}.", "Use plan, warn or ignore.")
        if not isinstance(self.mmap, bool):
            raise UsageError(f"mmap is {self.mmap!r}.", "Use True or False.")
        for name, (low, high) in _LOAD_RANGES.items():
            _within(name, getattr(self, name), low, high, whole=True)
        if self.gpu_layers != "auto":
            _within("gpu_layers", self.gpu_layers, 0, MOST_LAYERS, whole=True)
        object.__setattr__(self, "tensor_split", _split(self.tensor_split))
        object.__setattr__(self, "tensor_overrides", _overrides(self.tensor_overrides))
        if self.threads is not None:
            _within("threads", self.threads, 1, MOST_THREADS, whole=True)

    @property
    def overrides(self) -> tuple[tuple[str, str], ...]:
        """Pattern and device of each of `tensor_overrides`."""
        parts = (text.rpartition("=") for text in self.tensor_overrides)
        return tuple((pattern, device) for pattern, _, device in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of one answer, which is greedy by default.

    Attributes:
        max_new_tokens: largest number of tokens of an answer; a thought before it doesn't count.
        think: whether the model may think before it answers: `off` forbids it, `auto` leaves it to
            the model, `on` asks for it.
        think_budget: largest number of tokens of a thought; after it the answer follows.
        temperature: divisor of the logits; 0 takes the most probable token each time.
        top_k: number of the most probable tokens that are sampled from; 0 for all.
        top_p: probability that the sampled tokens, the most probable ones, have together.
        min_p: least probability of a sampled token, as a part of the most probable one's.
        seed: seed of the sampling; if None a new one, which is in `provenance.seed`.
        stop: texts that end the answer, and aren't part of it; a single text is allowed.
        stop_ids: ids of tokens that end the answer, besides the model's own.
        logit_bias: numbers that are added to the logits of tokens; -inf bans a token.
        logprobs: number of the best tokens of each position that are returned; 0 for none.
        stop_loops: whether an answer that repeats itself is ended.
        schema: JSON schema that the answer fits: a mapping, JSON, or a class that has one, such as
            pydantic's or a dataclass, which becomes a mapping; the prompt shows it to the model,
            and `Answer.parsed` has the value.
        grammar: GBNF grammar that the answer fits, with a rule `root`; not with a schema.
        fit: way in which images are fitted to the model's square.
        adapters: scales of the loaded adapters that are applied, by name.
    """

    max_new_tokens: int = 1024
    think: Think = "auto"
    think_budget: int = 1024
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int | None = None
    stop: str | Sequence[str] = ()
    stop_ids: Sequence[int] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict, hash=False)
    logprobs: int = 0
    stop_loops: bool = True
    schema: Any = field(default=None, hash=False)
    grammar: str | None = None
    fit: Fit = "pad"
    adapters: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = _within(name, getattr(self, name), low, high, whole=name in _WHOLE)
            object.__setattr__(self, name, value)
        if not (self.seed is None or is_whole(self.seed)):
            raise UsageError("A seed is a whole number.", "Give one, or None for a fresh one.")
        object.__setattr__(self, "stop", _texts(self.stop))
        if self.fit not in ("pad", "stretch"):
            raise UsageError(f"'{self.fit}' isn't a fit.", "Use pad or stretch.")
        if self.think not in ("off", "auto", "on"):
            raise UsageError(f"think is '{self.think}'.", "Use off, auto or on.")
        if "" in self.stop:
            raise UsageError("An empty text can't end an answer.", "Leave it out of stop.")
        _check_kinds(self)
        object.__setattr__(self, "schema", class_schemas.as_given(self.schema))
        object.__setattr__(self, "stop_ids", tuple(map(operator.index, self.stop_ids)))
        for name, scale in self.adapters.items():
            _within(f"The scale of the adapter {name}", scale, -LARGEST_SCALE, LARGEST_SCALE)
        if self.schema is not None and self.grammar is not None:
            raise UsageError(
                "An answer can't have a schema and a grammar.",
                "Give `schema` or `grammar`, not both.",
            )


_RANGES: dict[str, tuple[float, float]] = {
    "max_new_tokens": (1, LONGEST_ANSWER),
    "think_budget": (0, LONGEST_ANSWER),
    "temperature": (0.0, 100.0),
    "top_k": (0, 1 << 20),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "logprobs": (0, 1000),
}


_WHOLE = {"max_new_tokens", "think_budget", "top_k", "logprobs"}

_LOAD_RANGES = {
    "context": (16, LONGEST_CONTEXT),
    "parallel": (1, MOST_PARALLEL),
    "batch": (16, 4096),
    "outputs": (1, 4096),
    "checkpoint_bytes": (0, 1 << 62),
    "embedding_bytes": (0, 1 << 62),
}


def _check_kinds(options: Options) -> None:
    if not isinstance(options.adapters, Mapping):
        raise UsageError(
            "`adapters` isn't a mapping of names to scales.", 'Give adapters={"chest": 1.0}.'
        )
    bias: object = options.logit_bias
    if not isinstance(bias, Mapping) or not all(
        is_whole(id) and isinstance(value, SupportsFloat) for id, value in bias.items()
    ):
        raise UsageError(
            "`logit_bias` isn't a mapping of token ids to numbers.", "Give logit_bias={1: -1.0}."
        )
    if not (options.grammar is None or isinstance(options.grammar, str)):
        raise UsageError("A grammar is a text of GBNF.", "Give one with the rule root.")
    ids: object = options.stop_ids
    if not isinstance(ids, Collection) or not all(is_whole(id) and id >= 0 for id in ids):
        raise UsageError("`stop_ids` has a value that is no token id.", "Give stop_ids=(1, 106).")


def _within(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> float:
    """A number as Python's own type: JSON doesn't know NumPy's."""
    number = is_whole(value) or (isinstance(value, Real) and not isinstance(value, bool | int))
    if not number or (whole and not is_whole(value)) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{name} is {value!r}.", f"It is {kind} from {low:g} to {high:g}.")
    return operator.index(value) if is_whole(value) else float(value)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, and not true or false."""
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)


def _split(parts: object) -> tuple[float, ...]:
    split = tuple(parts) if isinstance(parts, Sequence) and not isinstance(parts, str) else None
    if split is not None:
        for part in split:
            _within("A part of tensor_split", part, 0, LARGEST_PART)
        if not split or any(split):
            return split
    raise UsageError("`tensor_split` isn't a list of proportions.", "Give one such as (3, 1).")


def _overrides(given: object) -> tuple[str, ...]:
    overrides = _texts(given, "tensor_overrides")
    for text in overrides:
        pattern, _, device = text.rpartition("=")
        try:
            re.compile(pattern)
        except re.error:
            pattern = ""
        if not pattern or not device:
            raise UsageError(f"'{text}' isn't REGEX=DEVICE.", r"Example: blk\.\d+\.ffn_.*=cpu")
    return overrides


def _texts(stop: object, name: str = "stop") -> tuple[str, ...]:
    texts = (stop,) if isinstance(stop, str) else stop
    if isinstance(texts, Sequence) and all(isinstance(text, str) for text in texts):
        return tuple(texts)
    raise UsageError(f"`{name}` isn't a list of texts.", f"Give texts: {name}=('.', ';').")


LOAD_DEFAULTS: Mapping[str, Any] = {
    name: getattr(LoadOptions(), name) for name in LoadArguments.__annotations__
}
"""Defaults of the keyword arguments of `MedGemma.load`."""
