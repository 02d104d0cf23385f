"""``aeron-py play``: a session of playback in the foreground, steered by keys; and the sessions of a recorder."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from aeron_py.cli import render
from aeron_py.cli.keys import Keys
from aeron_py.cli.options import driver_of
from aeron_py.cli.sources import Played, Source, recorder_client
from aeron_py.client import Client
from aeron_py.errors import AeronError, ArchiveConnectionError, NotConnectedError
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.topics import Remap

if TYPE_CHECKING:
    from aeron_py.cli.stopping import StopSignal

_LOOK_EVERY = 0.1
_READ_UP = 10.0
_SEEK = 10
_SECOND = 1_000_000_000
KEYS = (
    "space pause/play  . step  , step back  + faster  - slower  u unlimited  1 real time  "
    "left/right 10 s  home start  t tail  q quit"
)


def play(
    stop: StopSignal,
    source: Source,
    *,
    start: str | None,
    end: str | None,
    pos: str | None,
    speed: str,
    topics: Sequence[str],
    remap: Sequence[str],
    loop: bool,
    start_paused: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Play until the end, or until told to stop; the exit status.

    Args:
        stop: what tells so.
        source: what to play.
        start, end, pos, speed, loop: of the session.
        topics: globs; none for all.
        remap: as ``Remap.parse`` takes them.
        start_paused: whether to wait for a key before the first message.
        wait: whether to wait for subscribers to all topics before the first message.
        as_json: print one line of JSON for each thing that is told.
    """
    options: dict[str, Any] = {
        "start": start,
        "end": end,
        "pos": pos,
        "speed": speed,
        "topics": tuple(topics) or None,
        "remap": tuple(Remap.parse(each) for each in remap),
        "loop": loop,
    }
    with Played(source, options, lambda text: print(text, file=sys.stderr, flush=True)) as played:
        _tell(played, as_json)
        if wait:
            while not (stop.is_set or _all_listen(played)):
                stop.wait(_LOOK_EVERY)
        if not start_paused:
            while not stop.is_set and played.ask(lambda session: session.set(state="play")) is None:
                pass
        controls = _watch(stop, played)
        if controls is not None:
            line = {"pos": controls.pos, "state": controls.state, "ended": controls.ended}
            if as_json:
                print(render.as_json(line), flush=True)
            if controls.ended and not stop.is_set:
                with contextlib.suppress(AeronError):
                    played.session.wait_ended(_READ_UP)
    return 0


def _all_listen(played: Played) -> bool:
    topics = played.ask(lambda session: session.topics) or {}
    return bool(topics) and all(info.listening for info in topics.values())


def _tell(played: Played, as_json: bool) -> None:
    topics = played.session.topics
    if as_json:
        told = {"aeron_dir": played.aeron_dir, "session": played.session.session_id, "recorder": played.of_recorder}
        rows = {name: {"channel": info.channel, "stream_id": info.stream_id} for name, info in topics.items()}
        print(render.as_json({**told, "topics": rows}), flush=True)
        return
    print(f"media driver in {played.aeron_dir}", flush=True)
    lines = [(name, info.channel, info.stream_id, info.recordings) for name, info in sorted(topics.items())]
    print(render.table(("topic", "channel", "stream id", "recordings"), lines), flush=True)


# -- watching and steering


def _watch(stop: StopSignal, played: Played) -> Controls | None:
    """Until the end, or until told to stop; the controls at last."""
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(Keys())
        live = None
        if console.is_terminal:
            if keys.works:
                console.print(KEYS, style="dim")
            live = stack.enter_context(Live(console=console, refresh_per_second=10, transient=True))
        told = waits = ""
        controls: Controls | None = None
        while not stop.is_set:
            controls = played.controls() or controls
            if controls is None:
                continue
            if played.of_recorder and live is None and controls.waiting and controls.waiting != waits:
                waits = controls.waiting  # a recorder of its own says so itself
                print(f"waiting: {waits}", file=sys.stderr, flush=True)
            if live is not None:
                live.update(Text(position_line(controls, told)))
            if controls.ended:
                return controls
            key = keys.read(_LOOK_EVERY) if keys.works else stop.wait(_LOOK_EVERY) and ""
            if key == "q":
                break
            if key:
                told = steer(played.session, key, controls)
    return controls


