"""The list of all errors in docs/reference/errors.md, out of the sources.

Each place in edge_med/ and converters/ that makes an error of ours is one row: its message, which
is the cause, and its hint, which is the cure. What a message is filled with when it is raised is
`…` there. A message that is made somewhere else as a whole has no row.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from inspect import getdoc
from pathlib import Path

from devtools.pages.page import ROOT, cell
from edge_med import errors

PACKAGES = ("edge_med", "converters")
FILLED = "…"
"""Stands for what is only known when the error is raised."""

EMPTY = f"{FILLED} .:"
"""What a text consists of that says nothing."""

UNKNOWN = "(It depends on what was found.)"
"""Stands for a hint that is made somewhere else."""

OURS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.EdgeMedError)
}


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """An error that can be raised.

    Attributes:
        kind: name of its class.
        message: what it says.
        hint: what it says to do; empty if it is made somewhere else.
    """

    kind: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names of a module get their values.

    Attributes:
        values: expressions by name.
        imported: module and name there, by the name here.
        outer: the scope around it; None for a module.
    """

    values: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    outer: Scope | None = None


def listed() -> str:
    """The list as Markdown: a heading and a table for each kind of error."""
    rows = sorted({row for path in sources() for row in found(path)})
    parts = []
    for name, kind in OURS.items():
        mine = [row for row in rows if row.kind == name]
        about = (getdoc(kind) or "").partition("\n")[0]
        parts.append(f"## {name}\n\n{about} Exit code {kind.exit_code}.\n")
        if mine:
            lines = [f"| {cell(row.message)} | {cell(row.hint) or UNKNOWN} |" for row in mine]
            parts.append("\n".join(["| message | cure |", "|---|---|", *lines]) + "\n")
    return "\n".join(parts)


def sources() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def found(path: Path) -> Iterator[Row]:
    """The errors that a module makes."""
    yield from _walked(ast.parse(path.read_text("utf-8")), module_scope(path))


def _walked(node: ast.AST, scope: Scope) -> Iterator[Row]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = _scope_of(child, scope)
        if isinstance(child, ast.Call) and (row := _row(child, scope)):
            yield row
        yield from _walked(child, inner)


def _row(call: ast.Call, scope: Scope) -> Row | None:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name not in OURS or not call.args:
        return None
    message, *rest = (said(part, scope) for part in call.args[:2])
    hint = rest[0] if rest else ""
    return Row(name, message, hint if hint.strip(EMPTY) else "") if message.strip(EMPTY) else None


def said(node: ast.expr, scope: Scope | None, depth: int = 8) -> str:
    """An expression's text, as far as the sources say it."""

    def inner(part: ast.expr) -> str:
        return said(part, scope, depth - 1) if depth else FILLED

    match node:
        case ast.Constant(value=str(text)):
            pass
        case ast.JoinedStr(values=parts):
            text = "".join(map(inner, parts))
        case ast.FormattedValue(value=ast.Name() as name):
            text = inner(name)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            text = inner(left) + inner(right)
        case ast.IfExp(body=one, orelse=other):
            text = _either([inner(one), inner(other)])
        case ast.Call(func=ast.Attribute(attr="get"), args=[_, default]):
            text = inner(default)
        case ast.Name(id=called):
            text = _named(called, scope, depth - 1)
        case _:
            text = FILLED
    return text


def _either(texts: list[str]) -> str:
    """Several texts of which one is said."""
    whole = [text for text in dict.fromkeys(texts) if text.strip(EMPTY)]
    sentences = all(text[-1] in ".!?" or " " in text for text in whole)
    return " Or: ".join(whole) if whole and sentences else FILLED


def _named(name: str, scope: Scope | None, depth: int) -> str:
    if scope is None or depth < 0:
        return FILLED
    if values := scope.values.get(name):
        return _either([said(value, scope, depth) for value in values])
    if name in scope.imported:
        module, there = scope.imported[name]
        path = ROOT / (module.replace(".", "/") + ".py")
        return _named(there, module_scope(path), depth) if path.exists() else FILLED
    return _named(name, scope.outer, depth)


@cache
def module_scope(path: Path) -> Scope:
    """The names of a module: what is assigned to them, or where they are imported from."""
    return _filled(ast.parse(path.read_text("utf-8")).body, Scope())


def _scope_of(function: ast.FunctionDef | ast.AsyncFunctionDef, outer: Scope) -> Scope:
    inner = Scope(outer=outer)
    for argument in (*function.args.args, *function.args.kwonlyargs):
        inner.values[argument.arg].append(ast.Constant(FILLED))
    return _filled(list(ast.walk(function)), inner)


def _filled(nodes: list[ast.stmt] | list[ast.AST], scope: Scope) -> Scope:
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                scope.values[name].append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                scope.values[name].append(value)
            case ast.ImportFrom(module=str(module), names=names):
                scope.imported.update({n.asname or n.name: (module, n.name) for n in names})
    return scope
