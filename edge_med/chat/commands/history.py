"""Commands about what was asked and answered."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_med.chat import input_lines, respond, stray_commands
from edge_med.chat.chat_state import ChatState, counted
from edge_med.chat.commands import saving
from edge_med.errors import UsageError
from edge_med.messages import Message

SHORT = 60
"""Characters of a question in a list."""


def regenerate(chat: ChatState, _argument: str) -> None:
    """Answer the last question again, or repeat the request that failed."""
    retry = chat.retry or (lambda: _regenerate(chat))
    retry()


def _regenerate(chat: ChatState) -> None:
    with respond.retryable(chat, lambda: _regenerate(chat)):
        stream = chat.conversation.stream_regenerate(options=chat.options)
        if _would_be_the_same(chat):
            chat.ui.notice("At temperature 0 the same question has the same answer (/set).")
        respond.respond(chat, chat.conversation.messages[:-1], lambda: stream)


def edit(chat: ChatState, argument: str) -> None:
    """Change a question: by the text after its number, or in the line that is shown."""
    number, typed = _numbered(chat, argument)
    question, *later = chat.questions[number - 1 :]
    typed = typed or chat.ui.read(f"{number}> ", text=chat.typed_text(question)) or ""
    if not typed.strip():
        chat.ui.notice("Nothing was changed.")
        return
    text = stray_commands.replacement(typed)
    if not typed.startswith("//"):
        input_lines.refuse_names(text)
    if attached := chat.attached_text.get(question.question):  # texts of /file stay, as images do
        text = attached + text
        chat.attached_text[text] = attached
    with respond.retryable(chat, lambda: edit(chat, f"{number} {typed}")):
        _ask_edited(chat, number, text)
    if later and len(chat.questions) == number:
        some = f"{len(later)} later questions are" if len(later) > 1 else "A later question is"
        chat.ui.notice(f"{some} removed, with {_attachments_of(chat, later)}.")


def _ask_edited(chat: ChatState, number: int, text: str) -> None:
    turns = chat.conversation.edited(number - 1, text)
    if waited := chat.sent.get(chat.questions[number - 1]):
        chat.sent[turns[-1]] = waited
    system = [message for message in chat.conversation.messages if message.role == "system"]
    stream = chat.conversation.stream_edit(number - 1, text, options=chat.options)
    respond.respond(chat, [*system, *turns], lambda: stream)


def undo(chat: ChatState, _argument: str) -> None:
    """Take the last question and its answer back; what went with it waits for the next one."""
    if chat.retry:
        chat.retry = None
        chat.ui.notice("The question without an answer is removed.")
        return
    last = chat.questions[-1:]
    chat.conversation.undo()
    (question,) = last
    chat.reattach(question)
    pending = chat.pending
    rest = f" {pending.phrase()} attached to the next question." if pending else ""
    chat.ui.notice(f"Question {len(chat.questions) + 1} is removed, with its answer.{rest}")


def clear(chat: ChatState, _argument: str) -> None:
    """Begin an empty conversation."""
    chat.begin_anew()
    saving.start_new_file(chat)
    chat.ui.notice("New conversation. The system text and the settings are the same.")


def leave(chat: ChatState, _argument: str) -> None:
    """End the chat."""
    chat.leaving = True


def _would_be_the_same(chat: ChatState) -> bool:
    """Whether the last answer is whole, sampling is off, and nothing has changed since."""
    last, sampled = chat.last, chat.options.temperature > 0
    if last is None or last.finish_reason == "cancelled" or sampled:
        return False
    return last.provenance.options == chat.options and chat.seen == chat.conversation.messages


def _numbered(chat: ChatState, argument: str) -> tuple[int, str]:
    """The number of a question, and the text after it."""
    found = re.match(r"(\d{1,6})(?:\s+|$)(.*)", argument, re.DOTALL)
    if not found or not 1 <= int(found[1]) <= len(chat.questions):
        listed = [f"{n}. {_short(chat.typed_text(m))}" for n, m in enumerate(chat.questions, 1)]
        raise UsageError(
            "There is no question with that number.",
            f"Give one of these: {'; '.join(listed)}" if listed else "Ask something first.",
        )
    return int(found[1]), found[2]


def _attachments_of(chat: ChatState, questions: Sequence[Message]) -> str:
    """The answers and attachments of questions."""
    images = sum(len(question.pictures) for question in questions)
    texts = sum(question.question in chat.attached_text for question in questions)
    more = _counted(images, texts)
    return " and ".join(["their answers" if len(questions) > 1 else "its answer", *more])


def _counted(images: int, texts: int) -> list[str]:
    return [counted(n, name) for n, name in ((images, "image"), (texts, "text")) if n]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[:SHORT]}…"
