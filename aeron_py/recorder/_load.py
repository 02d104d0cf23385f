"""From what a YAML file says to the structs of a configuration: all that is wrong is found at once, with its place."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Hashable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from aeron_py.errors import SettingError
from aeron_py.recorder.units import parse_duration, parse_size

__all__ = ["build", "kind_of", "parse_yaml"]

T = TypeVar("T", bound=msgspec.Struct)

_PARSERS: dict[str, Any] = {"duration": parse_duration, "size": parse_size}


class _Loader(yaml.SafeLoader):
    """YAML, where no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a list or a mapping can't be a key: put a text with braces or brackets in quotes",
                    problem_mark=key.start_mark,
                )
            if key.value in keys and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice: keep one", problem_mark=key.start_mark
                )
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)


# Without what YAML 1.1 has of its own: 1:30 would be 90, 010 would be 8, and 2026-01-31 a date.
_INT = "tag:yaml.org,2002:int"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:timestamp", _INT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)\Z"), list("-+0123456789"))


def parse_yaml(text: str, source: str) -> Any:
    """What a YAML text says, JSON included.

    Raises:
        SettingError: it is not YAML, or a key stands twice; it names the line.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise SettingError(problem, operation=where) from None
    except (yaml.YAMLError, ValueError) as error:
        raise SettingError(str(error), operation=source) from None


def build(data: Any, struct: type[T], source: str) -> T:
    """A struct from plain values.

    Raises:
        SettingError: all that is wrong, a line each, with the path of its key; an unknown key with the nearest.
    """
    wrong: list[str] = []
    made = _struct(data, struct, "", wrong)
    if wrong:
        found = wrong[0] if len(wrong) == 1 else "\n".join([f"{len(wrong)} mistakes", *(f"- {each}" for each in wrong)])
        raise SettingError(found, operation=source)
    assert isinstance(made, struct)
    return made


def kind_of(hint: Any) -> tuple[Any, str, bool, str]:
    """What a field's type says.

    Returns:
        The type without its annotations and None; its kind, ``duration``, ``size`` or empty; whether it may be null;
        its description.
    """
    kind, optional, description = "", False, ""
    while True:
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            for note in notes:
                kind = (note.extra or {}).get("kind", kind)
                description = note.description or description
        elif get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
            left = tuple(each for each in get_args(hint) if each is not type(None))
            hint, optional = Union[left], True  # noqa: UP007
        else:
            return hint, kind, optional, description


def _struct(data: Any, struct: type[msgspec.Struct], path: str, wrong: list[str]) -> Any:
    hints = {name: hint for name, hint in get_type_hints(struct, include_extras=True).items() if name[0] != "_"}
    if not isinstance(data, Mapping):
        found = "nothing" if data is None else type(data).__name__
        wrong.append(f"{path + ': ' if path else ''}a mapping of {', '.join(hints)} must stand here, not {found}")
        return None
    before = len(wrong)
    wrong.extend(_unknown(data, list(hints), path))
    values = {name: _value(data[name], hint, _join(path, name), wrong) for name, hint in hints.items() if name in data}
    needed = [field.name for field in msgspec.structs.fields(struct) if field.required and field.name not in data]
    wrong.extend(f"{_join(path, name)}: is missing: {kind_of(hints[name])[3]}" for name in needed)
    if len(wrong) > before:
        return None
    try:
        return struct(**values)
    except SettingError as error:
        wrong.append(f"{path + ': ' if path else ''}{error.message}")
        return None


def _unknown(data: Mapping[Any, Any], known: list[str], path: str) -> Iterator[str]:
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            yield f"{_join(path, str(key))}: unknown key: {advice}"


def _choose(data: Any, words: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(data), words, 1, 0.7)
    advice = f"did you mean {near[0]}?" if near else f"it is {' or '.join(words)}"
    return f"{data!r:.100} is not valid: {advice}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(data: Any, hint: Any, path: str, wrong: list[str]) -> Any:
    bare, kind, optional, _ = kind_of(hint)
    if data is None and optional:
        return None
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _struct(data, bare, path, wrong)
    item = get_args(bare)[0] if get_origin(bare) is tuple else None
    if isinstance(data, list) and isinstance(item, type) and issubclass(item, msgspec.Struct):
        return tuple(_struct(each, item, f"{path}[{index}]", wrong) for index, each in enumerate(data))
    try:
        if kind in _PARSERS:
            return _PARSERS[kind](data)
        if get_origin(bare) is Literal and data not in get_args(bare):
            raise SettingError(_choose(data, get_args(bare)), operation=path)
        return msgspec.convert(data, hint)
    except SettingError as error:
        wrong.append(f"{path}: {error.message}")
    except msgspec.ValidationError as error:
        problem, _, inner = str(error).partition(" - at `$")
        for json_word, word in (("array", "list"), ("object", "mapping"), (" | null", "")):
            problem = problem.replace(json_word, word)
        wrong.append(f"{path}{inner.rstrip('`')}: {problem[:1].lower()}{problem[1:]}")
    return None
