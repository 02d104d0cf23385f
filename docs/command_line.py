"""The page about ``aeron-py``, made from what the command itself knows."""

from __future__ import annotations

from typing import Any

import typer

from aeron_py.cli.commands import app


def page() -> str:
    """The page, in Markdown."""
    group: Any = typer.main.get_command(app)
    return f"# Command line\n\n{group.help}\n\n" + "\n".join(
        _section(name, command) for name, command in group.commands.items()
    )


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.help]
    usage = " ".join(["aeron-py", name, *(each.metavar or each.name.upper() for each in arguments), "[OPTIONS]"])
    rows = [
        *(f"| `{each.metavar or each.name.upper()}` | {each.help} | |" for each in arguments),
        *(f"| `{'`, `'.join(each.opts)}` | {each.help} | {_default(each)} |" for each in options),
    ]
    return "\n".join(
        [
            f"## `aeron-py {name}`",
            "",
            str(command.help),
            "",
            "```sh",
            usage,
            "```",
            "",
            "| | | default |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _default(option: Any) -> str:
    value = option.default
    if value is None or value is False:
        return ""
    return f"`{value.name.lower() if hasattr(value, 'name') and hasattr(value, 'value') else value}`"
