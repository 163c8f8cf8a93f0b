"""Commands about how answers are written, and what there is to know."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields

from edge_med.chat.chat_state import ChatState
from edge_med.config import LoadOptions
from edge_med.errors import UsageError
from edge_med.planner.memory_plan import MemoryPlan
from edge_med.units import show_size

PRESETS: Mapping[str, str] = {
    "assistant": "You are a helpful medical assistant.",
    "radiologist": "You are an expert radiologist.",
    "dermatologist": "You are an expert dermatologist.",
    "ophthalmologist": "You are an expert ophthalmologist.",
    "pathologist": "You are an expert pathologist.",
}
"""System texts by name, worded as in Google's notebooks for MedGemma:
`quick_start_with_hugging_face.ipynb` of google-health/medgemma has the first two and names the
specialities; the model card of MedGemma has the second."""

THINK = ("off", "auto", "on")

SET: Mapping[str, type[int] | type[float]] = {
    "max-new-tokens": int,
    "think-budget": int,
    "temperature": float,
    "top-k": int,
    "top-p": float,
    "min-p": float,
    "seed": int,
}
"""Flags that can be changed in a chat, and what their values are."""


EXAMPLES = {int: "64", float: "0.7"}

AT_THE_START: Mapping[str, str] = {
    **{f.name.replace("_", "-"): f.name.replace("_", "-") for f in fields(LoadOptions)},
    **{name: name for name in ("model", "fit", "stop")},
    "adapter": "adapter",
    "tensor-overrides": "tensor-override",
}
"""Settings that hold as long as the model is loaded, and their flags."""


def system(chat: ChatState, argument: str) -> None:
    """Show the system text, or change it to a preset's or another; `none` takes it out."""
    if not argument:
        lines = [f"{name:<16} {text}" for name, text in PRESETS.items()]
        chat.ui.say("\n".join([f"Now: {chat.system or 'no system text'}", *lines]))
        return
    text = None if argument == "none" else PRESETS.get(argument, argument)
    chat.conversation.instruct(text)
    chat.ui.notice(f"From the next question on: {text or 'no system text'}")


def think(chat: ChatState, argument: str) -> None:
    """Rule whether the model thinks first; `show` shows thoughts, or hides them again."""
    if argument == "show":
        chat.thoughts = not chat.thoughts
        chat.ui.notice(f"Thoughts are {'shown' if chat.thoughts else 'hidden'}.")
    elif argument in THINK:
        chat.set(think=argument)
        chat.ui.notice(f"Thinking: {argument}.")
    elif not argument:
        shown = "shown" if chat.thoughts else "hidden"
        chat.ui.say(f"Thinking is {chat.options.think}, and thoughts are {shown}.")
    else:
        raise UsageError(
            f"/think {argument} isn't known.",
            f"Use {', '.join(THINK)}; or show, to show or hide the thoughts.",
        )


def change(chat: ChatState, argument: str) -> None:
    """Change a flag of the answers to come; without one, show all."""
    name, *values = argument.removeprefix("--").split() or [""]
    if not argument:
        lines = [f"{flag:<16} {_value(chat, flag)}" for flag in SET]
        chat.ui.say("\n".join(lines))
        return
    name = name.lower().replace("_", "-")
    if name not in SET:
        raise _unknown(name, values)
    if len(values) != 1:
        raise UsageError(f"{name} takes one value.", f"As in: /set {name} {EXAMPLES[SET[name]]}")
    try:
        value = SET[name](values[0])
    except ValueError:
        kind = "a whole number" if SET[name] is int else "a number"
        raise UsageError(
            f"The value of {name} must be {kind}, not {values[0]}.",
            "Type /set alone to see all settings.",
        ) from None
    chat.set(**{_field(name): value})
    chat.ui.notice(f"From the next answer on: {name} {value}")


def _unknown(name: str, values: Sequence[str]) -> UsageError:
    """What to do about a name that `/set` hasn't got."""
    if name in AT_THE_START:
        flag = f"--{AT_THE_START[name]} {' '.join(values) or '…'}"
        return UsageError(
            f"{name} can be set only at the start of the chat.", f"As in: edge-med chat {flag}"
        )
    if name in ("think", "system"):
        return UsageError(f"{name} has a command of its own.", f"As in: /{name} {' '.join(values)}")
    close = difflib.get_close_matches(name, SET, 1)
    return UsageError(
        f"There is no setting {name}.",
        f"Did you mean {close[0]}?" if close else f"There are: {', '.join(SET)}",
    )


def _field(flag: str) -> str:
    return flag.replace("-", "_")


def _value(chat: ChatState, flag: str) -> object:
    value = getattr(chat.options, _field(flag))
    return "a new one each time" if value is None else value


def stats(chat: ChatState, _argument: str) -> None:
    """Show figures of the model and of the last answer."""
    chat.ui.say("\n".join(f"{name:<10} {value}" for name, value in _figures(chat)))


def _memory(plan: MemoryPlan) -> str:
    """What is taken from the start, and the budgets that turns and images fill."""
    taken = f"{show_size(plan.total - plan.cache_budget)} planned"
    return (
        f"{taken}, and up to {show_size(plan.cache_budget)} for earlier states and images"
        if plan.cache_budget
        else taken
    )


def _figures(chat: ChatState) -> list[tuple[str, str]]:
    info = chat.model.info
    figures = [
        ("model", f"{info.model.file}, {info.model.quant}"),
        ("memory", _memory(info.plan)),
        ("device", info.device),
        ("CPU code", info.cpu_code),
        ("context", f"{chat.used()} of {info.options.context} tokens"),
        ("images", f"{len(list(chat.pictures))} in the conversation"),
    ]
    if chat.last is None:
        return figures
    usage, timings = chat.last.usage, chat.last.timings
    return [
        *figures,
        ("prompt", f"{usage.prompt} tokens, {usage.cached} of them reused"),
        ("answer", f"{usage.answer} tokens, and {usage.thought} of the thought"),
        ("speed", f"{timings.tokens_per_second:.1f} tokens a second"),
        ("seeing", f"{timings.encode:.1f} s"),
        ("reading", f"{timings.read:.1f} s"),
        ("writing", f"{timings.decode:.1f} s"),
        ("ended", chat.last.finish_reason),
    ]
