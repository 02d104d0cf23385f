#include "hot.h"
#include "offering.h"

/* Parts of one message; more of them take a list from the heap. */
#define PARTS (16)

static PyTypeObject *offerer_type;

typedef struct parts_stct
{
    Py_buffer *views;
    aeron_iovec_t *vectors;
    size_t count;
    Py_buffer few_views[PARTS];
    aeron_iovec_t few_vectors[PARTS];
}
parts_t;

bool offerer_usable(offerer_t *self, const char *operation)
{
    if (NULL == self->publication)
    {
        raise_closed(self->closed, operation, self->description);
        return false;
    }
    if (self->exclusive && self->released)
    {
        raise_busy(operation, self->description); /* an exclusive publication bears one thread at a time */
        return false;
    }
    return true;
}

static const uint8_t empty[1];

static inline const uint8_t *bytes_of(const Py_buffer *view)
{
    return NULL == view->buf ? empty : view->buf;
}

static void release_parts(parts_t *parts)
{
    for (size_t i = 0; i < parts->count; i++)
    {
        PyBuffer_Release(&parts->views[i]);
    }
    if (parts->views != parts->few_views)
    {
        PyMem_Free(parts->views);
        PyMem_Free(parts->vectors);
    }
}

static bool take_parts(parts_t *parts, PyObject *sequence)
{
    const bool is_list = PyList_Check(sequence);
    const size_t size = (size_t)(is_list ? PyList_Size(sequence) : PyTuple_Size(sequence));

    parts->count = 0;
    parts->views = parts->few_views;
    parts->vectors = parts->few_vectors;
    if (size > PARTS)
    {
        parts->views = PyMem_Calloc(size, sizeof(Py_buffer));
        parts->vectors = PyMem_Calloc(size, sizeof(aeron_iovec_t));
        if (NULL == parts->views || NULL == parts->vectors)
        {
            release_parts(parts);
            PyErr_NoMemory();
            return false;
        }
    }

    for (size_t i = 0; i < size; i++)
    {
        /* Taking a buffer may run Python code, which may change the list. */
        PyObject *item = is_list ? PyList_GetItem(sequence, (Py_ssize_t)i) : PyTuple_GetItem(sequence, (Py_ssize_t)i);
        if (NULL == item || PyObject_GetBuffer(item, &parts->views[i], PyBUF_SIMPLE) < 0)
        {
            release_parts(parts);
            return false;
        }
        parts->vectors[i].iov_base = (uint8_t *)bytes_of(&parts->views[i]);
        parts->vectors[i].iov_len = (size_t)parts->views[i].len;
        parts->count++;
    }
    return true;
}

/* The result of Aeron, or INT64_MIN with an error set. */
static int64_t offer_parts(offerer_t *self, PyObject *sequence, int64_t *reserved_value, const char *operation)
{
    const aeron_reserved_value_supplier_t supply = NULL == reserved_value ? NULL : supply_reserved_value;
    parts_t parts;

    if (!take_parts(&parts, sequence))
    {
        return INT64_MIN;
    }

    int64_t result = INT64_MIN;
    if (offerer_usable(self, operation))
    {
        result = ring_if_offered(self->publication, self->exclusive ?
            aeron_exclusive_publication_offerv(self->publication, parts.vectors, parts.count, supply, reserved_value) :
            aeron_publication_offerv(self->publication, parts.vectors, parts.count, supply, reserved_value));
    }
    release_parts(&parts);
    return result;
}

static inline int64_t offer_data(offerer_t *self, PyObject *data, int64_t *reserved_value, const char *operation)
{
    int64_t stamp;

    if (NULL == reserved_value && self->stamps)
    {
        stamp = shim_stamp();
        reserved_value = &stamp;
    }
    if (PyBytes_CheckExact(data))
    {
        char *buffer;
        Py_ssize_t length;

        PyBytes_AsStringAndSize(data, &buffer, &length);
        return !offerer_usable(self, operation) ? INT64_MIN :
            offer_once(self->publication, self->exclusive, (uint8_t *)buffer, (size_t)length, reserved_value);
    }

    if (PyList_Check(data) || PyTuple_Check(data))
    {
        return offer_parts(self, data, reserved_value, operation);
    }

    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
    {
        return INT64_MIN;
    }

    const int64_t result = offerer_usable(self, operation) ?
        offer_once(self->publication, self->exclusive, bytes_of(&view), (size_t)view.len, reserved_value) : INT64_MIN;
    PyBuffer_Release(&view);
    return result;
}

