"""Records of answers: model, options and date of each answer in a conversation's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from edge_med.answers import Answer, Notice
from edge_med.plain_json import plain

SETTINGS = (
    *("temperature", "top_k", "top_p", "min_p", "think", "think_budget", "max_new_tokens"),
    "fit",
)
"""Options that are recorded of each answer; the seed is that of its tokens."""


@dataclass(frozen=True, slots=True)
class Record:
    """The record of an answer.

    Attributes:
        date: time of the answer: ISO 8601 with the difference from UTC.
        model: name of the text model's file.
        model_sha256: hash of that file; None without a manifest.
        projector_sha256: hash of the projector's file likewise.
        quant: quant of the text model.
        adapters: names of those that were applied, with their scales.
        device: device that computed.
        settings: options of the answer by their names, and its seed.
        finish_reason: why it ended.
        versions: versions of edge_med and llama_cpp.
        notices: notices of the answer.
    """

    date: str
    model: str
    model_sha256: str | None
    projector_sha256: str | None
    quant: str
    adapters: tuple[str, ...]
    device: str
    settings: Mapping[str, Any]
    finish_reason: str
    versions: Mapping[str, str]
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """The record of an answer."""
        came = answer.provenance
        return cls(
            date=came.date,
            model=came.model,
            model_sha256=came.model_sha256,
            projector_sha256=came.projector_sha256,
            quant=came.quant,
            adapters=tuple(f"{one.name} x {one.scale:g}" for one in came.adapters),
            device=came.device,
            settings={name: getattr(came.options, name) for name in SETTINGS} | {"seed": came.seed},
            finish_reason=answer.finish_reason,
            versions=dict(came.versions),
            notices=answer.notices,
        )

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` made; a field that is missing is empty.

        Raises:
            ValueError, TypeError, AttributeError: it is something else.
        """
        texts: dict[str, Any] = {
            field.name: None if data.get(field.name) is None else str(data[field.name])
            for field in fields(cls)
            if field.name not in ("adapters", "settings", "versions", "notices")
        }
        return cls(
            **texts,
            adapters=tuple(map(str, data.get("adapters", ()))),
            settings=dict(data.get("settings", {})),
            versions={str(k): str(v) for k, v in data.get("versions", {}).items()},
            notices=tuple(
                Notice(str(one["code"]), str(one["text"])) for one in data.get("notices", ())
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found: dict[str, Any] = plain(self)
        return found

    def lines(self) -> Iterator[str]:
        """The same for people, without its date and its notices."""
        yield f"model: {self.model}, {self.quant}, SHA-256 {self.model_sha256 or 'not known'}"
        if self.projector_sha256:
            yield f"projector: SHA-256 {self.projector_sha256}"
        if self.adapters:
            yield f"adapters: {', '.join(self.adapters)}"
        versions = [f"{name.replace('_', '-')} {of}" for name, of in self.versions.items()]
        yield f"by: {', '.join([*versions, self.device])}"
        settings = [f"{n.replace('_', '-')} {v}" for n, v in self.settings.items() if v is not None]
        yield f"settings: {', '.join(settings)}"


Records = Sequence[Record | None]
"""Records of a conversation's answers, in order; None for an answer without one."""


IMAGE_DROPPED = Notice(
    "image_dropped", "The model saw an image for this answer that was removed afterwards."
)


def with_notice_from(records: Records, first: int, notice: Notice) -> tuple[Record | None, ...]:
    """Records with another notice from one answer on, which each has only once."""
    return tuple(
        replace(record, notices=(*record.notices, notice))
        if record and number >= first and notice not in record.notices
        else record
        for number, record in enumerate(records)
    )


def grouped(records: Records) -> list[tuple[Record | None, list[int]]]:
    """Records without their dates, each with the numbers from 1 on of its answers."""
    found: dict[str, tuple[Record | None, list[int]]] = {}
    for number, record in enumerate(records, 1):
        same = record and replace(record, date="", finish_reason="", notices=())
        found.setdefault(repr(same), (same, []))[1].append(number)
    return list(found.values())
