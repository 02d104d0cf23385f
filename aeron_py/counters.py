"""Counters: the numbers that driver, archive and clients show each other."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aeron_py._ffi import check, ffi, lib, text
from aeron_py._hot import CounterValue
from aeron_py._owner import Handle, Owner
from aeron_py._waiting import Duration, seconds, wait_for
from aeron_py.driver import default_aeron_dir, directory, driver_info
from aeron_py.errors import DriverTimeoutError
from aeron_py.settings import as_int

if TYPE_CHECKING:
    from aeron_py.client import Client

__all__ = ["Counter", "CounterDescriptor", "CounterType", "CountersFile", "CountersReader"]

_INT64 = (-(2**63), 2**63 - 1)


class CounterType(enum.IntEnum):
    """What kind a counter is: those of driver, clients and archive (``AERON_COUNTER_*_TYPE_ID``).

    Programs' own counters have types from 1000 on.
    """

    SYSTEM_COUNTER = 0
    PUBLISHER_LIMIT = 1
    SENDER_POSITION = 2
    RECEIVER_HWM = 3
    SUBSCRIPTION_POSITION = 4
    RECEIVER_POSITION = 5
    SEND_CHANNEL_STATUS = 6
    RECEIVE_CHANNEL_STATUS = 7
    SENDER_LIMIT = 9
    PER_IMAGE = 10
    CLIENT_HEARTBEAT_TIMESTAMP = 11
    PUBLISHER_POSITION = 12
    SENDER_BPE = 13
    LOCAL_SOCKADDR = 14
    NAME_RESOLVER_NEIGHBORS_COUNTER = 15
    NAME_RESOLVER_CACHE_ENTRIES_COUNTER = 16
    FC_NUM_RECEIVERS = 17
    CHANNEL_NUM_DESTINATIONS = 18
    SENDER_NAKS_RECEIVED = 19
    RECEIVER_NAKS_SENT = 20
    NAME_RESOLVER_BOOTSTRAP_NEIGHBOR_COUNTER = 21
    ARCHIVE_RECORDING_POSITION = 100
    ARCHIVE_ERROR_COUNT = 101
    ARCHIVE_CONTROL_SESSIONS = 102
    ARCHIVE_MAX_CYCLE_TIME = 103
    ARCHIVE_CYCLE_TIME_THRESHOLD_EXCEEDED = 104
    ARCHIVE_RECORDER_MAX_WRITE_TIME = 105
    ARCHIVE_RECORDER_TOTAL_WRITE_BYTES = 106
    ARCHIVE_RECORDER_TOTAL_WRITE_TIME = 107
    ARCHIVE_REPLAYER_MAX_READ_TIME = 108
    ARCHIVE_REPLAYER_TOTAL_READ_BYTES = 109
    ARCHIVE_REPLAYER_TOTAL_READ_TIME = 110
    ARCHIVE_REPLAY_SESSION_COUNT = 112
    ARCHIVE_CONTROL_SESSION = 113
    PERSISTENT_SUBSCRIPTION_STATE = 114
    PERSISTENT_SUBSCRIPTION_JOIN_DIFFERENCE = 115
    PERSISTENT_SUBSCRIPTION_LIVE_LEFT_COUNT = 116
    PERSISTENT_SUBSCRIPTION_LIVE_JOINED_COUNT = 117


@dataclass(frozen=True)
class CounterDescriptor:
    """A counter as it was at one moment.

    Args:
        counter_id: its slot, which is used again when the counter is gone.
        type_id: what kind it is: a :class:`CounterType`, or one of other programs.
        value: what it said.
        registration_id: which registration it belongs to: with the id this is unique.
        owner_id: the client it belongs to.
        reference_id: of the image, subscription or publication it is about.
        label: for people.
        key: for programs, 112 bytes.
    """

    counter_id: int
    type_id: int
    value: int
    registration_id: int
    owner_id: int
    reference_id: int
    label: str
    key: bytes


def _descriptor(raw: Any) -> CounterDescriptor:
    return CounterDescriptor(
        counter_id=raw.id,
        type_id=raw.type_id,
        value=raw.value,
        registration_id=raw.registration_id,
        owner_id=raw.owner_id,
        reference_id=raw.reference_id,
        label=text(raw.label, raw.label_length),
        key=bytes(ffi.buffer(raw.key)),
    )


class CountersReader:
    """All counters of a driver (``aeron_counters_reader_t``): ``client.counters``, or :class:`CountersFile`."""

    def __init__(self, handle: Handle, reader: Any) -> None:
        self._owner_handle = handle
        self._reader = reader
        self._room = 256

    def list(self, type_id: int | None = None) -> list[CounterDescriptor]:
        """The counters there are, by id.

        Args:
            type_id: only those of this type.

        Raises:
            ClosedError: the client is closed.
        """
        wanted = -1 if type_id is None else as_int(type_id, "type_id", 0, 2**31 - 1)
        with self._owner_handle.using("counters"):
            while True:
                raw = ffi.new("shim_counter_t[]", self._room)
                found = lib.shim_counters_scan(self._reader, wanted, raw, self._room)
                if found <= self._room:
                    return [_descriptor(raw[i]) for i in range(found)]
                self._room = 2 * found

    def ids(self, type_id: int) -> bytes:
        """Which counters of a type there are: the same bytes as before mean that none came or went.

        This costs a few nanoseconds a counter, so that it can be asked often about very many.

        Args:
            type_id: the type.

        Returns:
            16 bytes for each: ``registration_id`` (int64), ``counter_id`` (int32), ``type_id`` (int32), by counter id.

        Raises:
            ClosedError: the client is closed.
        """
        wanted = as_int(type_id, "type_id", 0, 2**31 - 1)
        with self._owner_handle.using("counters"):
            while True:
                raw = ffi.new("shim_counter_id_t[]", self._room)
                found = lib.shim_counters_ids(self._reader, wanted, raw, self._room)
                if found <= self._room:
                    return bytes(ffi.buffer(raw, found * ffi.sizeof("shim_counter_id_t")))
                self._room = 2 * found

    def __iter__(self) -> Iterator[CounterDescriptor]:
        return iter(self.list())

    def read(self, counter_id: int) -> CounterDescriptor | None:
        """The counter of an id, None when there is none."""
        wanted = as_int(counter_id, "counter_id", -(2**31), 2**31 - 1)
        raw = ffi.new("shim_counter_t *")
        with self._owner_handle.using("counters"):
            found = lib.shim_counters_read(self._reader, wanted, raw)
        return _descriptor(raw) if found else None

    def value(self, counter_id: int, registration_id: int) -> int | None:
        """What a counter says, None when it is gone: the slot may be another's by now."""
        wanted = as_int(counter_id, "counter_id", -(2**31), 2**31 - 1)
        registration = as_int(registration_id, "registration_id", *_INT64)
        out = ffi.new("int64_t *")
        with self._owner_handle.using("counters"):
            found = lib.shim_counters_value(self._reader, wanted, registration, out)
        return int(out[0]) if found else None

    def find(self, type_id: int, registration_id: int) -> CounterDescriptor | None:
        """The counter of a type with a registration id, None when there is none."""
        return next((found for found in self.list(type_id) if found.registration_id == registration_id), None)

    @staticmethod
    def open(aeron_dir: str | os.PathLike[str] | None = None, *, timeout: Duration = 0.0) -> CountersFile:
        """The counters of a driver, without being its client: see :class:`CountersFile`."""
        return CountersFile(aeron_dir, timeout=timeout)


