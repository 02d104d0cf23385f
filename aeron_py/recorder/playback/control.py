"""The recorder's side of the control stream: opens sessions for those who ask, steers them, and collects them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from aeron_py._closing import Closing
from aeron_py.errors import AeronError, ArchiveConnectionError, OfferResult, SettingError
from aeron_py.recorder.asking import is_own
from aeron_py.recorder.away import AwayVolumes
from aeron_py.recorder.playback import messages
from aeron_py.recorder.playback.controls import Controls
from aeron_py.recorder.playback.kept import KeptSession
from aeron_py.recorder.playback.messages import VERSION, Failure, RecordedValue, Reply, Request, SessionInfo
from aeron_py.recorder.playback.pacer import Pacer
from aeron_py.recorder.playback.places import StreamIdSource
from aeron_py.recorder.playback.session import Session
from aeron_py.recorder.timeindex import TimeIndex
from aeron_py.recorder.volumes import Volumes
from aeron_py.recorder.when import Batches, parse_position
from aeron_py.uri import ChannelUri

if TYPE_CHECKING:
    from aeron_py.archive.client import Archive
    from aeron_py.client import Client
    from aeron_py.publication import ExclusivePublication
    from aeron_py.recorder.config import RecorderConfig

__all__ = ["CONTROL_ALIAS", "ControlServer"]

CONTROL_ALIAS = "file:aeron-py/control"
"""The alias of the control stream and of replies: a recorder does not record these."""

_log = logging.getLogger("aeron_py.recorder")
_IDLE, _QUIET, _ALONE = 0.003, 0.04, 0.1
"""Seconds between two looks for requests; when there was none for a while; and when nobody has a session, too."""
_QUIET_AFTER = 1.0
_COLLECT_EVERY = 0.25
_REPLY_TERM = 4 << 20
_SEND_FOR, _SEND_AGAIN = 5.0, 0.0005
"""Seconds for which a reply waits until its client can take it, and between two tries."""
_WAITING_AT_MOST = 64
"""Replies to one client."""


class _Peer:
    """A client that asked something, and the replies that it could not take yet: no other client waits for it."""

    def __init__(self, publication: ExclusivePublication, reply: messages.ReplyTo) -> None:
        self.publication = publication
        self.reply = reply
        self.heard = time.monotonic()
        self.waiting: deque[tuple[float, bytes]] = deque(maxlen=_WAITING_AT_MOST)

    def send(self) -> None:
        """Send what waits, as far as it can be taken now."""
        while self.waiting:
            until, data = self.waiting[0]
            result = self.publication.offer_nowait(data)
            gone = result in (OfferResult.CLOSED, OfferResult.MAX_POSITION_EXCEEDED, OfferResult.ERROR)
            if result < 0 and not gone and time.monotonic() < until:
                return
            self.waiting.popleft()


class ControlServer(Closing):
    """Serves sessions over the control stream, in a thread of its own.

    A client counts as there for as long as it subscribes to its replies. A session ends when for ``idle_timeout``
    nobody subscribed to a topic of it and its client was gone.

    Args:
        client: on the archive's media driver.
        archive: a session with the archive.
        config: ``archive_dir``, ``archive_cmds``, ``control``, ``sessions`` and ``stream_ids`` are what counts.
        index: what was recorded when; None to open it.
        say: told of volumes that are fetched, in words.
        kept: sessions of an earlier server, with the names of their clients.

    Raises:
        CatalogError: no archive in that directory.
        AeronError: as ``add_subscription`` and ``Archive.connect``.
    """

    def __init__(
        self,
        client: Client,
        archive: Archive,
        config: RecorderConfig,
        *,
        index: TimeIndex | None = None,
        say: Callable[[str], object] = lambda text: None,
        kept: Iterable[tuple[KeptSession, str]] = (),
    ) -> None:
        self.config = config
        self._client, self._archive = client, archive
        self._peers: dict[str, _Peer] = {}
        self._sessions: dict[str, tuple[Session, str]] = {}
        self._seen: dict[str, float] = {}
        self._stop = threading.Event()
        self._stream_ids = StreamIdSource(client, config.stream_ids.first, config.stream_ids.last)
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            if index is None:
                index = stack.enter_context(TimeIndex.open(config.archive_dir, counters=client.counters, in_order=True))
            self.index = index
            """What was recorded when."""
            volumes = Volumes(config.archive_dir, config.archive_cmds, say)
            self._away = stack.enter_context(AwayVolumes(volumes, archive, say))
            self._pacer = stack.enter_context(Pacer(client, archive))
            self._subscription = stack.enter_context(
                client.add_subscription(config.control.channel, config.control.stream_id)
            )
            for each, owner in kept:
                self._restore(each, owner)
            self._closing = stack.pop_all()
        self._thread = threading.Thread(target=self._run, name="aeron-py control", daemon=True)
        self._thread.start()

    @property
    def sessions(self) -> list[Session]:
        """Those that are open."""
        return [session for session, _ in self._sessions.values()]

    # -- over the death of an archive, or of a media driver

    @property
    def is_lost(self) -> bool:
        """Whether the archive is gone."""
        return self._pacer.problem is not None

    def ask_archive(self, timeout: float) -> None:
        """Raises when the archive does not answer, or was lost."""
        self._pacer.check()
        archive = self._pacer.archive if self._pacer.has_archive else self._archive
        archive.list_recordings(limit=1, timeout=timeout)

    def lost(self, problem: AeronError) -> None:
        """The archive is gone: sessions stand still, and whoever asks hears why, until :meth:`go_on`."""
        self._pacer.lost(problem)

    def go_on(self, archive: Archive) -> None:
        """The archive is back: sessions go on where all that they published ends.

        Raises:
            ArchiveConnectionError, TimedOutError: it is not.
        """
        self._archive = archive
        self._away.work_with(archive)
        self.index.look_again()
        self._pacer.go_on(archive)

    def keep(self) -> list[tuple[KeptSession, str]]:
        """Its sessions, with the names of their clients, for the next server; after it was :meth:`lost`."""
        return [(session.keep(), owner) for session, owner in list(self._sessions.values())]

    def _restore(self, kept: KeptSession, owner: str) -> None:
        for _, stream_id in kept.places.values():
            self._stream_ids.take(stream_id)
        session = Session.restore(
            self._client,
            self._archive,
            self.config.archive_dir,
            kept,
            patience=self.config.sessions.idle_timeout,
            index=self.index,
            stream_ids=self._stream_ids,
            pacer=self._pacer,
            away=self._away,
        )
        self._sessions[kept.session_id] = session, owner
        self._seen[kept.session_id] = time.monotonic()

    def close(self) -> None:
        """End it and its sessions. May be called twice."""
        self._stop.set()
        self._thread.join()
        for session, _ in self._sessions.values():
            self._guard(session.close)
        self._sessions.clear()
        for peer in self._peers.values():
            self._guard(peer.publication.close)
        self._peers.clear()
        self._closing.close()

    # -- the thread

    def _run(self) -> None:
        collect, heard = 0.0, time.monotonic()
        while not self._stop.is_set():
            try:
                payloads = self._subscription.poll_payloads(64)
                for payload in payloads:
                    self._take(payload)
                waits = self._send_waiting()
                if time.monotonic() >= collect:
                    collect = time.monotonic() + _COLLECT_EVERY
                    self._collect()
                now = time.monotonic()
                if payloads:
                    heard = now
                elif waits:
                    self._stop.wait(_SEND_AGAIN)
                else:
                    quiet = _QUIET if self._sessions else _ALONE
                    self._stop.wait(_IDLE if now - heard < _QUIET_AFTER else quiet)
            except Exception as error:
                if self._client.is_closed or self._subscription.is_closed:
                    return  # the recorder begins anew when its driver is back
                _log.warning("control stream: %s", error, exc_info=not isinstance(error, AeronError))
                self._stop.wait(_COLLECT_EVERY)

    def _guard(self, act: Any, *arguments: Any) -> None:
        with contextlib.suppress(AeronError):
            act(*arguments)

    def _take(self, payload: bytes) -> None:
        try:
            envelope = messages.decode_envelope(payload)
        except msgspec.MsgspecError as error:
            _log.warning("control stream: a message that is no request: %s", error)
            return
        try:
            peer = self._peer(envelope.client, envelope.reply)
        except AeronError as error:
            if self._client.is_closed:
                raise
            _log.warning("control stream: no reply can be sent to %.100s: %s", envelope.client, error)
            return
        try:
            result = self._answer(messages.decode_request(payload))
            reply = Reply(
                version=VERSION,
                client=envelope.client,
                id=envelope.id,
                result=msgspec.Raw(msgspec.json.encode(result)),
            )
        except (AeronError, OSError) as error:
            text = error.message if isinstance(error, AeronError) else str(error)
            reply = self._refusal(envelope.client, envelope.id, type(error).__name__, text)
        except Exception as error:
            _log.exception("control stream: a request failed")
            reply = self._refusal(envelope.client, envelope.id, type(error).__name__, str(error))
        self._send(peer, reply)

    def _refusal(self, client: str, number: int, kind: str, text: str) -> Reply:
        return Reply(version=VERSION, client=client, id=number, error=Failure(kind=kind, message=text))

    def _peer(self, name: str, reply: messages.ReplyTo) -> _Peer:
        peer = self._peers.get(name)
        if peer is not None and peer.reply != reply:
            del self._peers[name]
            peer.publication.close()
            peer = None
        if peer is None:
            channel = ChannelUri.parse(reply.channel).with_(
                alias=CONTROL_ALIAS, term_length=_REPLY_TERM, sparse=True, linger=None
            )
            peer = self._peers[name] = _Peer(self._client.add_exclusive_publication(channel, reply.stream_id), reply)
        peer.heard = time.monotonic()
        return peer

    def _send(self, peer: _Peer, reply: Reply) -> None:
        data = msgspec.json.encode(reply)
        if len(data) > _REPLY_TERM // 8:
            reply = self._refusal(reply.client, reply.id, "SettingError", "the reply is too long: ask for fewer topics")
            data = msgspec.json.encode(reply)
        peer.waiting.append((time.monotonic() + _SEND_FOR, data))
        peer.send()

    def _send_waiting(self) -> bool:
        """Send what waits, as far as it can be taken now; whether more waits."""
        for peer in self._peers.values():
            peer.send()
        return any(peer.waiting for peer in self._peers.values())

    def _collect(self) -> None:
        """Close sessions that nobody needs, and forget clients that are gone."""
        now = time.monotonic()
        timeout = self.config.sessions.idle_timeout
        for name, (session, owner) in list(self._sessions.items()):
            if session.listening or self._is_there(owner):
                self._seen[name] = now
            elif now - self._seen.get(name, now) > timeout:
                self._end(name)
        for owner, peer in list(self._peers.items()):
            if peer.publication.is_connected:
                peer.heard = now
            elif now - peer.heard > timeout:
                del self._peers[owner]
                self._guard(peer.publication.close)

    def _is_there(self, client: str) -> bool:
        peer = self._peers.get(client)
        return peer is not None and peer.publication.is_connected

    def _end(self, name: str) -> None:
        session, _ = self._sessions.pop(name)
        self._seen.pop(name, None)
        self._guard(session.close)

    # -- answers

    def _answer(self, request: Request) -> Any:
        self._check_archive()
        try:
            return self._do(request)
        except AeronError:
            # When the archive died meanwhile, whoever asks is to ask again.
            if not _steps(request.body):
                self._check_archive()
            raise

    def _check_archive(self) -> None:
        if (problem := self._pacer.problem) is not None:
            raise ArchiveConnectionError(
                f"the recorder waits for its archive, and goes on when it is back: {problem.message}",
                operation="control",
            )

    def _do(self, request: Request) -> Any:
        body = request.body
        if isinstance(body, messages.Open):
            return self._open(request.client, body)
        if isinstance(body, messages.Sessions):
            return [
                SessionInfo(
                    session=name,
                    client=owner,
                    controls=session.controls,
                    topics=len(session.topics),
                    listening=session.listening,
                )
                for name, (session, owner) in self._sessions.items()
            ]
        session = self._find(body.session)
        self._seen[body.session] = time.monotonic()
        if not self._is_there(self._sessions[body.session][1]):
            self._sessions[body.session] = session, request.client  # one that has come back by another name
        if isinstance(body, messages.Get):
            return session.controls
        if isinstance(body, messages.Set):
            return self._set(session, body)
        if isinstance(body, messages.Topics):
            return session.topics
        if isinstance(body, messages.Values):
            values = session.values(body.topics, timeout=0)  # whoever asks, asks again
            return {t: None if v is None else RecordedValue(**v._asdict()) for t, v in values.items()}
        self._end(body.session)
        return None

    def _find(self, name: str) -> Session:
        found = self._sessions.get(name)
        if found is None:
            raise SettingError(
                f"there is no session {name!r:.100}: it was closed, or nobody listened", operation="session"
            )
        return found[0]

    def _open(self, owner: str, body: messages.Open) -> messages.Opened:
        limits = self.config.sessions
        if len(self._sessions) >= limits.max_sessions:
            raise SettingError(f"there are {limits.max_sessions} sessions, which is the most", operation="open")
        if sum(each == owner for _, each in self._sessions.values()) >= limits.max_sessions_per_client:
            raise SettingError(
                f"this client has {limits.max_sessions_per_client} sessions, which is the most", operation="open"
            )
        channel = limits.channel if body.channel is None else body.channel
        for each in body.remap:
            if each.stream_id is not None and is_own(self.config, each.channel or channel, each.stream_id):
                raise SettingError(f"stream {each.stream_id} is the recorder's own: play on another", operation="remap")
        self._away.look_for_names()
        session = Session(
            self._client,
            self._archive,
            self.config.archive_dir,
            index=self.index,
            pacer=self._pacer,
            stream_ids=self._stream_ids,
            start=body.start,
            end=body.end,
            pos=body.pos,
            speed=body.speed,
            state=body.state,
            topics=body.topics,
            remap=body.remap,
            loop=body.loop,
            channel=channel,
            away=self._away,
        )
        try:
            opened = messages.Opened(session=session.session_id, controls=session.controls, topics=session.topics)
        except BaseException:
            session.close()  # nobody hears of it
            raise
        self._sessions[session.session_id] = session, owner
        self._seen[session.session_id] = time.monotonic()
        return opened

    def _set(self, session: Session, body: messages.Set) -> Controls:
        for name in ("loop", "start", "end", "speed", "pos", "state"):
            value = getattr(body, name)
            if value is not msgspec.UNSET:
                setattr(session, name, value)
        return session.controls


def _steps(body: messages.Bodies) -> bool:
    """Whether it moves a session by batches: what of that was done must not be done again."""
    if isinstance(body, messages.Set) and body.pos is not msgspec.UNSET:
        with contextlib.suppress(SettingError):
            return isinstance(parse_position(body.pos), Batches)
    return False
