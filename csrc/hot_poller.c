#include "hot_poller.h"

static PyTypeObject *poller_type;

static PyObject *poller_watch_events(PyObject *object, PyObject *args)
{
    poller_t *self = (poller_t *)object;
    PyObject *address, *callback;

    if (!PyArg_ParseTuple(args, "OO:watch_events", &address, &callback))
    {
        return NULL;
    }

    const void *events = PyLong_AsVoidPtr(address);
    if (NULL == events && PyErr_Occurred())
    {
        return NULL;
    }

    PyObject *before = self->on_events;
    self->on_events = Py_NewRef(callback);
    self->events = events;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *poller_forget(PyObject *object, PyObject *number)
{
    poller_t *self = (poller_t *)object;
    const long session_id = PyLong_AsLong(number);

    if (-1 == session_id && PyErr_Occurred())
    {
        return NULL;
    }
    if (0 == self->guard->thread)
    {
        shim_assembler_forget(self->assembler, (int32_t)session_id);
    }
    Py_RETURN_NONE;
}

static PyObject *poller_busy_here(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((poller_t *)object)->thread == PyThread_get_thread_ident());
}

/* Aeron's subscriptions bear one thread at a time: each call that looks at the images tells the conductor that older
 * lists of them may be freed, one that another thread's poll is in the middle of, too. The interpreter's lock keeps them
 * apart, but for a poll without it. Again in the same thread, as from a finaliser, it must not wait for itself. */
static PyObject *poller_look(PyObject *object, PyObject *unused)
{
    poller_t *self = (poller_t *)object;
    (void)unused;

    if (0 != pthread_mutex_trylock(&self->images))
    {
        self->looking++;
        Py_BEGIN_ALLOW_THREADS
        pthread_mutex_lock(&self->images);
        Py_END_ALLOW_THREADS
        self->looking--;
    }
    return Py_NewRef(object);
}

static PyObject *poller_looked(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    pthread_mutex_unlock(&((poller_t *)object)->images);
    Py_RETURN_NONE;
}

static PyObject *poller_disarm(PyObject *object, PyObject *error)
{
    poller_t *self = (poller_t *)object;

    self->object = NULL;
    self->subscription = NULL;
    self->events = NULL;
    PyObject *before = self->closed;
    self->closed = Py_NewRef(error);
    Py_XDECREF(before);

    if (getpid() != self->owner)
    {
        self->guard->thread = 0;
        self->thread = 0; /* a forked child has none of the threads that might be inside */
        self->released = 0;
    }
    wait_until_zero(&self->released, self->owner);
    Py_CLEAR(self->on_events);
    Py_RETURN_NONE;
}

static PyObject *poller_pending(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(kept((poller_t *)self));
}

static PyObject *poller_next_position(PyObject *object, void *closure)
{
    const poller_t *self = (poller_t *)object;

    (void)closure;
    return PyLong_FromLongLong(0 == kept(self) ? -1 : self->entries[self->first].position);
}

static PyObject *poller_partials(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(shim_assembler_partials(((poller_t *)self)->assembler));
}