class CountersFile(Owner, CountersReader):
    """The counters of a driver, read from its file without becoming a client (``aeron_cnc_init``).

    Args:
        aeron_dir: the driver's directory; None for ``AERON_DIR`` or Aeron's default.
        timeout: seconds to wait for the file. The driver may be dead: its last counters are read all the same.

    Raises:
        DriverTimeoutError: no driver was ever there.
    """

    def __init__(self, aeron_dir: str | os.PathLike[str] | None = None, *, timeout: Duration = 0.0) -> None:
        pointer, path = open_cnc(aeron_dir, timeout, "CountersReader.open")
        self._handle = Handle(f"counters of {path}", pointer, lib.aeron_cnc_close)
        CountersReader.__init__(self, self._handle, lib.aeron_cnc_counters_reader(pointer))


def open_cnc(aeron_dir: str | os.PathLike[str] | None, timeout: Duration, operation: str) -> tuple[Any, str]:
    """A driver's command and control file (``aeron_cnc_init``), and the directory that it is in.

    Raises:
        DriverTimeoutError: no driver was ever there.
    """
    path = directory(default_aeron_dir() if aeron_dir is None else aeron_dir)
    wait_for(
        lambda: driver_info(path),
        seconds(timeout, "timeout"),
        operation,
        lambda: f"no media driver's file in {path}: start a driver there, or name the directory of one that runs",
        error=DriverTimeoutError,
    )
    out = ffi.new("aeron_cnc_t **")
    check(lib.aeron_cnc_init(out, os.fsencode(path), 0), operation)
    return out[0], path


class Counter(Owner):
    """A counter of ours (``aeron_counter_t``): made by ``client.add_counter``, gone for others when it is closed."""

    def __init__(self, client: Client, handle: Handle, label: str, type_id: int) -> None:
        self._client = client
        self._handle = handle
        self.label = label
        """For people."""
        self.type_id = type_id
        """What kind it is."""
        constants = ffi.new("aeron_counter_constants_t *")
        with handle.using("add_counter") as pointer:
            check(lib.aeron_counter_constants(pointer, constants), "add_counter")
            # For C, while the handle is used.
            self._address = lib.aeron_counter_addr(pointer)
        self.counter_id: int = constants.counter_id
        """Its slot."""
        self.registration_id: int = constants.registration_id
        """The driver's number of it."""
        self._value: CounterValue = handle.hot

    @classmethod
    def _of(cls, client: Client, pointer: Any, label: str, type_id: int) -> Self:
        def release(counter: Any) -> None:
            check(lib.aeron_counter_close(counter, ffi.NULL, ffi.NULL), "Counter.close")

        address = int(ffi.cast("uintptr_t", lib.aeron_counter_addr(pointer)))
        handle = Handle(
            f"counter {label or type_id}",
            pointer,
            release,
            parent=client._handle,
            hot=lambda description: CounterValue(address, description),
        )
        # Another thread may close the client from now on.
        with handle.using("add_counter"):
            return cls(client, handle, label, type_id)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or its client."""
        with self._handle.kept() as pointer:
            return pointer is None or self._handle.reason is not None or bool(lib.aeron_counter_is_closed(pointer))

    @property
    def value(self) -> int:
        """What it says: 64 bits, signed. Set it to change that.

        Raises:
            ClosedError: it is closed.
            SettingError: the new value doesn't fit.
        """
        return self._value.get()

    @value.setter
    def value(self, value: int) -> None:
        self._value.set(as_int(value, "value", *_INT64))

    def add(self, difference: int = 1) -> int:
        """Add to it, also while others do: what it said before."""
        return self._value.add(as_int(difference, "difference", *_INT64))

    def compare_and_set(self, expected: int, value: int) -> bool:
        """Set it if it says ``expected``: whether it did."""
        before, after = as_int(expected, "expected", *_INT64), as_int(value, "value", *_INT64)
        return self._value.compare_and_set(before, after)
