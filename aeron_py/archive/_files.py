"""The files in an archive's directory, before it starts: what is there must not be written over."""

from __future__ import annotations

import os
import re
from pathlib import Path

from aeron_py.archive.catalog import CATALOG_FILE_NAME, CatalogError, known_ids
from aeron_py.errors import ArchiveError

_OPERATION = "ArchiveServer.launch"
_SEGMENT_FILE = re.compile(r"(\d+)-\d+\.rec")


def check_files(directory: Path) -> None:
    """See, before an archive starts, that the catalog knows the recording of every segment file.

    An archive does not look: it would start without the recording, give its id to the next one, and write over its
    files.

    Raises:
        ArchiveError: there are segment files, and no catalog, a damaged one, or one without their recordings.
    """
    names = (entry.name for entry in os.scandir(directory))
    found = {int(match[1]) for match in map(_SEGMENT_FILE.fullmatch, names) if match}
    if not found:
        return
    try:
        unknown = sorted(found - known_ids(directory))
        problem = f"the catalog does not know recording {', '.join(map(str, unknown[:5]))}"
    except CatalogError as error:
        unknown, problem = sorted(found), error.message
    if unknown:
        raise ArchiveError(
            f"{problem}; an archive would write over the recordings whose files are in {directory}: restore "
            f"{CATALOG_FILE_NAME} from a copy, or move the files of these recordings away",
            operation=_OPERATION,
        )
