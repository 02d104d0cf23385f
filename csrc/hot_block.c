#include "hot.h"

PyTypeObject *block_type;
static PyTypeObject *column_type;

/* One column of a block, for memoryviews: a view holds its column, the column its block. */
typedef struct column_stct
{
    PyObject_HEAD
    PyObject *block;
    void *data;
    const char *format;
    Py_ssize_t size;
    Py_ssize_t shape;
    Py_ssize_t stride;
}
column_t;

static int column_buffer(PyObject *self, Py_buffer *view, int flags)
{
    column_t *column = (column_t *)self;

    if (PyBuffer_FillInfo(view, self, column->data, column->shape * column->size, 1, flags) < 0)
    {
        return -1;
    }

    view->itemsize = column->size;
    if (flags & PyBUF_FORMAT)
    {
        view->format = (char *)column->format;
    }
    if ((flags & PyBUF_ND) == PyBUF_ND)
    {
        view->shape = &column->shape;
    }
    if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES)
    {
        view->strides = &column->stride;
    }
    return 0;
}

static void column_dealloc(PyObject *self)
{
    Py_CLEAR(((column_t *)self)->block);
    release_object(self);
}

static PyObject *column_view(PyObject *block, void *data, size_t count, const char *format, Py_ssize_t size)
{
    column_t *column = (column_t *)allocate(column_type);
    if (NULL == column)
    {
        return NULL;
    }

    column->block = Py_NewRef(block);
    column->data = data;
    column->format = format;
    column->size = size;
    column->stride = size;
    column->shape = (Py_ssize_t)count;

    PyObject *view = PyMemoryView_FromObject((PyObject *)column);
    Py_DECREF(column);
    return view;
}

static inline shim_block_t *raw(PyObject *self)
{
    return ((block_t *)self)->block;
}

static inline Py_ssize_t used(const shim_block_t *block)
{
    return 0 == block->count ? 0 : (Py_ssize_t)block->offsets[block->count];
}

static PyObject *block_data(PyObject *self, void *closure)
{
    (void)closure;
    return PyMemoryView_FromObject(self);
}

static PyObject *block_offsets(PyObject *self, void *closure)
{
    (void)closure;
    return column_view(self, raw(self)->offsets, raw(self)->count, "q", 8);
}

static PyObject *block_boundaries(PyObject *self, void *closure)
{
    (void)closure;
    return column_view(self, raw(self)->offsets, raw(self)->count + 1, "q", 8);
}

static PyObject *block_lengths(PyObject *self, void *closure)
{
    (void)closure;
    return column_view(self, raw(self)->lengths, raw(self)->count, "i", 4);
}

static PyObject *block_positions(PyObject *self, void *closure)
{
    (void)closure;
    return column_view(self, raw(self)->positions, raw(self)->count, "q", 8);
}

static PyObject *block_reserved_values(PyObject *self, void *closure)
{
    (void)closure;
    return column_view(self, raw(self)->reserved_values, raw(self)->count, "q", 8);
}

static PyObject *block_session_ids(PyObject *self, void *closure)
{
    (void)closure;
    return column_view(self, raw(self)->session_ids, raw(self)->count, "i", 4);
}

static PyObject *block_count(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(raw(self)->count);
}

static PyObject *block_stream_id(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLong(raw(self)->stream_id);
}

static Py_ssize_t block_length(PyObject *self)
{
    return (Py_ssize_t)raw(self)->count;
}

static int block_buffer(PyObject *self, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, self, raw(self)->data, used(raw(self)), 1, flags);
}

static PyObject *payload_at(const shim_block_t *block, size_t index)
{
    return PyBytes_FromStringAndSize((const char *)block->data + block->offsets[index], block->lengths[index]);
}

static PyObject *message_at(const shim_block_t *block, size_t index)
{
    PyObject *payload = payload_at(block, index);
    return NULL == payload ? NULL : message_new(
        payload, block->positions[index], block->reserved_values[index], block->session_ids[index], block->stream_id);
}