def position_line(controls: Controls, told: str = "") -> str:
    """Where a session is, in a line."""
    pos = "no data yet" if controls.pos is None else _short(controls.pos)
    speed = controls.speed if isinstance(controls.speed, str) else f"{controls.speed:g}x"
    told = controls.waiting or told
    return f"{pos}  {controls.state:5}  {speed}  {_short(controls.start)} .. {_short(controls.end)}  {told}"


def _short(moment: str) -> str:
    head, dot, rest = moment.partition(".")
    return f"{head}.{rest[:3].rstrip('Z').ljust(3, '0')}Z" if dot else moment


def steer(session: Any, key: str, controls: Controls) -> str:
    """Do what a key stands for; what is said about it."""
    action = _ACTIONS.get(key)
    if action is None:
        return ""
    try:
        return action(session, controls)
    except AeronError as error:
        return error.message


def _toggle(session: Any, controls: Controls) -> str:
    session.state = "play" if controls.state == "pause" else "pause"
    return ""


def _step(batches: int) -> Callable[[Any, Controls], str]:
    def act(session: Any, controls: Controls) -> str:
        if controls.state != "pause":
            session.state = "pause"
        session.step(batches)
        return f"{batches:+d}"

    return act


def _speed(factor: float) -> Callable[[Any, Controls], str]:
    def act(session: Any, controls: Controls) -> str:
        now = 64.0 if isinstance(controls.speed, str) else controls.speed
        session.speed = now * factor if factor > 0 else 1.0 if factor == 0 else "Unlimited"
        return ""

    return act


def _seek(seconds: float) -> Callable[[Any, Controls], str]:
    def act(session: Any, controls: Controls) -> str:
        if controls.pos_ns is not None:
            if math.isinf(seconds):
                session.pos = "0001-01-01T00:00:00Z" if controls.start == "Unbounded" else controls.start
            else:
                session.pos = int(controls.pos_ns + seconds * _SECOND)
        return ""

    return act


def _tail(session: Any, controls: Controls) -> str:
    session.state = "tail"
    return ""


_ACTIONS: dict[str, Callable[[Any, Controls], str]] = {
    " ": _toggle,
    ".": _step(1),
    "n": _step(1),
    ",": _step(-1),
    "b": _step(-1),
    "+": _speed(2),
    "-": _speed(0.5),
    "1": _speed(0),
    "u": _speed(-1),
    "left": _seek(-_SEEK),
    "right": _seek(_SEEK),
    "home": _seek(-math.inf),
    "t": _tail,
}


def sessions(source: Source, *, as_json: bool) -> str:
    """The sessions of the recorder that runs."""
    with (
        driver_of(source.archive_dir, source.aeron_dir) as aeron_dir,
        Client.connect(None if aeron_dir is None else str(aeron_dir)) as client,
        recorder_client(client, source) as recorder,
    ):
        began = time.monotonic()
        try:
            found = recorder.sessions()
        except NotConnectedError:
            raise ArchiveConnectionError(
                f"no recorder listens on {source.control_channel} stream {source.control_stream_id} after "
                f"{time.monotonic() - began:.0f} s: start one with  aeron-py record"
            ) from None
    if as_json:
        import msgspec

        return render.as_json([msgspec.to_builtins(each) for each in found])
    rows = [
        (
            each.session,
            each.controls.state,
            each.controls.pos or "",
            each.controls.speed,
            each.controls.start,
            each.controls.end,
            each.topics,
            "yes" if each.listening else "no",
        )
        for each in found
    ]
    if not rows:
        print("there is no session", file=sys.stderr)
    return render.table(("session", "state", "pos", "speed", "start", "end", "topics", "listening"), rows)
