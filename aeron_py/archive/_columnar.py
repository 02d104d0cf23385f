"""Recordings as numpy arrays and Arrow tables. numpy and pyarrow are imported when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aeron_py._ffi import ffi, lib
from aeron_py.archive._cursor import Cursor
from aeron_py.archive.recorded import RecordedBatch
from aeron_py.errors import SettingError

__all__ = ["arrays", "to_arrow", "to_numpy"]


def import_numpy() -> Any:
    """numpy, or an ImportError that says what to install."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError("arrays of a recording need numpy: pip install aeron-py[numpy]") from error
    return numpy


def import_pyarrow() -> Any:
    """pyarrow, or an ImportError that says what to install."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("an Arrow table of a recording needs pyarrow: pip install aeron-py[arrow]") from error
    return pyarrow


def items_of(length: int, dtype: Any, position: int) -> int:
    """How many items of the dtype a message of ``length`` bytes holds."""
    if dtype.itemsize == 0 or dtype.hasobject:
        raise SettingError(f"dtype {dtype} has no fixed size in memory", operation="to_numpy")
    if length == 0 or length % dtype.itemsize:
        raise SettingError(
            f"a message of {length} bytes, at {position}, is no whole number of {dtype} ({dtype.itemsize} bytes)",
            operation="to_numpy",
        )
    return int(length // dtype.itemsize)


def arrays(cursor: Cursor, dtype: Any) -> Iterator[Any]:
    """Strided views of the mapped segments, one for each row of messages of one size; moves the cursor."""
    numpy = import_numpy()
    dtype = numpy.dtype(dtype)
    length = ffi.new("int32_t *", -1)
    first = ffi.new("int64_t *")
    walk = cursor.walk
    while cursor.map(private=False):
        view = memoryview(ffi.buffer(cursor.memory, walk.length)).toreadonly()
        while count := lib.shim_walk_run(walk, length, first):
            items = items_of(length[0], dtype, cursor.position)
            yield strided(numpy, view, dtype, first[0], count, length[0], items)
        if walk.status == lib.SHIM_WALK_MORE:
            found = ffi.cast("int32_t *", walk.data + walk.offset)[0] - 32
            raise cursor.segments.damaged(
                f"a message of {found} bytes, or a fragment, among messages of {length[0]} bytes: "
                "use read_batch for messages of any size",
                cursor.position,
            )
        if not cursor.settle():
            return


def strided(numpy: Any, view: memoryview, dtype: Any, offset: int, count: int, length: int, items: int) -> Any:
    """An array over messages of ``length`` bytes, each in a frame of its own, the first payload at ``offset``."""
    stride = (length + 32 + 31) & -32
    whole = numpy.frombuffer(view, "u1")[offset : offset + (count - 1) * stride + length]
    shape, strides = ((count,), (stride,)) if items == 1 else ((count, items), (stride, dtype.itemsize))
    return numpy.ndarray(shape, dtype, buffer=whole, strides=strides)


def to_numpy(copying: Iterator[RecordedBatch], mapping: Iterator[Any], span: int, dtype: Any, copy: bool | None) -> Any:
    """One array of all messages.

    Args:
        copying: the messages as batches.
        mapping: the same messages as strided views.
        span: stream positions from the first to the last, at most.
        dtype: of an item.
        copy: as in :meth:`RecordingReader.to_numpy`.
    """
    numpy = import_numpy()
    dtype = numpy.dtype(dtype)
    if copy:
        return packed(numpy, copying, span, dtype)
    parts: list[Any] = []
    for part in mapping:
        if parts and copy is False:
            raise SettingError("the messages are not in one row: use arrays() or copy=None", operation="to_numpy")
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    return numpy.concatenate(parts) if parts else numpy.empty(0, dtype)


def packed(numpy: Any, batches: Iterator[RecordedBatch], span: int, dtype: Any) -> Any:
    """The batches' messages, of one size, in an array of their own."""
    out, done, length, items = numpy.empty(0, dtype), 0, 0, 1
    for batch in batches:
        lengths = numpy.frombuffer(batch.lengths, "i4")
        if not done:
            length = int(lengths[0])
            items = items_of(length, dtype, batch.positions[0])
            out = numpy.empty((span // ((length + 63) & -32) + 1) * length, "u1")
        if not (lengths == length).all():
            other = int((lengths != length).argmax())
            raise SettingError(
                f"a message of {lengths[other]} bytes, up to position {batch.positions[other]}, among messages of "
                f"{length} bytes: use read_batch for messages of any size",
                operation="to_numpy",
            )
        if (needed := done + len(batch) * length) > len(out):  # it was recorded on meanwhile
            out = numpy.concatenate((out[:done], numpy.empty(needed, "u1")))
        done += batch.pack_into(out[done:needed])
    array = out[:done].view(dtype) if done else out
    return array if items == 1 else array.reshape(-1, items)


def to_arrow(batches: Iterator[RecordedBatch], dtype: Any) -> Any:
    """An Arrow table with one record batch for each batch."""
    pyarrow = import_pyarrow()
    record = None if dtype is None else import_numpy().dtype(dtype)
    schema = pyarrow.schema(
        [
            ("position", pyarrow.int64()),
            ("reserved_value", pyarrow.int64()),
            ("session_id", pyarrow.int32()),
            *payload_fields(pyarrow, record),
        ]
    )
    return pyarrow.Table.from_batches([record_batch(pyarrow, schema, batch, record) for batch in batches], schema)


def payload_fields(pyarrow: Any, dtype: Any) -> list[tuple[str, Any]]:
    """The Arrow columns that hold what a message says."""
    if dtype is None:
        return [("payload", pyarrow.binary())]
    if dtype.names is None:
        return [("value", pyarrow.from_numpy_dtype(dtype))]
    return [(name, arrow_type(pyarrow, dtype[name])) for name in dtype.names]


def arrow_type(pyarrow: Any, dtype: Any) -> Any:
    """The Arrow type of a structured dtype's field; bytes fields are binary."""
    if dtype.kind in "SV" and dtype.subdtype is None:
        return pyarrow.binary()
    if dtype.subdtype is not None or dtype.names is not None:
        raise SettingError(f"a field of dtype {dtype} has no Arrow column: read it with to_numpy", operation="to_arrow")
    return pyarrow.from_numpy_dtype(dtype)


def record_batch(pyarrow: Any, schema: Any, batch: RecordedBatch, dtype: Any) -> Any:
    """One Arrow record batch: the columns are the batch's own memory, the payloads are packed."""
    count = len(batch)
    columns = [
        pyarrow.Array.from_buffers(schema.field(name).type, count, [None, pyarrow.py_buffer(view)])
        for name, view in (
            ("position", batch.positions),
            ("reserved_value", batch.reserved_values),
            ("session_id", batch.session_ids),
        )
    ]
    if dtype is None:
        data, ends = batch.packed()
        columns.append(
            pyarrow.Array.from_buffers(
                pyarrow.binary(), count, [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(data)]
            )
        )
        return pyarrow.RecordBatch.from_arrays(columns, schema=schema)
    numpy = import_numpy()
    table = packed(numpy, iter([batch]), sum(batch.lengths) + 64 * count, dtype)
    if table.ndim != 1:
        raise SettingError(f"a message holds {table.shape[1]} items of {dtype}, not one", operation="to_arrow")
    for name in [None] if dtype.names is None else dtype.names:
        field = table if name is None else table[name]
        if field.dtype.kind == "V":
            field = [bytes(each) for each in field]
        columns.append(pyarrow.array(field, schema.field(len(columns)).type))
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)
