"""Flags in groups, for commands that have more than a screen of them."""

from __future__ import annotations

from collections.abc import Mapping

import click

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Common": (
        *(
            "images",
            "file",
            "files",
            "model",
            "system",
            "series",
            "slices",
            "order",
            "windows",
            "frame",
            "tags",
        ),
        *("save_box", "schema", "keep", "yes", "as_json", "quiet", "help", "_click_default_help"),
    ),
    "Answer": (
        *("max_new_tokens", "temperature", "seed", "think", "think_budget", "stop", "grammar"),
        *("top_k", "top_p", "min_p"),
    ),
}
"""Groups of flags, by their parameters; all others are for the machine."""

REST = "Advanced and hardware"


class GroupedCommand(click.Command):
    """A command whose help has its flags in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, group by group, each group in its own order."""
        places = {name: group for group, names in GROUPS.items() for name in names}
        found: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, REST)}
        for param in self.get_params(ctx):
            row = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if row is not None:
                found[places.get(param.name or "", REST)].append(row)
        for group, rows in found.items():
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)