static PyObject *all_of(PyObject *self, PyObject *(*at)(const shim_block_t *, size_t))
{
    const shim_block_t *block = raw(self);
    PyObject *list = PyList_New((Py_ssize_t)block->count);

    for (size_t i = 0; NULL != list && i < block->count; i++)
    {
        PyObject *item = at(block, i);
        if (NULL == item)
        {
            Py_CLEAR(list);
            break;
        }
        PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *one_of(PyObject *self, PyObject *number, PyObject *(*at)(const shim_block_t *, size_t))
{
    const shim_block_t *block = raw(self);
    Py_ssize_t index = PyNumber_AsSsize_t(number, PyExc_IndexError);
    if (-1 == index && PyErr_Occurred())
    {
        return NULL;
    }

    index += index < 0 ? (Py_ssize_t)block->count : 0;
    if (index < 0 || index >= (Py_ssize_t)block->count)
    {
        PyErr_Format(PyExc_IndexError, "message %S of a block of %zu", number, block->count);
        return NULL;
    }
    return at(block, (size_t)index);
}

static PyObject *block_message(PyObject *self, PyObject *index)
{
    return one_of(self, index, message_at);
}

static PyObject *block_messages(PyObject *self, PyObject *unused)
{
    (void)unused;
    return all_of(self, message_at);
}

static PyObject *block_payload(PyObject *self, PyObject *index)
{
    return one_of(self, index, payload_at);
}

static PyObject *block_payloads(PyObject *self, PyObject *unused)
{
    (void)unused;
    return all_of(self, payload_at);
}

static PyObject *block_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<Block of %zu messages, %zd bytes>", raw(self)->count, used(raw(self)));
}

static void block_dealloc(PyObject *self)
{
    shim_block_delete(raw(self));
    release_object(self);
}

PyObject *block_wrap(shim_block_t *block)
{
    block_t *self = (block_t *)allocate(block_type);
    if (NULL == self)
    {
        shim_block_delete(block);
        return NULL;
    }
    self->block = block;
    return (PyObject *)self;
}

PyObject *block_from_address(PyObject *module, PyObject *address)
{
    void *block = PyLong_AsVoidPtr(address);
    (void)module;

    if (NULL == block)
    {
        if (!PyErr_Occurred())
        {
            PyErr_SetString(PyExc_ValueError, "the address of a block must not be 0");
        }
        return NULL;
    }
    return block_wrap(block);
}

static PyGetSetDef block_attributes[] = {
    { "data", block_data, NULL, "All payloads, one after the other (memoryview of bytes).", NULL },
    { "offsets", block_offsets, NULL, "Where each payload begins in data (int64).", NULL },
    { "boundaries", block_boundaries, NULL, "The offsets and the end of the last payload (int64, one more).", NULL },
    { "lengths", block_lengths, NULL, "Bytes of each payload (int32).", NULL },
    { "positions", block_positions, NULL, "Stream position after each message (int64).", NULL },
    { "reserved_values", block_reserved_values, NULL, "Reserved value of each message (int64).", NULL },
    { "session_ids", block_session_ids, NULL, "Session of each message's publisher (int32).", NULL },
    { "count", block_count, NULL, "How many messages.", NULL },
    { "stream_id", block_stream_id, NULL, "The stream of all of them, 0 when there are none.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef block_methods[] = {
    { "message", block_message, METH_O, "message(index): one Message, a copy." },
    { "messages", block_messages, METH_NOARGS, "messages(): a list of a Message each, copies." },
    { "payload", block_payload, METH_O, "payload(index): one payload as bytes, a copy." },
    { "payloads", block_payloads, METH_NOARGS, "payloads(): a list of the payloads as bytes, copies." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot block_slots[] = {
    { Py_tp_doc, (void *)"The messages of one batch in one piece of memory, with a column for each header field.\n\n"
      "Views of it keep it alive and unchanged: a poller fills it anew only when nobody else holds it." },
    { Py_tp_dealloc, block_dealloc },
    { Py_tp_repr, block_repr },
    { Py_tp_getset, block_attributes },
    { Py_tp_methods, block_methods },
    { Py_sq_length, block_length },
    { Py_bf_getbuffer, block_buffer },
    { 0, NULL },
};

static PyType_Spec block_spec = {
    .name = "aeron_py._aeron.Block",
    .basicsize = sizeof(block_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = block_slots,
};

static PyType_Slot column_slots[] = {
    { Py_tp_dealloc, column_dealloc },
    { Py_bf_getbuffer, column_buffer },
    { 0, NULL },
};

static PyType_Spec column_spec = {
    .name = "aeron_py._aeron.Column",
    .basicsize = sizeof(column_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = column_slots,
};

int block_add(PyObject *module)
{
    return add_type(module, &block_spec, &block_type) < 0 || add_type(module, &column_spec, &column_type) < 0 ? -1 : 0;
}
