"""Answers as they are written: `TextStreamer` prints them, `TextIteratorStreamer` hands them on.

The calls are those of transformers (generation/streamers.py). Texts come whole: what ends within a
character of several tokens waits for the rest of it.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_med.compat.tensors import as_lists
from edge_med.errors import PromptError

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class TextStreamer:
    """Prints a prompt and its answer; another subclass may do something else with the texts."""

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any) -> None:  # noqa: FBT001, FBT002 - as transformers has it
        """`decode_kwargs` are those of the tokenizer's `decode`, such as `skip_special_tokens`."""
        self.tokenizer, self.skip_prompt, self.decode_kwargs = tokenizer, skip_prompt, decode_kwargs
        self._prompt_comes, self._waiting = True, list[int]()

    def put(self, value: Any) -> None:
        """Take the ids of the prompt, then those of each token.

        Raises:
            PromptError: they are of several prompts.
        """
        ids = as_lists(value)
        rows = ids if isinstance(ids, list) else [ids]
        if rows and isinstance(rows[0], list):
            if len(rows) > 1:
                raise PromptError("A streamer takes one prompt at a time.", "Give them one by one.")
            rows = rows[0]
        is_prompt, self._prompt_comes = self._prompt_comes, False
        if is_prompt and self.skip_prompt:
            return
        self._waiting += rows
        text = self._text()
        if not text.endswith(_UNFINISHED):
            self._waiting.clear()
            self.on_finalized_text(text)

    def end(self) -> None:
        """The answer is over; what waited comes as it is."""
        text = self._text()
        self._waiting.clear()
        self._prompt_comes = True
        self.on_finalized_text(text, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: FBT001, FBT002 - as transformers has it
        """What is done with a text that won't change any more."""
        sys.stdout.write(f"{text}\n" if stream_end else text)
        sys.stdout.flush()

    def _text(self) -> str:
        if not self._waiting:
            return ""
        return str(self.tokenizer.decode(self._waiting, **self.decode_kwargs))


class TextIteratorStreamer(TextStreamer):
    """Hands texts on to whoever iterates over it, while `generate` runs in another thread.

    Unlike transformers', it ends with the error of a `generate` that failed, instead of waiting.
    """

    def __init__(
        self,
        tokenizer: Any,
        skip_prompt: bool = False,  # noqa: FBT001, FBT002 - as transformers has it
        timeout: float | None = None,
        **decode_kwargs: Any,
    ) -> None:
        """`timeout` in seconds is how long one text is waited for; then `queue.Empty` is raised."""
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.timeout = timeout
        self._failed: BaseException | None = None
        self._texts: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: FBT001, FBT002 - as transformers has it
        """Put a text into the queue."""
        self._texts.put(text)
        if stream_end:
            self._texts.put(None)

    def fail(self, error: BaseException) -> None:
        """Let whoever reads know why no more comes; once, however many calls it passes through."""
        if error is not self._failed:
            self._failed = error
            self._waiting.clear()
            self._prompt_comes = True
            self._texts.put(error)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        found = self._texts.get(timeout=self.timeout)
        if isinstance(found, BaseException):
            raise found
        if found is None:
            raise StopIteration
        return found


@contextmanager
def failure_reported(streamer: Any) -> Iterator[None]:
    """Report an error to a streamer of ours, since its reader waits in another thread."""
    try:
        yield
    except BaseException as error:
        if isinstance(streamer, TextIteratorStreamer):
            streamer.fail(error)
        raise
