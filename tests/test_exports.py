"""What can be imported from edge_med is what its rooms have, and none of it is loaded before."""

from __future__ import annotations

import ast
import importlib
import typing
from pathlib import Path

import pytest

import edge_med
from edge_med import answers, errors


@pytest.mark.parametrize("name", edge_med.__all__)
def test_what_is_exported_is_there(name: str) -> None:
    assert getattr(edge_med, name) is not None
    assert name in dir(edge_med)


def test_every_error_is_exported() -> None:
    named = {name for name, one in vars(errors).items() if isinstance(one, type)}
    kinds = {name for name in named if name.endswith("Error")}
    assert kinds <= set(edge_med.__all__)
    assert all(getattr(edge_med, name) is getattr(errors, name) for name in kinds)


def test_every_event_is_exported() -> None:
    kinds = typing.get_args(answers.Event)
    assert {kind.__name__ for kind in kinds} <= set(edge_med.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(edge_med.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = {a.name: node.module for node in block.body for a in node.names}  # type: ignore[attr-defined]
    assert set(names) == set(edge_med.__all__)
    for name, room in names.items():
        assert getattr(importlib.import_module(room), name) is getattr(edge_med, name)


def test_other_names_are_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nurse'"):
        _ = edge_med.Nurse
