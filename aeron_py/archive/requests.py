"""The archive's requests, without I/O: how each is sent and what its answer means.

The session sends them and collects the answers; :class:`~aeron_py.archive.client.Archive` waits for them in a thread,
its async sibling in a task.
"""

from __future__ import annotations

from typing import Any

from aeron_py._error_reading import archive_error
from aeron_py._ffi import lib
from aeron_py._owner import Handle
from aeron_py.archive._call import Request, Response
from aeron_py.archive._request_parts import (
    accepted,
    encode_channel,
    encode_fragment,
    int32,
    int64,
    nothing,
    number,
    number_or_none,
    stopped,
    with_ids,
)
from aeron_py.archive.recordings import RecordingDescriptor, RecordingSubscription, SourceLocation
from aeron_py.errors import ArchiveErrorCode, SettingError
from aeron_py.uri import ChannelUri

Channel = str | ChannelUri

_EVERYTHING = 2**31 - 1


def start_recording(channel: Channel, stream_id: int, source: SourceLocation, auto_stop: bool) -> Request[int]:
    name = "start_recording"
    encoded, stream_id = encode_channel(channel, name), int32(stream_id, "stream_id", name)
    local = int(SourceLocation(source) is SourceLocation.LOCAL)
    return Request(
        name,
        lambda control, id: lib.shim_control_start_recording(control, id, encoded, stream_id, local, int(auto_stop)),
        number,
    )


def extend_recording(
    recording_id: int, channel: Channel, stream_id: int, source: SourceLocation, auto_stop: bool
) -> Request[int]:
    name = "extend_recording"
    encoded, stream_id = encode_channel(channel, name), int32(stream_id, "stream_id", name)
    recording_id = int64(recording_id, "recording_id", name)
    local = int(SourceLocation(source) is SourceLocation.LOCAL)
    return Request(
        name,
        lambda control, id: lib.shim_control_extend_recording(
            control, id, recording_id, encoded, stream_id, local, int(auto_stop)
        ),
        number,
        recording_id=recording_id,
    )


def stop_recording(channel: Channel, stream_id: int, *, tolerate: bool, name: str = "stop_recording") -> Request[bool]:
    encoded, stream_id = encode_channel(channel, name), int32(stream_id, "stream_id", name)
    return Request(
        name,
        lambda control, id: lib.shim_control_stop_recording(control, id, encoded, stream_id),
        accepted,
        tolerated=(ArchiveErrorCode.UNKNOWN_SUBSCRIPTION,) if tolerate else (),
    )


def stop_recording_subscription(subscription_id: int, *, tolerate: bool) -> Request[bool]:
    name = "stop_recording_subscription"
    return Request(
        name,
        with_ids(lib.shim_control_stop_recording_subscription, name, subscription_id=subscription_id),
        accepted,
        tolerated=(ArchiveErrorCode.UNKNOWN_SUBSCRIPTION,) if tolerate else (),
    )


def stop_recording_by_identity(recording_id: int) -> Request[bool]:
    name = "stop_recording_by_identity"
    return Request(
        name,
        with_ids(lib.shim_control_stop_recording_by_identity, name, recording_id=recording_id),
        stopped,
        recording_id=recording_id,
    )


def get_start_position(recording_id: int) -> Request[int]:
    name = "get_start_position"
    return Request(
        name,
        with_ids(lib.shim_control_get_start_position, name, recording_id=recording_id),
        number,
        recording_id=recording_id,
    )


def answer(recording_id: int, name: str) -> Request[int]:
    """Asks for any answer, which tells that the archive is there."""
    return Request(
        name,
        with_ids(lib.shim_control_get_start_position, name, recording_id=recording_id),
        number,
        tolerated=(ArchiveErrorCode.UNKNOWN_RECORDING,),
    )


def get_stop_position(recording_id: int) -> Request[int | None]:
    name = "get_stop_position"
    return Request(
        name,
        with_ids(lib.shim_control_get_stop_position, name, recording_id=recording_id),
        number_or_none,
        recording_id=recording_id,
    )


