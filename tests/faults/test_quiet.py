"""A client that makes no call for long; the archive looks after it so often that seconds are as ten minutes."""

from __future__ import annotations

from pathlib import Path

from tests.faults.place import Place
from tests.faults.quiet import answered, quiet
from tests.faults.recording import TIMEOUT
from tests.waiting import wait_until

# Of an archive that looks after each session once a second: in ten minutes.
CHECKS = 600
_CHECK = 64
"""Bytes of the answer with which the archive sees whether a session is alive."""


def test_client_quiet_for_ten_minutes__all_lives_on(tmp_path: Path) -> None:
    """Sees: nothing: the session's own thread takes what the archive sends meanwhile, the conductor says it is alive.

    Kept: all. A replay whose subscriber does not read waits for it.
    Recovers: nothing to do: calls, the publication and the half-read replay go on.
    """

    def many_checks(place: Place) -> None:
        other = place.new_client()
        begin = answered(other.counters)
        wait_until(lambda: answered(other.counters) - begin > CHECKS * _CHECK, TIMEOUT)

    quiet(tmp_path, many_checks, session_liveness_check_interval=0.002)
