#include "hot.h"

/* Dead messages kept for the next ones: most live for one turn of a loop. */
#define SPARE_LIMIT (256)

PyTypeObject *message_type;
static PyObject *spare[SPARE_LIMIT];
static int spares;

PyObject *message_new(
    PyObject *payload, int64_t position, int64_t reserved_value, int32_t session_id, int32_t stream_id)
{
    message_t *message;

    if (spares > 0)
    {
        message = (message_t *)PyObject_Init(spare[--spares], message_type);
    }
    else
    {
        message = PyObject_New(message_t, message_type);
        if (NULL == message)
        {
            Py_XDECREF(payload);
            return NULL;
        }
    }

    message->payload = payload;
    message->position = position;
    message->reserved_value = reserved_value;
    message->session_id = session_id;
    message->stream_id = stream_id;
    return (PyObject *)message;
}

static void message_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_CLEAR(((message_t *)self)->payload);
    if (spares < SPARE_LIMIT)
    {
        spare[spares++] = self;
    }
    else
    {
        PyObject_Free(self);
    }
    Py_DECREF(type);
}

static PyObject *message_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "payload", "position", "session_id", "stream_id", "reserved_value", NULL };
    PyObject *payload;
    long long position = 0, reserved_value = 0;
    int session_id = 0, stream_id = 0;
    (void)type;

    if (!PyArg_ParseTupleAndKeywords(
        args, keywords, "S|LiiL:Message", names, &payload, &position, &session_id, &stream_id, &reserved_value))
    {
        return NULL;
    }
    return message_new(Py_NewRef(payload), position, reserved_value, session_id, stream_id);
}

static Py_ssize_t message_length(PyObject *self)
{
    return PyBytes_Size(((message_t *)self)->payload);
}

static PyObject *message_repr(PyObject *self)
{
    const message_t *message = (message_t *)self;

    return PyUnicode_FromFormat(
        "Message(%R, position=%lld, session_id=%d, stream_id=%d, reserved_value=%lld)",
        message->payload, message->position, message->session_id, message->stream_id, message->reserved_value);
}

static PyObject *message_compare(PyObject *self, PyObject *other, int operation)
{
    if ((Py_EQ != operation && Py_NE != operation) || Py_TYPE(self) != Py_TYPE(other))
    {
        Py_RETURN_NOTIMPLEMENTED;
    }

    const message_t *a = (message_t *)self;
    const message_t *b = (message_t *)other;
    int equal = a->position == b->position && a->reserved_value == b->reserved_value &&
        a->session_id == b->session_id && a->stream_id == b->stream_id;
    if (equal)
    {
        equal = PyObject_RichCompareBool(a->payload, b->payload, Py_EQ);
        if (equal < 0)
        {
            return NULL;
        }
    }
    return PyBool_FromLong((Py_EQ == operation) == equal);
}

static int message_buffer(PyObject *self, Py_buffer *view, int flags)
{
    return PyObject_GetBuffer(((message_t *)self)->payload, view, flags);
}

static PyMemberDef message_members[] = {
    { "payload", T_OBJECT_EX, offsetof(message_t, payload), READONLY, "The bytes that were offered." },
    { "position", T_LONGLONG, offsetof(message_t, position), READONLY, "Stream position after the message, in bytes." },
    { "session_id", T_INT, offsetof(message_t, session_id), READONLY, "The publisher's session." },
    { "stream_id", T_INT, offsetof(message_t, stream_id), READONLY, "The stream that it came on." },
    { "reserved_value", T_LONGLONG, offsetof(message_t, reserved_value), READONLY,
      "The publisher's own 64 bits in the header, 0 unless given." },
    { NULL, 0, 0, 0, NULL },
};

static PyType_Slot message_slots[] = {
    { Py_tp_doc, (void *)"A message that was polled: its payload and what its header said.\n\n"
      "Equal to another with the same payload and header; its length is the payload's; a buffer of its bytes." },
    { Py_tp_new, message_make },
    { Py_tp_dealloc, message_dealloc },
    { Py_tp_repr, message_repr },
    { Py_tp_richcompare, message_compare },
    { Py_tp_hash, PyObject_HashNotImplemented },
    { Py_tp_members, message_members },
    { Py_sq_length, message_length },
    { Py_bf_getbuffer, message_buffer },
    { 0, NULL },
};

static PyType_Spec message_spec = {
    .name = "aeron_py.Message",
    .basicsize = sizeof(message_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = message_slots,
};

int message_add(PyObject *module)
{
    return add_type(module, &message_spec, &message_type);
}
