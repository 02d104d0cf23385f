#include "hot.h"
#include "offering.h"

#include "protocol/aeron_udp_protocol.h"

/* A claim is written to memory of its own and copied into the log when it is committed, at most one MTU: what a view of
 * it still does after the commit, or after the publication was closed and its log unmapped, can do no harm. */

static PyTypeObject *claim_type;

struct claim_stct
{
    PyObject_HEAD
    offerer_t *offerer;
    claim_t *previous;
    claim_t *next;
    PyObject *bytes;
    PyObject *view;
    aeron_buffer_claim_t claim;
    Py_ssize_t length;
    long long position;
    long long reserved_value;
    int open;
};

/* From now on the log is not touched any more, and the view can't be used. */
static void finish(claim_t *self)
{
    self->open = 0;
    if (NULL != self->previous)
    {
        self->previous->next = self->next;
    }
    else
    {
        self->offerer->claims = self->next;
    }
    if (NULL != self->next)
    {
        self->next->previous = self->previous;
    }
    self->previous = NULL;
    self->next = NULL;
}

static void release_view(claim_t *self)
{
    if (NULL != self->view)
    {
        PyObject *view = self->view;
        self->view = NULL;
        Py_XDECREF(PyObject_CallMethod(view, "release", NULL));
        PyErr_Clear(); /* an array made of it: it keeps the bytes for itself */
        Py_DECREF(view);
    }
}

/* The driver gives up on a claim that is open for too long and makes padding of it. */
static bool still_claimed(const claim_t *self)
{
    const aeron_data_header_t *header = (const aeron_data_header_t *)self->claim.frame_header;
    const int32_t length = __atomic_load_n(&header->frame_header.frame_length, __ATOMIC_ACQUIRE);

    return -(int32_t)(self->length + AERON_DATA_HEADER_LENGTH) == length;
}

void claim_abandon(claim_t *self)
{
    if (getpid() == self->offerer->owner && still_claimed(self))
    {
        aeron_buffer_claim_abort(&self->claim);
    }
    finish(self);
}

static int64_t try_claim(offerer_t *offerer, Py_ssize_t length, aeron_buffer_claim_t *claim)
{
    return NULL == offerer->publication ? AERON_PUBLICATION_CLOSED : offerer->exclusive ?
        aeron_exclusive_publication_try_claim(offerer->publication, (size_t)length, claim) :
        aeron_publication_try_claim(offerer->publication, (size_t)length, claim);
}

PyObject *claim_new(offerer_t *offerer, Py_ssize_t length)
{
    /* Longer than any datagram: Aeron refuses it, and says what is the most, before memory is asked for. */
    if (length > UINT16_MAX)
    {
        aeron_buffer_claim_t refused;
        raise_offer(try_claim(offerer, length, &refused), "try_claim", offerer->description);
        return NULL;
    }

    PyObject *bytes = PyByteArray_FromStringAndSize(NULL, length);
    if (NULL == bytes)
    {
        return NULL;
    }
    memset(PyByteArray_AsString(bytes), 0, (size_t)length);

    claim_t *self = (claim_t *)allocate(claim_type);
    PyObject *view = PyMemoryView_FromObject(bytes);
    if (NULL == self || NULL == view)
    {
        Py_XDECREF((PyObject *)self);
        Py_XDECREF(view);
        Py_DECREF(bytes);
        return NULL;
    }

    self->offerer = (offerer_t *)Py_NewRef((PyObject *)offerer);
    self->bytes = bytes;
    self->view = view;
    self->length = length;

    int64_t position;
    int tries = 64; /* turning to the next term is over soon */
    do
    {
        position = try_claim(offerer, length, &self->claim);
    }
    while (AERON_PUBLICATION_ADMIN_ACTION == position && --tries > 0);

    if (position < 0)
    {
        raise_offer(position, "try_claim", offerer->description);
        Py_DECREF(self);
        return NULL;
    }

    self->position = position;
    self->open = 1;
    self->next = offerer->claims;
    if (NULL != self->next)
    {
        self->next->previous = self;
    }
    offerer->claims = self;
    return (PyObject *)self;
}

static void raise_over(claim_t *self, const char *operation)
{
    PyObject *description = PyUnicode_FromFormat("the claim on %U", self->offerer->description);
    if (NULL != description)
    {
        raise_closed(self->offerer->closed, operation, description);
        Py_DECREF(description);
    }
}

static PyObject *commit(claim_t *self)
{
    if (!self->open || NULL == self->offerer->publication)
    {
        raise_over(self, "commit");
        return NULL;
    }

    if (!still_claimed(self))
    {
        finish(self);
        release_view(self);
        return PyErr_Format(
            PyExc_TimeoutError, "the claim on %U was open for longer than the driver's publication unblock timeout: "
            "the driver has made padding of it", self->offerer->description);
    }

    aeron_data_header_t *header = (aeron_data_header_t *)self->claim.frame_header;
    const Py_ssize_t size = PyByteArray_Size(self->bytes);
    memcpy(self->claim.data, PyByteArray_AsString(self->bytes), (size_t)(size < self->length ? size : self->length));
    header->reserved_value =
        0 == self->reserved_value && self->offerer->stamps ? shim_stamp() : self->reserved_value;
    aeron_buffer_claim_commit(&self->claim);
    shim_bell_ring(shim_bell_log(self->offerer->publication));
    finish(self);
    release_view(self);
    return PyLong_FromLongLong(self->position);
}