def get_recording_position(recording_id: int) -> Request[int | None]:
    name = "get_recording_position"
    return Request(
        name,
        with_ids(lib.shim_control_get_recording_position, name, recording_id=recording_id),
        number_or_none,
        recording_id=recording_id,
    )


def get_max_recorded_position(recording_id: int) -> Request[int]:
    name = "get_max_recorded_position"
    send = with_ids(lib.shim_control_get_max_recorded_position, name, recording_id=recording_id)
    return Request(name, send, number, recording_id=recording_id)


def find_last_matching_recording(
    channel: str, stream_id: int, session_id: int, min_recording_id: int
) -> Request[int | None]:
    name = "find_last_matching_recording"
    fragment = encode_fragment(channel, name)
    stream_id, session_id = int32(stream_id, "stream_id", name), int32(session_id, "session_id", name)
    lowest = int64(min_recording_id, "min_recording_id", name)
    return Request(
        name,
        lambda control, id: lib.shim_control_find_last_matching_recording(
            control, id, lowest, fragment, stream_id, session_id
        ),
        number_or_none,
    )


def _recordings(response: Response) -> list[RecordingDescriptor]:
    return response.records


def list_recording(recording_id: int) -> Request[RecordingDescriptor]:
    name = "list_recording"

    def finish(response: Response) -> RecordingDescriptor:
        if not response.records:
            raise archive_error(ArchiveErrorCode.UNKNOWN_RECORDING, f"unknown recording {recording_id}", name)
        descriptor: RecordingDescriptor = response.records[0]
        return descriptor

    send = with_ids(lib.shim_control_list_recording, name, recording_id=recording_id)
    return Request(name, send, finish, expected=1, alone=True, recording_id=recording_id)


def list_recordings(
    channel: str | None, stream_id: int | None, from_recording_id: int, limit: int | None
) -> Request[list[RecordingDescriptor]]:
    name = "list_recordings"
    first = int64(from_recording_id, "from_recording_id", name)
    count = _EVERYTHING if limit is None else int32(limit, "limit", name)
    if count < 1:
        raise SettingError(f"limit must be at least 1, not {count}", operation=name)

    if stream_id is not None:
        fragment, stream_id = encode_fragment(channel or "", name), int32(stream_id, "stream_id", name)
        return Request(
            name,
            lambda control, id: lib.shim_control_list_recordings_for_uri(
                control, id, first, count, fragment, stream_id
            ),
            _recordings,
            expected=count,
            alone=True,
        )

    if channel is not None:
        # The archive's own filter wants both, so this one is ours; and so the limit is, too.
        encode_fragment(channel, name)
        wanted, most, count = channel, count, _EVERYTHING

        def finish(response: Response) -> list[RecordingDescriptor]:
            return [record for record in response.records if wanted in record.original_channel][:most]
    else:
        finish = _recordings

    return Request(
        name,
        lambda control, id: lib.shim_control_list_recordings(control, id, first, count),
        finish,
        expected=count,
        alone=True,
    )


def list_recording_subscriptions(
    channel: str, stream_id: int | None, first: int, limit: int | None
) -> Request[list[RecordingSubscription]]:
    name = "list_recording_subscriptions"
    fragment = encode_fragment(channel, name)
    stream, first = int32(stream_id or 0, "stream_id", name), int32(first, "first", name)
    count = _EVERYTHING if limit is None else int32(limit, "limit", name)

    def finish(response: Response) -> list[RecordingSubscription]:
        return response.records

    return Request(
        name,
        lambda control, id: lib.shim_control_list_recording_subscriptions(
            control, id, first, count, fragment, stream, int(stream_id is not None)
        ),
        finish,
        expected=count,
        alone=True,
    )


def replay(recording_id: int, channel: Channel, stream_id: int, params: Any) -> Request[int]:
    name = "start_replay"
    encoded, stream_id = encode_channel(channel, name), int32(stream_id, "stream_id", name)
    recording_id = int64(recording_id, "recording_id", name)
    return Request(
        name,
        lambda control, id: lib.shim_control_replay(control, id, recording_id, encoded, stream_id, params),
        number,
        recording_id=recording_id,
    )


