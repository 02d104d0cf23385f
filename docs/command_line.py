"""The page about ``aeron-py``, made from what the command itself knows."""

from __future__ import annotations

from typing import Any

import typer

from aeron_py.cli.commands import app

_EXIT_STATUS = """
## Exit status

| | |
|---|---|
| 0 | all went well; a service that was told to stop did so in order; the reader of a pipe went away |
| 1 | it failed: one line on standard error says why and what to do |
| 2 | the command line is wrong |
| 3 | it is done, but something is lost: standard output says what |
"""

_COMPLETION = """
## Completion in the shell

```sh
aeron-py --install-completion        # for the shell that runs this: bash, zsh, fish
aeron-py --show-completion           # prints what that would install
```

Commands and options are completed, and recordings and topics where a command takes them, as far as the catalog in
`--archive-dir` names them. Give `--archive-dir` first when it is not `recordings`.
"""


def page() -> str:
    """The page, in Markdown."""
    group: Any = typer.main.get_command(app)
    return f"# Command line\n\n{group.help}\n{_EXIT_STATUS}{_COMPLETION}\n" + "\n".join(
        _section(name, command) for name, command in group.commands.items()
    )


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    shown = {each.name: (each.metavar or each.name.upper()) + ("..." if each.nargs < 0 else "") for each in arguments}
    options = [each for each in command.params if each.param_type_name == "option" and each.help]
    usage = " ".join(
        [
            "aeron-py",
            name,
            *(shown[each.name] if each.required else f"[{shown[each.name]}]" for each in arguments),
            "[OPTIONS]",
        ]
    )
    rows = [
        *(f"| `{shown[each.name]}` | {each.help} | |" for each in arguments),
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