static inline int64_t offer_arguments(
    offerer_t *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords, const char *operation)
{
    static const char *const names[] = { "data", "reserved_value" };
    PyObject *taken[2];

    if (1 == count && NULL == keywords)
    {
        return offer_data(self, args[0], NULL, operation);
    }
    if (arguments(operation, names, 2, 1, args, count, keywords, taken) < 0)
    {
        return INT64_MIN;
    }
    if (NULL == taken[1] || Py_None == taken[1])
    {
        return offer_data(self, taken[0], NULL, operation);
    }

    int64_t reserved_value = PyLong_AsLongLong(taken[1]);
    if (-1 == reserved_value && PyErr_Occurred())
    {
        return INT64_MIN;
    }
    return offer_data(self, taken[0], &reserved_value, operation);
}

static PyObject *offerer_offer(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    offerer_t *self = (offerer_t *)object;
    const int64_t result = offer_arguments(self, args, count, keywords, "offer");

    if (result >= 0)
    {
        return PyLong_FromLongLong(result);
    }
    if (INT64_MIN != result)
    {
        raise_offer(result, "offer", self->description);
    }
    return NULL;
}

static PyObject *offerer_offer_nowait(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    offerer_t *self = (offerer_t *)object;
    const int64_t result = offer_arguments(self, args, count, keywords, "offer_nowait");

    if (AERON_PUBLICATION_ERROR == result)
    {
        raise_offer(result, "offer_nowait", self->description); /* a message too long never goes in: not a result */
        return NULL;
    }
    return INT64_MIN == result ? NULL : PyLong_FromLongLong(result);
}

static PyObject *offerer_offer_many(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "buffers" };
    offerer_t *self = (offerer_t *)object;
    PyObject *taken[1];

    if (arguments("offer_many", names, 1, 1, args, count, keywords, taken) < 0)
    {
        return NULL;
    }

    const bool ready = PyList_CheckExact(taken[0]) || PyTuple_CheckExact(taken[0]);
    PyObject *buffers = ready ? Py_NewRef(taken[0]) : PySequence_List(taken[0]);
    if (NULL == buffers)
    {
        return NULL;
    }

    const bool is_list = PyList_Check(buffers);
    Py_ssize_t offered = 0;
    int64_t result = 0;

    while (offerer_usable(self, "offer_many") && offered < (is_list ? PyList_Size(buffers) : PyTuple_Size(buffers)))
    {
        PyObject *item = is_list ? PyList_GetItem(buffers, offered) : PyTuple_GetItem(buffers, offered);
        int tries = 64; /* turning to the next term is over soon */
        do
        {
            Py_INCREF(item);
            result = offer_data(self, item, NULL, "offer_many");
            Py_DECREF(item);
        }
        while (AERON_PUBLICATION_ADMIN_ACTION == result && --tries > 0);

        if (result < 0)
        {
            break;
        }
        offered++;
    }
    Py_DECREF(buffers);

    if (AERON_PUBLICATION_ERROR == result && !PyErr_Occurred())
    {
        raise_offer(result, "offer_many", self->description);
    }
    return PyErr_Occurred() ? NULL : Py_BuildValue("nL", offered, (long long)result);
}

