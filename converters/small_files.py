"""The small files that come with the weights: what a conversion needs of them, and their paths.

Whoever merges a fine-tune and saves it leaves some of them behind. All that are missing are named
at once, and another folder, that of the base model, can supply them: a need that the checkpoint
itself meets is never met from there, so that nothing of two tokenizers is mixed.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.findings import listed
from edge_med.artifacts.json_file import read_json
from edge_med.artifacts.manifest import Finding
from edge_med.errors import CheckpointError, UsageError

PATTERNS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "model.safetensors.index.json",
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "added_tokens.json",
    "chat_template.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
    "README.md",
)
"""The small files that are read; other files have no part in the result."""

TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
_TOKENIZER_CONFIG = "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a conversion needs: one of the first files meets it, all come along."""

    what: str
    one_of: tuple[str, ...]
    with_it: tuple[str, ...] = ()


PROCESSOR = Need(
    "the image processor's settings (preprocessor_config.json or processor_config.json)",
    ("preprocessor_config.json", "processor_config.json"),
)
TOKENIZER = Need(
    "the tokenizer (tokenizer.json or tokenizer.model)",
    ("tokenizer.model", "tokenizer.json"),
    (_TOKENIZER_CONFIG, "added_tokens.json"),
)


@dataclass(frozen=True, slots=True)
class SmallFiles:
    """Where each small file is, by the name that the checkpoint would have it under.

    Attributes:
        folder: folder of the checkpoint.
        elsewhere: files from another folder, with the folder's name in the records: `base` or
            `adapter`. What isn't there either has no part in the result.
        template: the chat template of another folder, where the checkpoint's doesn't count.
    """

    folder: Path
    elsewhere: Mapping[str, tuple[str, Path]] = field(default_factory=dict)
    template: str | None = None

    def path(self, name: str) -> Path:
        """Where a file is, or would be."""
        return self.elsewhere[name][1] if name in self.elsewhere else self.folder / name

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file, or an empty dict if it isn't there."""
        path = self.path(name)
        return read_json(path) if path.is_file() else {}

    def all(self) -> dict[str, Path]:
        """Every file that shapes the result, by the name that the records have."""
        own = {path for pattern in PATTERNS for path in self.folder.glob(pattern)}
        found = {p.relative_to(self.folder).as_posix(): p for p in sorted(own) if p.is_file()}
        other = {f"{of}/{name}": path for name, (of, path) in self.elsewhere.items()}
        mine = {name: path for name, path in found.items() if name not in self.elsewhere}
        return mine | {name: path for name, path in other.items() if path.is_file()}

    @contextlib.contextmanager
    def together(self) -> Iterator[Path]:
        """A folder with all of them in plain UTF-8, for those who read several by themselves.

        Where it isn't the checkpoint's, it lacks chat_template.jinja, which we read ourselves.
        """
        names = {*self.elsewhere, *TOKENIZER.one_of, *TOKENIZER.with_it, "config.json"}
        names = (names | {TEMPLATE_FILES[1]}) - {TEMPLATE_FILES[0]}
        if not self.elsewhere and not any(is_marked(self.path(name)) for name in names):
            yield self.folder
            return
        with tempfile.TemporaryDirectory() as made:
            for name in names:
                if is_marked(path := self.path(name)):
                    (Path(made) / name).write_text(json.dumps(read_json(path)), "utf-8")
                elif path.is_file():
                    shutil.copyfile(path, Path(made) / name)
            yield Path(made)


def gather(
    folder: Path, base: Path | None, *, sees: bool
) -> tuple[SmallFiles, tuple[Finding, ...]]:
    """The small files of a checkpoint, those of its base where it has none itself.

    Args:
        folder: the checkpoint's.
        base: a folder that supplies what is missing.
        sees: whether an image processor is needed.

    Raises:
        UsageError: the base's folder isn't there.
        CheckpointError: something is missing; all of it is named at once.
    """
    if base is not None and not base.is_dir():
        raise UsageError(f"There is no folder {base}.", "Give --base the base model's folder.")
    missing, borrowed = [], []
    for need in (PROCESSOR, TOKENIZER) if sees else (TOKENIZER,):
        if _meets(folder, need):
            continue
        if base is None or not _meets(base, need):
            missing.append(need.what)
        else:
            wanted = (*need.one_of, *need.with_it)
            borrowed += [n for n in wanted if (base / n).is_file() and not (folder / n).is_file()]
    own = chat_template(SmallFiles(folder))
    template = chat_template(SmallFiles(base)) if base and own is None else None
    if missing:
        _refuse(folder, base, missing if own or template else [*missing, "the chat template"])
    if template is not None and base is not None:
        borrowed += [n for n in TEMPLATE_FILES if (base / n).is_file()][:1]
    supplied = {name: ("base", base / name) for name in borrowed} if base else {}
    files = SmallFiles(folder, supplied, template)
    return files, (*_warnings_of(base, borrowed, template), *_template_warnings(files))


def chat_template(files: SmallFiles) -> str | None:
    """The chat template that counts: the first of those that are there."""
    return next(iter(_templates(files).values()), None)


def _templates(files: SmallFiles) -> dict[str, str]:
    """Chat templates by their files, in transformers' order: what it saves today comes first."""
    found: dict[str, str] = {}
    if (path := files.path(TEMPLATE_FILES[0])).is_file():
        found[path.name] = path.read_text("utf-8-sig", "replace")
    for name in (TEMPLATE_FILES[1], _TOKENIZER_CONFIG):
        template = files.json(name).get("chat_template")
        template = default(template) if isinstance(template, list) else template
        if isinstance(template, str):
            found[name] = template
    return found


def _template_warnings(files: SmallFiles) -> tuple[Finding, ...]:
    """Which of several chat templates counts, where they aren't the same."""
    (first, taken), *others = [*_templates(files).items()] or [("", "")]
    differ = [name for name, text in others if text.strip() != taken.strip()]
    if not differ:
        return ()
    text = f"The chat template in {first} counts; in {listed(differ)} stands another."
    return (Finding("templates", text),)


def is_marked(path: Path) -> bool:
    """Whether a file begins with a byte-order mark, as some editors on Windows write it."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(3).startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _meets(folder: Path, need: Need) -> bool:
    return any((folder / name).is_file() for name in need.one_of)


def default(templates: list[Any]) -> str | None:
    """Of several, that which is called so."""
    named = {t.get("name"): t.get("template") for t in templates if isinstance(t, Mapping)}
    found = named.get("default")
    return found if isinstance(found, str) else None


def _refuse(folder: Path, base: Path | None, missing: list[str]) -> None:
    where = f" and {base.resolve().name} have" if base else " has"
    raise CheckpointError(
        f"{folder.resolve().name}{where} not all small files that a conversion needs. Missing: "
        f"{'; '.join(missing)}.",
        "A fine-tune has these from its base model: --base FOLDER takes them from there, or copy "
        "them into the folder of the weights.",
    )


def _warnings_of(
    base: Path | None, borrowed: list[str], template: str | None
) -> tuple[Finding, ...]:
    if base is None:
        return ()
    names = [*borrowed]
    if template is not None and not {*TEMPLATE_FILES, _TOKENIZER_CONFIG} & set(borrowed):
        names.append("the chat template")
    text = (
        f"{base.resolve().name} supplied: {listed(names, 9)}."
        if names
        else (f"{base.resolve().name} supplied nothing: the checkpoint has all that is needed.")
    )
    return (Finding("base", text),)
