"""The typed settings of the media driver: one table, from which the checks, the names and the C setters all follow."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict, get_args, get_type_hints

from aeron_py._ffi import NULL, check, lib, to_bytes
from aeron_py._waiting import Duration, nanoseconds
from aeron_py.errors import SettingError
from aeron_py.idle import IdleStrategy

__all__ = ["DriverSettings", "InferableBoolean", "ThreadingMode", "as_int"]


class ThreadingMode(enum.IntEnum):
    """How many threads a media driver has (``aeron_threading_mode_t``)."""

    DEDICATED = 0
    """Three: conductor, sender, receiver."""
    SHARED_NETWORK = 1
    """Two: the conductor, and one for sender and receiver."""
    SHARED = 2
    """One for all."""


class InferableBoolean(enum.IntEnum):
    """Yes, no, or as the channel says (``aeron_inferable_boolean_t``)."""

    FORCE_FALSE = 0
    FORCE_TRUE = 1
    INFER = 2


def as_int(value: object, name: str, low: int, high: int) -> int:
    """``value`` as a whole number within bounds.

    Raises:
        SettingError: it is not; ``name`` tells which.
    """
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise SettingError(f"{name} must be a whole number, not {type(value).__name__}", operation=name)
    number = value.__index__()  # type: ignore[attr-defined]
    if not low <= number <= high:
        raise SettingError(f"{name} must be from {low} to {high}, not {number}", operation=name)
    return int(number)


class _Kind(enum.Enum):
    SIZE = (0, 2**62)
    UINT32 = (0, 2**32 - 1)
    UINT8 = (0, 255)
    INT32 = (-(2**31), 2**31 - 1)
    INT64 = (-(2**63), 2**63 - 1)
    BOOL = "bool"
    TEXT = "text"
    IDLE = "idle"
    NANOSECONDS = "ns"
    MILLISECONDS = "ms"
    TAG = "tag"
    PORTS = "ports"
    INFERABLE = InferableBoolean


Size = Annotated[int, _Kind.SIZE]
UInt32 = Annotated[int, _Kind.UINT32]
UInt8 = Annotated[int, _Kind.UINT8]
Int32 = Annotated[int, _Kind.INT32]
Int64 = Annotated[int, _Kind.INT64]
Flag = Annotated[bool, _Kind.BOOL]
Text = Annotated[str, _Kind.TEXT]
Idle = Annotated[IdleStrategy, _Kind.IDLE]
Time = Annotated[Duration, _Kind.NANOSECONDS]
TimeMs = Annotated[Duration, _Kind.MILLISECONDS]
Tag = Annotated[int | None, _Kind.TAG]
Ports = Annotated[tuple[int, int], _Kind.PORTS]
Inferable = Annotated[InferableBoolean, _Kind.INFERABLE]


class DriverSettings(TypedDict, total=False):
    """Settings of :meth:`MediaDriver.launch`, each with the name of its ``aeron_driver_context_set_*``.

    Lengths are bytes, times are seconds or timedeltas.
    """

    client_liveness_timeout: Time
    conductor_cpu_affinity: Int32
    conductor_cycle_threshold: Time
    conductor_idle_strategy: Idle
    connect_enabled: Flag
    counters_buffer_length: Size
    counters_free_to_reuse_timeout: Time
    cpuset_affinity: Flag
    cpuset_warnings_as_errors: Flag
    dir_delete_on_shutdown: Flag
    dir_delete_on_start: Flag
    dir_warn_if_exists: Flag
    driver_timeout: TimeMs
    enable_experimental_features: Flag
    error_buffer_length: Size
    file_page_size: Size
    flow_control_group_min_size: Int32
    flow_control_group_tag: Int64
    flow_control_receiver_timeout: Time
    image_liveness_timeout: Time
    ipc_mtu_length: Size
    ipc_publication_term_window_length: Size
    ipc_term_buffer_length: Size
    loss_report_buffer_length: Size
    low_file_store_warning_threshold: Size
    max_resend: UInt32
    mtu_length: Size
    nak_multicast_group_size: Size
    nak_multicast_max_backoff: Time
    nak_unicast_delay: Time
    nak_unicast_retry_delay_ratio: Size
    name_resolver_init_args: Text
    name_resolver_threshold: Time
    native_resource_agent_cpu_affinity: Int32
    native_resource_agent_idle_strategy: Idle
    network_publication_max_messages_per_send: UInt32
    perform_storage_checks: Flag
    print_configuration: Flag
    publication_connection_timeout: Time
    publication_linger_timeout: Time
    publication_reserved_session_id_high: Int32
    publication_reserved_session_id_low: Int32
    publication_term_window_length: Size
    publication_unblock_timeout: Time
    rcv_initial_window_length: Size
    rcv_status_message_timeout: Time
    re_resolution_check_interval: Time
    receiver_cpu_affinity: Int32
    receiver_cycle_threshold: Time
    receiver_group_consideration: Inferable
    receiver_group_tag: Tag
    receiver_idle_strategy: Idle
    receiver_io_vector_capacity: UInt32
    receiver_wildcard_port_range: Ports
    rejoin_stream: Flag
    reliable_stream: Flag
    resolver_bootstrap_neighbor: Text
    resolver_bootstrap_neighbor_resolution_interval: Time
    resolver_interface: Text
    resolver_name: Text
    resolver_neighbor_resolution_interval: Time
    resolver_neighbor_timeout: Time
    resource_free_limit: UInt32
    retransmit_unicast_delay: Time
    retransmit_unicast_linger: Time
    self_resolution_interval: Time
    send_to_status_poll_ratio: Size
    sender_cpu_affinity: Int32
    sender_cycle_threshold: Time
    sender_idle_strategy: Idle
    sender_io_vector_capacity: UInt32
    sender_wildcard_port_range: Ports
    shared_idle_strategy: Idle
    sharednetwork_idle_strategy: Idle
    socket_multicast_ttl: UInt8
    socket_so_rcvbuf: Size
    socket_so_sndbuf: Size
    spies_simulate_connection: Flag
    stream_session_limit: Int32
    term_buffer_length: Size
    term_buffer_sparse_file: Flag
    tether_subscriptions: Flag
    timer_interval: Time
    to_clients_buffer_length: Size
    to_conductor_buffer_length: Size
    untethered_linger_timeout: Time
    untethered_resting_timeout: Time
    untethered_window_limit_timeout: Time


def _kinds() -> dict[str, _Kind]:
    hints = get_type_hints(DriverSettings, include_extras=True)
    return {name: get_args(hint)[-1] for name, hint in hints.items()}


_KINDS = _kinds()
_SUFFIX = {_Kind.NANOSECONDS: "_ns", _Kind.MILLISECONDS: "_ms"}


def setter_names() -> dict[str, list[str]]:
    """The C functions behind each setting, without their prefix ``aeron_driver_context_set_``."""
    return {
        name: [f"{name}_init_args", name] if kind is _Kind.IDLE else [name + _SUFFIX.get(kind, "")]
        for name, kind in _KINDS.items()
    }


def _c_values(name: str, kind: _Kind, value: Any) -> list[Any]:
    match kind:
        case _Kind.BOOL:
            if not isinstance(value, bool):
                raise SettingError(f"{name} must be True or False, not {value!r}", operation=name)
            return [value]
        case _Kind.TEXT:
            return [to_bytes(value, name)]
        case _Kind.IDLE:
            if isinstance(value, str):
                value = IdleStrategy.parse(value)
            if not isinstance(value, IdleStrategy):
                raise SettingError(f"{name} must be an IdleStrategy, not {type(value).__name__}", operation=name)
            return [value.arguments.encode() or NULL, value.name.encode()]
        case _Kind.NANOSECONDS:
            return [nanoseconds(value, name)]
        case _Kind.MILLISECONDS:
            return [nanoseconds(value, name) // 1_000_000]
        case _Kind.TAG:
            return [(False, 0) if value is None else (True, as_int(value, name, *_Kind.INT64.value))]
        case _Kind.PORTS:
            if not isinstance(value, tuple | list) or len(value) != 2:
                raise SettingError(f"{name} must be two ports, (low, high), not {value!r}", operation=name)
            low, high = (as_int(port, name, 0, 2**16 - 1) for port in value)
            if low > high:
                raise SettingError(f"{name} must be (low, high), not {value!r}", operation=name)
            return [(low, high)]
        case _Kind.INFERABLE:
            try:
                return [InferableBoolean(value)]
            except ValueError:
                raise SettingError(f"{name} must be an InferableBoolean, not {value!r}", operation=name) from None
        case _:
            return [as_int(value, name, *kind.value)]


def checked(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The settings as C setters and their values.

    Raises:
        SettingError: an unknown name (it names the nearest), or a bad value.
    """
    calls: list[tuple[str, Any]] = []
    names = setter_names()
    for name, value in settings.items():
        if name not in _KINDS:
            near = difflib.get_close_matches(name, [*_KINDS, "aeron_dir", "threading_mode"], 1, 0.5)
            advice = f": did you mean {near[0]}?" if near else f"; there are {', '.join(_KINDS)}"
            raise SettingError(f"the media driver has no setting {name!r}{advice}", operation="MediaDriver.launch")
        calls += zip(names[name], _c_values(name, _KINDS[name], value), strict=True)
    return calls


def apply(context: Any, calls: list[tuple[str, Any]]) -> None:
    """Set them on an ``aeron_driver_context_t``.

    Raises:
        SettingError: C refuses one.
    """
    for setter, value in calls:
        arguments = value if isinstance(value, tuple) else (value,)
        check(getattr(lib, f"aeron_driver_context_set_{setter}")(context, *arguments), setter)