static PyObject *claim_commit(PyObject *self, PyObject *unused)
{
    (void)unused;
    return commit((claim_t *)self);
}

static PyObject *claim_abort(PyObject *object, PyObject *unused)
{
    claim_t *self = (claim_t *)object;
    (void)unused;

    if (self->open)
    {
        claim_abandon(self);
        release_view(self);
    }
    Py_RETURN_NONE;
}

static PyObject *claim_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyObject *claim_exit(PyObject *object, PyObject *args)
{
    claim_t *self = (claim_t *)object;
    PyObject *kind, *error, *trace;

    if (!PyArg_ParseTuple(args, "OOO:__exit__", &kind, &error, &trace))
    {
        return NULL;
    }

    if (Py_None != kind)
    {
        return claim_abort(object, NULL);
    }
    if (NULL == self->view)
    {
        Py_RETURN_NONE; /* it was ended inside the block */
    }

    PyObject *position = commit(self);
    if (NULL == position)
    {
        return NULL;
    }
    Py_DECREF(position);
    Py_RETURN_NONE;
}

static PyObject *claim_buffer(PyObject *object, void *closure)
{
    claim_t *self = (claim_t *)object;
    (void)closure;

    if (!self->open)
    {
        release_view(self);
        raise_over(self, "buffer");
        return NULL;
    }
    return Py_NewRef(self->view);
}

static Py_ssize_t claim_length(PyObject *self)
{
    return ((claim_t *)self)->length;
}

static PyObject *claim_repr(PyObject *object)
{
    const claim_t *self = (claim_t *)object;

    return PyUnicode_FromFormat(
        "<Claim of %zd bytes on %U%s>", self->length, self->offerer->description, self->open ? "" : " (over)");
}

static void claim_dealloc(PyObject *object)
{
    claim_t *self = (claim_t *)object;

    if (self->open)
    {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        claim_abandon(self);
        if (PyErr_WarnFormat(
            PyExc_ResourceWarning, 1, "a claim of %zd bytes on %U was neither committed nor aborted",
            self->length, self->offerer->description) < 0)
        {
            PyErr_WriteUnraisable(self->offerer->description);
        }
        PyErr_Restore(type, value, trace);
    }

    Py_CLEAR(self->view);
    Py_CLEAR(self->bytes);
    Py_CLEAR(self->offerer);
    release_object(object);
}

static PyMemberDef claim_members[] = {
    { "position", T_LONGLONG, offsetof(claim_t, position), READONLY, "Stream position after the message." },
    { "reserved_value", T_LONGLONG, offsetof(claim_t, reserved_value), 0, "The 64 bits of its own in the header." },
    { NULL, 0, 0, 0, NULL },
};

static PyGetSetDef claim_attributes[] = {
    { "buffer", claim_buffer, NULL,
      "The bytes to fill, zero at first (writable memoryview), released by commit and abort.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef claim_methods[] = {
    { "commit", claim_commit, METH_NOARGS, "commit(): let subscribers have it; the position after it." },
    { "abort", claim_abort, METH_NOARGS, "abort(): make padding of it. Harmless when it is over." },
    { "__enter__", claim_enter, METH_NOARGS, NULL },
    { "__exit__", claim_exit, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot claim_slots[] = {
    { Py_tp_doc, (void *)"The next bytes of a stream, claimed to be filled in: commit or abort it.\n\n"
      "As a context manager it is committed at the end of the block, and aborted by an exception." },
    { Py_tp_dealloc, claim_dealloc },
    { Py_tp_repr, claim_repr },
    { Py_tp_members, claim_members },
    { Py_tp_getset, claim_attributes },
    { Py_tp_methods, claim_methods },
    { Py_sq_length, claim_length },
    { 0, NULL },
};

static PyType_Spec claim_spec = {
    .name = "aeron_py.Claim",
    .basicsize = sizeof(claim_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = claim_slots,
};

int claim_add(PyObject *module)
{
    return add_type(module, &claim_spec, &claim_type);
}

/* Padding is a claim that is given up at once, without a claim to hold. */
PyObject *offerer_append_padding(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "length" };
    offerer_t *self = (offerer_t *)object;
    PyObject *taken[1];

    if (arguments("append_padding", names, 1, 1, args, count, keywords, taken) < 0)
    {
        return NULL;
    }

    const Py_ssize_t length = PyNumber_AsSsize_t(taken[0], PyExc_OverflowError);
    if (-1 == length && PyErr_Occurred())
    {
        return NULL;
    }
    if (length < 0 || !self->exclusive)
    {
        PyErr_SetString(PyExc_ValueError, length < 0 ? "length must not be negative" : "not an exclusive publication");
        return NULL;
    }
    if (!offerer_usable(self, "append_padding"))
    {
        return NULL;
    }

    const int64_t position = aeron_exclusive_publication_append_padding(self->publication, (size_t)length);
    if (position < 0)
    {
        raise_offer(position, "append_padding", self->description);
        return NULL;
    }
    return PyLong_FromLongLong(position);
}
