"""Lines that are edited in a terminal: keys, completion, and a line of figures below."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent

from edge_med.artifacts.safe_text import safe_line
from edge_med.chat.commands.command_table import BY_NAME

OTHERS = frozenset(
    (
        *(".txt", ".md", ".text", ".json", ".csv", ".xml", ".html", ".pdf", ".doc", ".docx"),
        *(".py", ".toml", ".log", ".gguf", ".safetensors"),
    )
)
"""Endings of files that are no images; DICOM's often have none, or a number."""

MENU = 4
"""Lines that are kept free for completions; prompt_toolkit keeps 8, a third of a small terminal."""


class CommandCompleter(Completer):
    """Completes commands, and what follows them: words or paths."""

    def __init__(self) -> None:
        """For the commands of the chat."""
        self._paths = PathCompleter(expanduser=True)
        self._images = PathCompleter(expanduser=True, file_filter=_may_be_image)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """Completions of the text before the cursor."""
        text = document.text_before_cursor
        if not text.startswith("/"):
            return
        name, blank, argument = text[1:].partition(" ")
        if not blank:
            yield from _names(name)
        elif (command := BY_NAME.get(name)) and command.completes == "path":
            paths = self._images if name == "image" else self._paths
            yield from self._files(paths, argument, event)
        elif command:
            yield from _words(argument, command.completes)

    def _files(
        self, paths: PathCompleter, argument: str, event: CompleteEvent
    ) -> Iterator[Completion]:
        """Paths may have blanks: the whole argument is tried before its last word."""
        for part in dict.fromkeys((argument, argument.rpartition(" ")[2])):
            found = list(paths.get_completions(Document(part), event))
            if found:
                yield from (_shown_safely(one) for one in found)
                return


def _may_be_image(path: str) -> bool:
    """Folders, and files whose names don't say that they are something else."""
    return Path(path).is_dir() or Path(path).suffix.lower() not in OTHERS


def _names(start: str) -> Iterator[Completion]:
    for name, command in BY_NAME.items():
        if name.startswith(start):
            yield Completion(name, -len(start), display=f"/{name}", display_meta=command.help)


def _words(start: str, words: str | tuple[str, ...]) -> Iterator[Completion]:
    yield from (Completion(word, -len(start)) for word in words if word.startswith(start))


def _shown_safely(path: Completion) -> Completion:
    name = safe_line(path.display_text)
    return Completion(path.text, path.start_position, display=name)


def keys() -> KeyBindings:
    """Enter sends; Alt-Enter and Ctrl-J begin a new line."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("c-j")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def session(**settings: Any) -> PromptSession[str]:
    """What reads lines; they are remembered as long as it is there, and nowhere on the disk."""
    return PromptSession(
        completer=CommandCompleter(),
        complete_while_typing=True,
        complete_in_thread=True,
        key_bindings=keys(),
        multiline=True,
        prompt_continuation="… ",
        reserve_space_for_menu=MENU,
        **settings,
    )