def replay_over(publication: Handle, recording_id: int, channel: Channel, stream_id: int, params: Any) -> Request[int]:
    name = "replay"
    encoded, stream_id = encode_channel(channel, name), int32(stream_id, "stream_id", name)
    recording_id = int64(recording_id, "recording_id", name)

    def send(control: Any, id: int) -> int:
        with publication.using(name) as pointer:
            result: int = lib.shim_control_replay_over(control, pointer, id, recording_id, encoded, stream_id, params)
        return result

    return Request(name, send, number, recording_id=recording_id)


def request_replay_token(recording_id: int) -> Request[int]:
    name = "start_replay"
    return Request(
        name,
        with_ids(lib.shim_control_request_replay_token, name, recording_id=recording_id),
        number,
        recording_id=recording_id,
    )


def stop_replay(replay_session_id: int) -> Request[None]:
    name = "stop_replay"
    return Request(
        name,
        with_ids(lib.shim_control_stop_replay, name, replay_session_id=replay_session_id),
        nothing,
        tolerated=(ArchiveErrorCode.UNKNOWN_REPLAY,),
    )


def stop_all_replays(recording_id: int | None) -> Request[None]:
    name = "stop_all_replays"
    which = -1 if recording_id is None else recording_id
    return Request(
        name,
        with_ids(lib.shim_control_stop_all_replays, name, recording_id=which),
        nothing,
        recording_id=recording_id,
    )


def truncate_recording(recording_id: int, position: int) -> Request[int]:
    name = "truncate_recording"
    send = with_ids(lib.shim_control_truncate_recording, name, recording_id=recording_id, position=position)
    return Request(name, send, number, recording_id=recording_id)


def purge_recording(recording_id: int) -> Request[int]:
    name = "purge_recording"
    return Request(
        name,
        with_ids(lib.shim_control_purge_recording, name, recording_id=recording_id),
        number,
        recording_id=recording_id,
    )


def detach_segments(recording_id: int, new_start_position: int) -> Request[None]:
    name = "detach_segments"
    send = with_ids(
        lib.shim_control_detach_segments, name, recording_id=recording_id, new_start_position=new_start_position
    )
    return Request(name, send, nothing, recording_id=recording_id)


def delete_detached_segments(recording_id: int) -> Request[int]:
    name = "delete_detached_segments"
    return Request(
        name,
        with_ids(lib.shim_control_delete_detached_segments, name, recording_id=recording_id),
        number,
        recording_id=recording_id,
    )


def purge_segments(recording_id: int, new_start_position: int) -> Request[int]:
    name = "purge_segments"
    send = with_ids(
        lib.shim_control_purge_segments, name, recording_id=recording_id, new_start_position=new_start_position
    )
    return Request(name, send, number, recording_id=recording_id)


def attach_segments(recording_id: int) -> Request[int]:
    name = "attach_segments"
    return Request(
        name,
        with_ids(lib.shim_control_attach_segments, name, recording_id=recording_id),
        number,
        recording_id=recording_id,
    )


def migrate_segments(source_recording_id: int, target_recording_id: int) -> Request[int]:
    name = "migrate_segments"
    send = with_ids(
        lib.shim_control_migrate_segments,
        name,
        source_recording_id=source_recording_id,
        target_recording_id=target_recording_id,
    )
    return Request(name, send, number)


def update_channel(recording_id: int, channel: Channel) -> Request[None]:
    name = "update_channel"
    encoded, recording_id = encode_channel(channel, name), int64(recording_id, "recording_id", name)
    return Request(
        name,
        lambda control, id: lib.shim_control_update_channel(control, id, recording_id, encoded),
        nothing,
        alone=True,
        recording_id=recording_id,
    )


def stop_replication(replication_id: int) -> Request[bool]:
    name = "stop_replication"
    return Request(
        name,
        with_ids(lib.shim_control_stop_replication, name, replication_id=replication_id),
        accepted,
        tolerated=(ArchiveErrorCode.UNKNOWN_REPLICATION,),
    )
