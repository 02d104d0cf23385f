"""The page about what of Aeron is here: its C API function by function, its archive's tests case by case.

Both are written down in TOML beside this file. The functions come from Aeron's own headers, the cases from its tests.
"""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

HEADERS = {
    "aeronc.h": "aeron-client/src/main/c/aeronc.h",
    "aeronmd.h": "aeron-driver/src/main/c/aeronmd.h",
    "aeron_archive.h": "aeron-archive/src/main/c/client/aeron_archive.h",
}
KINDS = {"called": "called", "equal": "our own", "left_out": "left out"}

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DIRECTIVE = re.compile(r"^\s*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
_TEMPLATE = re.compile(r'getattr\(\s*lib,\s*f"(aeron_[^"]+)"')
_C_CASE = re.compile(r"^TEST(?:_[FP])?\(\s*\w+,\s*(\w+)\s*\)", re.MULTILINE)
_JAVA_CASE = re.compile(r"@(?:Test|ParameterizedTest|RepeatedTest)\b(?:(?!\bvoid\b).)*?\bvoid\s+(\w+)\s*\(", re.DOTALL)

_HEAD = """\
# What of Aeron is here

## The C API

Every public function of the three headers of Aeron {version}. *Called* means that the noun calls it. *Our own* means
that the noun does the same in another way; above all a session with an archive is our own: its requests are encoded
by Aeron's archive proxy and its answers decoded with Aeron's codecs, but sending and waiting never block a thread in
C, where Aeron's `aeron_archive_*` calls do. *Left out* has its reason.

"""
_CASES = """\
## Aeron's own tests of the archive

Case by case, the test of ours with the same intent, or why there is none. The names are those of Aeron's sources.

"""


@dataclass(frozen=True)
class Row:
    """What becomes of one function."""

    kind: str
    text: str
    key: str


def aeron_sources() -> Path:
    """The tree of Aeron that was built."""
    if chosen := os.environ.get("AERON_SOURCE_DIR"):
        return Path(chosen)
    found = sorted(ROOT.glob("build/*/vendor/rusteron-archive/aeron"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError("Aeron's sources are not there: build first (make test), or set AERON_SOURCE_DIR")
    return found[-1]


def declared(path: Path) -> list[str]:
    """The functions that a header declares or defines, in its order."""
    text = _DIRECTIVE.sub("", _COMMENT.sub("", path.read_text())).replace('extern "C"\n{', "")
    outside, depth = [], 0
    for piece in re.split(r"([{}])", text):
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if depth == 0 and piece not in "{}":
            outside.append(piece)
        elif piece == "{" and depth == 1:
            outside.append(";")
    found = []
    for statement in "".join(outside).split(";"):
        if "(" in statement and not statement.lstrip().startswith("typedef"):
            found += re.findall(r"(\w+)\s*\(", statement)[:1]
    return list(dict.fromkeys(found))


def functions() -> dict[str, str]:
    """Every public function, with the first header that has it."""
    found: dict[str, str] = {}
    for header, path in HEADERS.items():
        for name in declared(aeron_sources() / path):
            found.setdefault(name, header)
    return found


def called() -> set[str]:
    """The functions that the shim calls, or Python by way of the extension."""
    shim = "".join(_COMMENT.sub("", path.read_text()) for path in sorted((ROOT / "csrc").glob("*.[ch]")))
    python = "".join(path.read_text() for path in sorted((ROOT / "aeron_py").rglob("*.py")))
    direct = set(re.findall(r"\baeron_\w+", shim)) | set(re.findall(r"\blib\.(aeron_\w+)", python))
    templates = [re.sub(r"\{.*?\}", _filled, template) for template in _TEMPLATE.findall(python)]
    bound = {name for path in sorted((ROOT / "csrc" / "cdef").glob("aeron*.h")) for name in declared(path)}
    return direct | {name for name in bound if any(re.fullmatch(template, name) for template in templates)}


def _filled(place: re.Match[str]) -> str:
    """What a name that Python puts together may have in a place."""
    return "(?:(?:exclusive_)?publication|subscription|counter)" if "kind" in place[0] else r"\w+"


def rows() -> dict[str, Row | None]:
    """What becomes of each function, None where nothing says so.

    A name goes before a pattern, a longer pattern before a shorter one; a pattern of what is called speaks of no other.
    """
    tables = tomllib.loads((HERE / "coverage.toml").read_text())
    keys = [(key, kind, text) for kind in KINDS for key, text in tables[kind].items()]
    keys.sort(key=lambda each: ("*" in each[0], -len(each[0])))
    reached = called()
    found: dict[str, Row | None] = {}
    for name in functions():
        fitting = (
            Row(kind, text, key)
            for key, kind, text in keys
            if fnmatch.fnmatchcase(name, key) and (kind != "called" or "*" not in key or name in reached)
        )
        found[name] = next(fitting, None)
    return found


def nouns(row: Row) -> list[str]:
    """The nouns that a row names."""
    if row.kind == "called":
        return row.text.split(", ")
    return re.findall(r"^[A-Z]\w+(?:\.\w+)?", row.text) if row.kind == "equal" else []


def cases(path: str) -> list[str]:
    """The names of the cases in one file of Aeron's tests."""
    text = (aeron_sources() / path).read_text()
    return list(dict.fromkeys((_JAVA_CASE if path.endswith(".java") else _C_CASE).findall(text)))


def case_rows() -> dict[str, dict[str, str]]:
    """By file of Aeron's tests, what stands for each case: ``tests/...::test_...``, or a reason."""
    found: dict[str, dict[str, str]] = tomllib.loads((HERE / "coverage_tests.toml").read_text())
    return found


def page() -> str:
    """The page, in Markdown."""
    version = (aeron_sources() / "version.txt").read_text().strip()
    return _HEAD.format(version=version) + "\n".join(_functions()) + "\n\n" + _CASES + "\n".join(_tests()) + "\n"


def _functions() -> Iterator[str]:
    homes, said = functions(), rows()
    for header in HEADERS:
        yield from (f"### `{header}`", "", "| function | | |", "|---|---|---|")
        for name, row in said.items():
            if homes[name] == header and row is not None:
                text = re.sub(r"\b([A-Z]\w+\.\w+)", r"`\1`", row.text) if row.kind != "left_out" else row.text
                yield f"| `{name}` | {KINDS[row.kind]} | {text} |"
        yield ""


def _tests() -> Iterator[str]:
    for path, said in case_rows().items():
        yield from (f"### `{Path(path).name}`", "", "| case | |", "|---|---|")
        for case in cases(path):
            text = said.get(case, "")
            yield f"| {case} | {f'`{text}`' if text.startswith('tests/') else text} |"
        yield ""
