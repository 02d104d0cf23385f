"""The recorder's journal: what was recorded when, itself a recorded stream. docs/journal-format.md has the format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aeron_py._owner import Owner
from aeron_py._waiting import Duration
from aeron_py.recorder.committed import Committed
from aeron_py.recorder.entries import EntryKind, StreamInfo

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client

__all__ = ["JOURNAL_ALIAS", "JOURNAL_CHANNEL", "JournalWriter", "SamplerStatistics"]

JOURNAL_ALIAS: Final = "file:aeron-py/journal"
"""By which journals are found in the archive's catalog."""
JOURNAL_CHANNEL: Final = f"aeron:ipc?alias={JOURNAL_ALIAS}|term-length=1m"


class JournalWriter(Owner):
    """Writes one journal: samples the archive's ``rec-pos`` counters in a C thread, and appends what it is told.

    Made, it publishes on a session of its own which the archive already records. Closing ends that recording. Its
    methods may be called from several threads; they wait while the archive is behind.

    Args:
        client: on the archive's media driver.
        archive: a session with the archive.
        stream_id: of the journal.
        channel: of the journal; its alias must be :data:`JOURNAL_ALIAS` for it to be found again.
        sample_interval: seconds between two samples.
        image_frequency: bytes of journal from image to image; 0 writes none but the first. A seek reads at most that
            much, and a term.
        archive_dir: of the archive, for :meth:`flush`.
        timeout: seconds that anything here may wait for the archive; None for the client's ``driver_timeout``.

    Raises:
        TimedOutError: the archive does not record.
        AeronError: as ``add_exclusive_publication`` and ``start_recording``.
    """

    def __init__(
        self,
        client: Client,
        archive: Archive,
        *,
        stream_id: int,
        channel: str = JOURNAL_CHANNEL,
        sample_interval: Duration = 0.001,
        image_frequency: int = 1 << 20,
        archive_dir: str | os.PathLike[str] | None = None,
        timeout: Duration | None = None,
    ) -> None:
        raise NotImplementedError

    recording_id: int
    """The journal's recording."""
    session_id: int
    """Of the journal's publication."""

    def open_stream(self, info: StreamInfo) -> int:
        """Tell of a stream from now on and sample it; at once what is recorded of it already, if anything.

        Its ``rec-pos`` counter is found by recording id and session id, also when it comes later or comes back.

        Returns:
            Its index in this journal: 0, 1, 2 ...
        """
        raise NotImplementedError

    def close_stream(self, index: int, stop_position: int | None = None) -> None:
        """Tell no more of a stream.

        Args:
            index: what :meth:`open_stream` returned.
            stop_position: where its recording ended: a last tick goes there. None: where it was seen last.
        """
        raise NotImplementedError

    def append(self, kind: EntryKind, payload: Mapping[str, Any]) -> int:
        """Append an entry, VOLUME or NOTE, of JSON; the journal's position after it."""
        raise NotImplementedError

    def image(self) -> None:
        """Write an image now."""
        raise NotImplementedError

    @property
    def position(self) -> int:
        """The journal's position: the end of the last entry."""
        raise NotImplementedError

    @property
    def positions(self) -> dict[int, int]:
        """Of each open stream, by index: the position told last."""
        raise NotImplementedError

    @property
    def statistics(self) -> SamplerStatistics:
        """What the sampler did so far."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise what stopped the sampler, if anything did: the driver or the archive is gone."""
        raise NotImplementedError

    def flush(self) -> Committed:
        """Two phases: ``fdatasync`` the segments of all that moved and of the journal, then write what is safe now.

        That is in ``committed.json`` of the archive directory after this, see :func:`read_committed`. Waits for the
        disk; the sampler goes on meanwhile.
        """
        raise NotImplementedError


class SamplerStatistics:
    """Placeholder."""