static bool take_numbers(PyObject *object, Py_buffer *view, const char *name)
{
    if (PyObject_GetBuffer(object, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) < 0)
    {
        return false;
    }

    const char *format = NULL == view->format ? "B" : view->format;
    format += '@' == format[0] || '=' == format[0] || '<' == format[0] ? 1 : 0;
    if (8 != view->itemsize || ('q' != format[0] && 'l' != format[0]) || '\0' != format[1])
    {
        PyErr_Format(PyExc_TypeError, "offer_block() needs %s as a buffer of int64, not of '%s'", name, view->format);
        PyBuffer_Release(view);
        return false;
    }
    if (0 != view->len && 0 != (uintptr_t)view->buf % 8)
    {
        PyErr_Format(PyExc_ValueError, "offer_block() needs %s aligned to 8 bytes", name);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}

static PyObject *offer_views(
    offerer_t *self, const Py_buffer *data, const Py_buffer *offsets, const Py_buffer *reserved)
{
    const Py_ssize_t entries = offsets->len / 8;
    if (entries < 1)
    {
        PyErr_SetString(PyExc_ValueError, "offer_block() needs one offset more than there are messages");
        return NULL;
    }
    if (NULL != reserved && reserved->len / 8 != entries - 1)
    {
        return PyErr_Format(
            PyExc_ValueError, "offer_block() needs %zd reserved values, one a message, not %zd",
            entries - 1, reserved->len / 8);
    }
    if (!offerer_usable(self, "offer_block"))
    {
        return NULL;
    }

    void *publication = self->publication;
    size_t offered;
    int64_t result;

    self->released++;
    Py_BEGIN_ALLOW_THREADS
    offered = shim_offer_block(
        publication, self->exclusive, bytes_of(data), (size_t)data->len, offsets->buf, (size_t)entries - 1,
        NULL == reserved ? NULL : reserved->buf, self->stamps, &result);
    Py_END_ALLOW_THREADS
    self->released--;

    const bool short_of_room = AERON_PUBLICATION_BACK_PRESSURED == result || AERON_PUBLICATION_ADMIN_ACTION == result;
    if (result < 0 && !short_of_room && 0 == offered)
    {
        raise_offer(result, "offer_block", self->description);
        return NULL;
    }
    return PyLong_FromSize_t(offered);
}

static PyObject *offerer_offer_block(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "buffer", "offsets", "reserved_values" };
    PyObject *taken[3];
    PyObject *result = NULL;
    Py_buffer data, offsets, reserved;

    if (arguments("offer_block", names, 3, 2, args, count, keywords, taken) < 0)
    {
        return NULL;
    }

    if (0 == PyObject_GetBuffer(taken[0], &data, PyBUF_SIMPLE))
    {
        if (take_numbers(taken[1], &offsets, "offsets"))
        {
            if (NULL == taken[2] || Py_None == taken[2])
            {
                result = offer_views((offerer_t *)object, &data, &offsets, NULL);
            }
            else if (take_numbers(taken[2], &reserved, "reserved_values"))
            {
                result = offer_views((offerer_t *)object, &data, &offsets, &reserved);
                PyBuffer_Release(&reserved);
            }
            PyBuffer_Release(&offsets);
        }
        PyBuffer_Release(&data);
    }
    return result;
}

static PyObject *offerer_try_claim(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "length" };
    offerer_t *self = (offerer_t *)object;
    PyObject *taken[1];

    if (arguments("try_claim", names, 1, 1, args, count, keywords, taken) < 0)
    {
        return NULL;
    }

    const Py_ssize_t length = PyNumber_AsSsize_t(taken[0], PyExc_OverflowError);
    if (-1 == length && PyErr_Occurred())
    {
        return NULL;
    }
    if (length < 0)
    {
        return PyErr_Format(PyExc_ValueError, "length must not be negative, it is %zd", length);
    }
    return offerer_usable(self, "try_claim") ? claim_new(self, length) : NULL;
}

static PyObject *offerer_is_connected(PyObject *object, PyObject *unused)
{
    const offerer_t *self = (offerer_t *)object;
    (void)unused;

    return PyBool_FromLong(NULL != self->publication &&
        (self->exclusive ? aeron_exclusive_publication_is_connected(self->publication) :
            aeron_publication_is_connected(self->publication)));
}

