"""The page about the recorder's configuration, made from its types."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from aeron_py.recorder._load import kind_of
from aeron_py.recorder.config import RecorderConfig, example
from aeron_py.recorder.units import format_duration, format_size

_HEAD = """\
# Configuration of the recorder

`aeron-py record --config FILE` reads one YAML file (JSON is YAML), `aeron_py.recorder.config.load` the same. All of
it is checked before anything starts; what is wrong is named, all at once, with the path of the key:

```text
recorder.yaml: 2 mistakes
- rules[0].topics: unknown key: did you mean topic?
- poll_interval: '5x': no unit of time is called 'x'; there are ns, us, ms, s, m, h, d, w
```

A *duration* is a number of seconds, or a text with the units ns, us, ms, s, m, h, d and w: `500ms`, `1h30m`. A
*size* is a number of bytes, or a text: k, m, g, t as in Aeron's channels and KiB, MiB, GiB, TiB are powers of 1024;
kB, MB, GB and TB are powers of 1000.

## Example

`aeron-py record --example` prints it.

```yaml
"""


def page() -> str:
    """The page, in Markdown."""
    sections: list[str] = []
    _section(RecorderConfig, "All keys", sections)
    return _HEAD + example() + "```\n\n" + "\n".join(sections)


def _section(struct: type[msgspec.Struct], title: str, sections: list[str]) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    rows, inner = [], []
    for name, hint in get_type_hints(struct, include_extras=True).items():
        bare, kind, optional, description = kind_of(hint)
        default = "" if fields[name].required else _default(fields[name].default, kind)
        below = _struct_in(bare)
        if below:
            inner.append((below, name))
            default = ""
        word = kind or _word(bare)
        rows.append(f"| `{name}` | {word}{' or null' if optional else ''} | {default} | {description} |")
    about = (struct.__doc__ or "").splitlines()[0]
    sections.append(
        "\n".join([f"## {title}", "", about, "", "| key | what | default | |", "|---|---|---|---|", *rows, ""])
    )
    for below, name in inner:
        _section(below, f"`{name}`", sections)


def _struct_in(hint: Any) -> type[msgspec.Struct] | None:
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _word(hint: Any) -> str:
    """What may stand there, for people."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_word(each) for each in arguments)
    if origin is tuple:
        return f"list of {'mappings' if _struct_in(hint) else _word(arguments[0]) + 's'}"
    if origin is dict or _struct_in(hint):
        return "mapping"
    return {str: "text", bool: "`true` or `false`", int: "number", float: "number"}[kind_of(hint)[0]]


def _default(value: Any, kind: str) -> str:
    if value is None:
        return "null"
    if kind == "duration":
        return f"`{format_duration(value)}`"
    if kind == "size":
        return f"`{format_size(value)}`" if value else "`0`"
    if value in ((), msgspec.NODEFAULT):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
