"""Write ``_aeron.c``, the cffi half of the extension: ``python build_ffi.py <output>``."""

from __future__ import annotations

import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

from cffi import FFI, CDefError, FFIError

CDEF = Path(__file__).parent / "csrc" / "cdef"

# Functions that may wait, for a thread, a process or a disk, or that work long. All others keep the GIL, which makes a
# call about 40 ns cheaper; and since nothing here reports through errno, they skip saving it, too (another 8 ns).
# A function that calls back into Python may keep the GIL; one that waits for a thread that does must be named here.
RELEASES_GIL = (
    "aeron_close",
    "aeron_cnc_close",
    "aeron_cnc_init",
    "aeron_driver_close",
    "aeron_driver_init",
    "aeron_driver_start",
    "aeron_init",
    "aeron_start",
    "shim_checksum",
    "shim_child_delete",
    "shim_child_start",
    "shim_child_wait",
    "shim_control_stop",
    "shim_events_wait",
    "shim_journal_apply",
    "shim_pace_add",
    "shim_pace_attach",
    "shim_pace_create",
    "shim_pace_delete",
    "shim_pace_follow",
    "shim_pace_pause",
    "shim_pace_play",
    "shim_pace_position",
    "shim_pace_positions",
    "shim_pace_push",
    "shim_pace_raise",
    "shim_pace_remove",
    "shim_pace_seek",
    "shim_pace_status",
    "shim_pace_step",
    "shim_reserve",
    "shim_sample_append",
    "shim_sample_close",
    "shim_sample_create",
    "shim_sample_delete",
    "shim_sample_image",
    "shim_sample_notify",
    "shim_sample_open",
    "shim_sample_positions",
    "shim_sample_statistics",
    "shim_verify_find",
    "shim_verify_pass",
    "shim_verify_run",
    "shim_walk_count",
    "shim_walk_load",
    "shim_walk_messages",
    "shim_walk_pack",
    "shim_walk_run",
    "shim_walk_seek",
    "shim_watch_close",
)

CALL = re.compile(
    r"  Py_BEGIN_ALLOW_THREADS\n  _cffi_restore_errno\(\);\n"
    r"(?P<call>  \{ (?:result = )?(?P<name>\w+)\(.*?\); \}\n)"
    r"  _cffi_save_errno\(\);\n  Py_END_ALLOW_THREADS\n"
)


def in_order(headers: dict[str, str]) -> list[str]:
    """The headers' names, each after those whose types it uses; by name where that leaves a choice."""
    code = {name: re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL) for name, text in sorted(headers.items())}
    home = {found: name for name, text in code.items() for found in re.findall(r"(\w+_t)(?:;|\)\()", text)}
    uses = {name: {home[word] for word in re.findall(r"\w+_t\b", text) if word in home} for name, text in code.items()}
    return list(TopologicalSorter({name: sorted(others - {name}) for name, others in uses.items()}).static_order())


def declarations() -> FFI:
    headers = {path.name: path.read_text() for path in CDEF.glob("*.h")}
    ffi = FFI()
    for name in in_order(headers):
        try:
            ffi.cdef(headers[name])
        except (CDefError, FFIError) as error:
            raise SystemExit(f"csrc/cdef/{name}: {error}") from error
    ffi.set_source("aeron_py._aeron", '#include "shim.h"\n')
    return ffi


def keep_gil(source: str) -> str:
    """``source`` with the GIL kept in every call but those of ``RELEASES_GIL``."""
    seen = set()

    def replace(match: re.Match[str]) -> str:
        seen.add(match["name"])
        return match[0] if match["name"] in RELEASES_GIL else match["call"]

    result = CALL.sub(replace, source)
    if unknown := sorted(set(RELEASES_GIL) - seen):
        raise SystemExit(f"RELEASES_GIL names functions that csrc/cdef does not declare: {', '.join(unknown)}")
    if result.count("Py_BEGIN_ALLOW_THREADS\n") != len(RELEASES_GIL) or not seen:
        raise SystemExit("cffi writes its calls in another way than build_ffi.py expects: adapt CALL to this version")
    return result


def main() -> None:
    output = Path(sys.argv[1])
    ffi = declarations()
    ffi.emit_c_code(str(output))
    output.write_text(keep_gil(output.read_text()))


if __name__ == "__main__":
    main()
