"""What an archive with users says to a command that none of them runs: what is missing, and how to give it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aeron_py.errors import ArchiveError, ArchiveErrorCode, TimedOutError

if TYPE_CHECKING:
    from aeron_py.recorder.service import Recorder

_LOOK_EVERY = 0.1
_REFUSALS = (ArchiveErrorCode.AUTHENTICATION_REJECTED, ArchiveErrorCode.UNAUTHORISED_ACTION)


@contextlib.contextmanager
def refusals_explained(
    file: Path | str | None, how: str = "--credentials-file or AERON_PY_CREDENTIALS_FILE"
) -> Iterator[None]:
    """Within the block, refused credentials are an error that names them and says how to give others.

    Args:
        file: where they came from, None when there were none.
        how: how the command takes the file.
    """
    try:
        yield
    except ArchiveError as error:
        if error.archive_code != ArchiveErrorCode.AUTHENTICATION_REJECTED:
            raise
        told = f"those in {file} are wrong" if file is not None else "none were given"
        raise ArchiveError(
            f"{error.message}: it wants the credentials of one of its users, and {told}; name the file that has them "
            f"with {how}",
            archive_code=ArchiveErrorCode.AUTHENTICATION_REJECTED,
        ) from None


def raise_refusal(recorder: Recorder) -> None:
    """Raise what a recorder waits for, when it is that somebody gives it other credentials.

    Raises:
        ArchiveError: the archive refuses them, or what their user wants.
    """
    error = recorder.error
    if isinstance(error, ArchiveError) and error.archive_code in _REFUSALS:
        raise error


def wait_running(recorder: Recorder, timeout: float) -> None:
    """As ``Recorder.wait_running``, but not when waiting is in vain.

    Raises:
        TimedOutError: not in time.
        ArchiveError: as :func:`raise_refusal`.
    """
    deadline = time.monotonic() + timeout
    while True:
        raise_refusal(recorder)
        try:
            recorder.wait_running(_LOOK_EVERY)
            return
        except TimedOutError:
            if time.monotonic() >= deadline:
                raise