static PyObject *poller_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "address", "image", "description", "assemble", "function", "guard", NULL };
    PyObject *address, *description, *function = NULL, *guard = Py_None;
    int image, assemble = 1;

    if (!PyArg_ParseTupleAndKeywords(
        args, keywords, "OpU|p$OO:Poller", names, &address, &image, &description, &assemble, &function, &guard))
    {
        return NULL;
    }

    void *polled = PyLong_AsVoidPtr(address);
    void *given = NULL == function ? NULL : PyLong_AsVoidPtr(function);
    if (PyErr_Occurred())
    {
        return NULL;
    }
    if (NULL == polled)
    {
        PyErr_SetString(PyExc_ValueError, "the address to poll must not be 0");
        return NULL;
    }

    if (Py_None != guard && Py_TYPE(guard) != poller_type)
    {
        return PyErr_Format(PyExc_TypeError, "guard must be a Poller, not %R", (PyObject *)Py_TYPE(guard));
    }

    poller_t *self = (poller_t *)allocate(type);
    if (NULL == self)
    {
        return NULL;
    }

    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&self->images, &recursive);
    pthread_mutexattr_destroy(&recursive);

    self->owner = getpid();
    self->object = polled;
    self->guard = Py_None == guard ? self : (poller_t *)Py_NewRef(guard);
    self->description = Py_NewRef(description);
    if (NULL != given)
    {
        memcpy(&self->function, &given, sizeof(given));
    }
    else if (image)
    {
        self->function = (shim_poll_t)aeron_image_controlled_poll;
    }
    else
    {
        self->function = (shim_poll_t)aeron_subscription_controlled_poll;
        self->subscription = polled;
    }

    if (shim_assembler_create(&self->assembler, assemble) < 0)
    {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static int poller_traverse(PyObject *object, visitproc visit, void *arg)
{
    const poller_t *self = (poller_t *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->on_events);
    Py_VISIT(self->closed);
    if (self->guard != self)
    {
        Py_VISIT((PyObject *)self->guard);
    }
    return 0;
}

static int poller_clear(PyObject *object)
{
    poller_t *self = (poller_t *)object;

    self->events = NULL;
    Py_CLEAR(self->on_events);
    Py_CLEAR(self->closed);
    return 0;
}

static void poller_dealloc(PyObject *object)
{
    poller_t *self = (poller_t *)object;

    PyObject_GC_UnTrack(object);
    poller_clear(object);
    while (self->first < self->last)
    {
        Py_DECREF(self->entries[self->first++].payload);
    }
    free(self->entries);
    for (int i = 0; i < BLOCKS; i++)
    {
        Py_CLEAR(self->blocks[i]);
    }
    Py_CLEAR(self->description);
    if (NULL != self->guard && self->guard != self)
    {
        Py_DECREF((PyObject *)self->guard);
    }
    shim_assembler_delete(self->assembler);
    pthread_mutex_destroy(&self->images);
    release_object(object);
}

static PyMemberDef poller_members[] = {
    { "description", T_OBJECT_EX, offsetof(poller_t, description), READONLY, "What is polled, for messages." },
    { NULL, 0, 0, 0, NULL },
};

static PyGetSetDef poller_attributes[] = {
    { "pending", poller_pending, NULL, "Messages polled and kept for the next call.", NULL },
    { "next_position", poller_next_position, NULL, "Where the first of these ends; -1 when there is none.", NULL },
    { "partials", poller_partials, NULL, "Sessions of which a part of a message is held.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef poller_methods[] = {
    { "poll", FAST(poller_poll), METH_FASTCALL | METH_KEYWORDS,
      "poll(handler, limit=10): hand each message to handler; how many. limit counts fragments." },
    { "controlled_poll", FAST(poller_controlled_poll), METH_FASTCALL | METH_KEYWORDS,
      "controlled_poll(handler, limit=10, limit_position=2**63 - 1): hand each message to handler, which says what "
      "becomes of it; how many were taken. limit counts messages." },
    { "poll_payloads", FAST(poller_poll_payloads), METH_FASTCALL | METH_KEYWORDS,
      "poll_payloads(limit=256): the payloads as a list of bytes." },
    { "poll_messages", FAST(poller_poll_messages), METH_FASTCALL | METH_KEYWORDS,
      "poll_messages(limit=256): a list of Message." },
    { "take", FAST(poller_take), METH_FASTCALL | METH_KEYWORDS,
      "take(ahead=64): the next Message or None; polls up to so many at once and keeps them for the next call." },
    { "poll_block", FAST(poller_poll_block), METH_FASTCALL | METH_KEYWORDS,
      "poll_block(limit=1024): the messages in one Block, empty when there are none." },
    { "block_poll", poller_block_poll, METH_O,
      "block_poll(limit): the frames that an image has, as bytes, so many bytes at most; never across the end of a term, "
      "and without the padding there." },
    { "watch_events", poller_watch_events, METH_VARARGS,
      "watch_events(address, callback): before each poll look at the int32 there and call when it is not 0." },
    { "forget", poller_forget, METH_O, "forget(session_id): drop the part of a message of a session that is gone." },
    { "busy_here", poller_busy_here, METH_NOARGS, "busy_here(): whether this thread is inside a poll." },
    { "__enter__", poller_look, METH_NOARGS,
      "Until the end of the block no other thread is inside poll_block: for calls that look at the images." },
    { "__exit__", FAST(poller_looked), METH_FASTCALL, NULL },
    { "disarm", poller_disarm, METH_O,
      "disarm(error): never touch the address again; every call raises from now on. "
      "Waits for a call in another thread." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot poller_slots[] = {
    { Py_tp_doc, (void *)"Poller(address, image, description, assemble=True, *, function=0, guard=None): polls "
      "the aeron_subscription_t, or aeron_image_t, at an address.\n\nfunction: address of another function of the "
      "shape of aeron_subscription_controlled_poll to poll it with.\nguard: the poller of an image's subscription: "
      "one call at a time on both." },
    { Py_tp_new, poller_make },
    { Py_tp_dealloc, poller_dealloc },
    { Py_tp_traverse, poller_traverse },
    { Py_tp_clear, poller_clear },
    { Py_tp_members, poller_members },
    { Py_tp_getset, poller_attributes },
    { Py_tp_methods, poller_methods },
    { 0, NULL },
};

static PyType_Spec poller_spec = {
    .name = "aeron_py._aeron.Poller",
    .basicsize = sizeof(poller_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = poller_slots,
};

int poller_add(PyObject *module)
{
    return poller_make_empty() < 0 ? -1 : add_type(module, &poller_spec, &poller_type);
}