static PyObject *offerer_disarm(PyObject *object, PyObject *error)
{
    offerer_t *self = (offerer_t *)object;

    PyObject *before = self->closed;
    self->closed = Py_NewRef(error);
    Py_XDECREF(before);

    self->publication = NULL;
    if (getpid() != self->owner)
    {
        self->released = 0; /* a forked child has none of the threads that might be inside */
    }
    while (NULL != self->claims)
    {
        claim_abandon(self->claims);
    }
    wait_until_zero(&self->released, self->owner);
    Py_RETURN_NONE;
}

static PyObject *offerer_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "address", "exclusive", "description", NULL };
    PyObject *address, *description;
    int exclusive;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OpU:Offerer", names, &address, &exclusive, &description))
    {
        return NULL;
    }

    void *publication = PyLong_AsVoidPtr(address);
    if (NULL == publication)
    {
        if (!PyErr_Occurred())
        {
            PyErr_SetString(PyExc_ValueError, "the address of a publication must not be 0");
        }
        return NULL;
    }

    offerer_t *self = (offerer_t *)allocate(type);
    if (NULL != self)
    {
        self->publication = publication;
        self->exclusive = exclusive;
        self->owner = getpid();
        shim_bell_promise(shim_bell_log(publication));
        self->description = Py_NewRef(description);
    }
    return (PyObject *)self;
}

static int offerer_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((offerer_t *)object)->closed);
    return 0;
}

static int offerer_clear(PyObject *object)
{
    Py_CLEAR(((offerer_t *)object)->closed);
    return 0;
}

static void offerer_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    offerer_clear(object);
    Py_CLEAR(((offerer_t *)object)->description);
    release_object(object);
}

static PyMemberDef offerer_members[] = {
    { "description", T_OBJECT_EX, offsetof(offerer_t, description), READONLY, "The publication, for messages." },
    { "stamps", T_BOOL, offsetof(offerer_t, stamps), 0, "Whether messages without a reserved value get the time." },
    { NULL, 0, 0, 0, NULL },
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef offerer_methods[] = {
    { "offer", FAST(offerer_offer), METH_FASTCALL | METH_KEYWORDS,
      "offer(data, reserved_value=None): the position after the message; raises when it was not taken." },
    { "offer_nowait", FAST(offerer_offer_nowait), METH_FASTCALL | METH_KEYWORDS,
      "offer_nowait(data, reserved_value=None): the position, or the negative OfferResult." },
    { "offer_many", FAST(offerer_offer_many), METH_FASTCALL | METH_KEYWORDS,
      "offer_many(buffers): (how many went in, position after the last or the OfferResult that stopped them)." },
    { "offer_block", FAST(offerer_offer_block), METH_FASTCALL | METH_KEYWORDS,
      "offer_block(buffer, offsets, reserved_values=None): how many of the len(offsets) - 1 messages went in." },
    { "try_claim", FAST(offerer_try_claim), METH_FASTCALL | METH_KEYWORDS,
      "try_claim(length): a Claim of the next bytes of the stream; raises when there is no room." },
    { "append_padding", FAST(offerer_append_padding), METH_FASTCALL | METH_KEYWORDS,
      "append_padding(length): the position after so many bytes that no subscriber sees. Exclusive publications only." },
    { "is_connected", offerer_is_connected, METH_NOARGS,
      "is_connected(): whether somebody subscribes; False when disarmed." },
    { "disarm", offerer_disarm, METH_O,
      "disarm(error): abort open claims and never touch the address again; every call raises from now on. "
      "Waits for calls in other threads." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot offerer_slots[] = {
    { Py_tp_doc, (void *)"Offerer(address, exclusive, description): offers to the aeron_publication_t, or "
      "aeron_exclusive_publication_t, at an address." },
    { Py_tp_new, offerer_make },
    { Py_tp_dealloc, offerer_dealloc },
    { Py_tp_traverse, offerer_traverse },
    { Py_tp_clear, offerer_clear },
    { Py_tp_members, offerer_members },
    { Py_tp_methods, offerer_methods },
    { 0, NULL },
};

static PyType_Spec offerer_spec = {
    .name = "aeron_py._aeron.Offerer",
    .basicsize = sizeof(offerer_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = offerer_slots,
};

int offerer_add(PyObject *module)
{
    return add_type(module, &offerer_spec, &offerer_type);
}
