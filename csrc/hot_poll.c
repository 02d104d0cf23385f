#include "hot.h"

#define POLL_LIMIT (10)
#define LIST_LIMIT (256)
#define BLOCK_LIMIT (1024)
#define TAKE_LIMIT (64)

/* The first fragments of a batch: polling them is shorter than giving up the interpreter's lock and having it back, so it is
 * given up only when more are there. */
#define LOCKED_LIMIT (64)

/* A batch in use and the next one: a loop needs no more, and who keeps batches gets new ones. */
#define BLOCKS (2)

/* A block that once grew far beyond what batches need now is let go. */
#define LARGE_DATA (16 * 1024 * 1024)

static PyTypeObject *poller_type;
static PyObject *empty_block;

typedef struct entry_stct
{
    PyObject *payload;
    int64_t position;
    int64_t reserved_value;
    int32_t session_id;
    int32_t stream_id;
}
entry_t;

typedef struct poller_stct
{
    PyObject_HEAD
    shim_poll_t function;
    void *object;             /* NULL once disarmed */
    aeron_subscription_t *subscription;
    shim_assembler_t *assembler;
    const int32_t *events;
    PyObject *on_events;
    PyObject *closed;
    PyObject *description;
    entry_t *entries;         /* polled and not yet handed on: entries[first] to entries[last - 1] */
    size_t first;
    size_t last;
    size_t capacity;
    PyObject *blocks[BLOCKS];
    unsigned long thread;     /* that is inside a call, 0 when none is */
    pid_t owner;
    int released;             /* inside Aeron without the interpreter's lock */
}
poller_t;

static bool usable(poller_t *self, const char *operation)
{
    if (NULL == self->object)
    {
        raise_closed(self->closed, operation, self->description);
        return false;
    }
    if (0 != self->thread)
    {
        raise_busy(operation, self->description);
        return false;
    }
    return true;
}

static bool enter(poller_t *self, const char *operation)
{
    if (!usable(self, operation))
    {
        return false;
    }

    if (NULL != self->events && 0 != __atomic_load_n(self->events, __ATOMIC_ACQUIRE))
    {
        PyObject *callback = Py_NewRef(self->on_events);
        PyObject *result = PyObject_CallNoArgs(callback);
        Py_DECREF(callback);
        if (NULL == result)
        {
            return false;
        }
        Py_DECREF(result);
        if (!usable(self, operation))
        {
            return false;
        }
    }

    self->thread = PyThread_get_thread_ident();
    return true;
}

static inline PyObject *leave(poller_t *self, PyObject *result)
{
    self->thread = 0;
    return result;
}

/* The sink for objects. Runs inside Aeron, with the interpreter's lock: makes bytes and calls nobody. */
static int keep_entry(void *clientd, const shim_message_t *message)
{
    poller_t *self = clientd;

    if (self->last == self->capacity)
    {
        const size_t capacity = 0 == self->capacity ? POLL_LIMIT : 2 * self->capacity;
        entry_t *entries = realloc(self->entries, capacity * sizeof(*entries));
        if (NULL == entries)
        {
            PyErr_NoMemory();
            return -1;
        }
        self->entries = entries;
        self->capacity = capacity;
    }

    entry_t *entry = &self->entries[self->last];
    entry->payload = PyBytes_FromStringAndSize((const char *)message->buffer, (Py_ssize_t)message->length);
    if (NULL == entry->payload)
    {
        return -1;
    }

    entry->position = message->position;
    entry->reserved_value = message->reserved_value;
    entry->session_id = message->session_id;
    entry->stream_id = message->stream_id;
    self->last++;
    return 0;
}

/* What went wrong in a poll that brought nothing. What brought something is returned, the trouble comes again. */
static void raise_poll(poller_t *self, int fragments, const char *operation)
{
    if (PyErr_Occurred())
    {
        return;
    }
    if (fragments < 0)
    {
        raise_last(operation, self->description);
    }
    else
    {
        PyErr_NoMemory();
    }
}

static int poll_entries(poller_t *self, Py_ssize_t limit, const char *operation)
{
    while (limit > 0 && NULL != self->object)
    {
        const size_t slice = limit < SLICE_LIMIT ? (size_t)limit : SLICE_LIMIT;
        shim_assembler_sink(self->assembler, keep_entry, self);
        const int fragments = shim_poll(self->function, self->object, self->assembler, slice);

        if (NULL != self->subscription)
        {
            shim_poll_sweep(self->assembler, self->subscription);
        }

        if (fragments < 0 || shim_assembler_refused(self->assembler))
        {
            if (self->first == self->last)
            {
                raise_poll(self, fragments, operation);
                return -1;
            }
            PyErr_Clear();
            break;
        }

        limit -= (Py_ssize_t)slice;
        if (limit <= 0 || shim_assembler_messages(self->assembler) < slice)
        {
            break;
        }

        Py_BEGIN_ALLOW_THREADS
        Py_END_ALLOW_THREADS
    }
    return 0;
}

static inline size_t kept(const poller_t *self)
{
    return self->last - self->first;
}

static bool fill(poller_t *self, Py_ssize_t limit, const char *operation)
{
    if (self->first < self->last)
    {
        return true; /* left over from a poll that an exception ended */
    }

    self->first = 0;
    self->last = 0;
    return 0 == poll_entries(self, limit, operation);
}

static inline size_t at_most(const poller_t *self, Py_ssize_t limit)
{
    const size_t count = kept(self);
    return count < (size_t)limit ? count : (size_t)limit;
}

static inline PyObject *message_of(const entry_t *entry)
{
    return message_new(
        Py_NewRef(entry->payload), entry->position, entry->reserved_value, entry->session_id, entry->stream_id);
}

/* In the limited API since 3.12 only, but the same function is there in 3.11. */
PyAPI_FUNC(PyObject *) PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t count, PyObject *keywords);

/* The first entry as a message, in place of the last one if only we still hold that: most handlers keep none. */
static PyObject *next_message(poller_t *self, PyObject *last)
{
    entry_t *entry = &self->entries[self->first];

    if (NULL != last && 1 == Py_REFCNT(last))
    {
        message_t *message = (message_t *)last;
        PyObject *before = message->payload;
        message->payload = entry->payload;
        message->position = entry->position;
        message->reserved_value = entry->reserved_value;
        message->session_id = entry->session_id;
        message->stream_id = entry->stream_id;
        self->first++;
        Py_DECREF(before);
        return last;
    }

    PyObject *message = message_of(entry);
    if (NULL != message)
    {
        Py_DECREF(entry->payload);
        self->first++;
    }
    Py_XDECREF(last);
    return message;
}

static PyObject *deliver(poller_t *self, PyObject *handler, size_t count)
{
    PyObject *args[] = { NULL, NULL }; /* a bound method puts its object in the first place */

    for (size_t i = 0; i < count; i++)
    {
        args[1] = next_message(self, args[1]);
        if (NULL == args[1])
        {
            return NULL;
        }

        PyObject *result = PyObject_Vectorcall(handler, &args[1], 1 | ((size_t)1 << (8 * sizeof(size_t) - 1)), NULL);
        if (NULL == result)
        {
            Py_DECREF(args[1]);
            return NULL;
        }
        Py_DECREF(result);
    }

    Py_XDECREF(args[1]);
    return PyLong_FromSize_t(count);
}

static PyObject *poller_poll(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "handler", "limit" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[2];

    if (arguments("poll", names, 2, 1, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t limit = limit_of(taken[1], POLL_LIMIT);
    if (limit < 0)
    {
        return NULL;
    }
    if (!PyCallable_Check(taken[0]))
    {
        return PyErr_Format(PyExc_TypeError, "poll() needs a callable handler, not %R", (PyObject *)Py_TYPE(taken[0]));
    }

    if (!enter(self, "poll"))
    {
        return NULL;
    }
    return leave(self, fill(self, limit, "poll") ? deliver(self, taken[0], at_most(self, limit)) : NULL);
}

static PyObject *take_payloads(poller_t *self, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    if (NULL != list)
    {
        for (size_t i = 0; i < count; i++)
        {
            PyList_SetItem(list, (Py_ssize_t)i, self->entries[self->first++].payload);
        }
    }
    return list;
}

static PyObject *take_messages(poller_t *self, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    if (NULL == list)
    {
        return NULL;
    }

    for (size_t i = 0; i < count; i++)
    {
        PyObject *message = message_of(&self->entries[self->first + i]);
        if (NULL == message)
        {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SetItem(list, (Py_ssize_t)i, message);
    }

    for (size_t i = 0; i < count; i++)
    {
        Py_DECREF(self->entries[self->first++].payload);
    }
    return list;
}

static PyObject *poll_list(
    PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
    const char *operation, PyObject *(*take)(poller_t *, size_t))
{
    static const char *const names[] = { "limit" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[1];

    if (arguments(operation, names, 1, 0, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t limit = limit_of(taken[0], LIST_LIMIT);
    if (limit < 0 || !enter(self, operation))
    {
        return NULL;
    }
    return leave(self, fill(self, limit, operation) ? take(self, at_most(self, limit)) : NULL);
}

static PyObject *poller_poll_payloads(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return poll_list(self, args, count, keywords, "poll_payloads", take_payloads);
}

static PyObject *poller_poll_messages(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return poll_list(self, args, count, keywords, "poll_messages", take_messages);
}

static PyObject *poller_take(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "ahead" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[1];

    if (arguments("take", names, 1, 0, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t ahead = limit_of(taken[0], TAKE_LIMIT);
    if (ahead < 0 || !enter(self, "take"))
    {
        return NULL;
    }
    if (!fill(self, ahead, "take"))
    {
        return leave(self, NULL);
    }
    return leave(self, 0 == kept(self) ? Py_NewRef(Py_None) : next_message(self, NULL));
}

/* A block that nobody else holds, views included: a view holds its block. */
static PyObject *free_block(poller_t *self)
{
    int place = 0;

    for (int i = 0; i < BLOCKS; i++)
    {
        PyObject *block = self->blocks[i];
        if (NULL == block)
        {
            place = i;
        }
        else if (1 == Py_REFCNT(block))
        {
            shim_block_t *raw = ((block_t *)block)->block;
            const size_t used = 0 == raw->count ? 0 : (size_t)raw->offsets[raw->count];
            place = i;
            if (raw->data_capacity <= LARGE_DATA || used > raw->data_capacity / 4)
            {
                shim_block_clear(raw);
                return Py_NewRef(block);
            }
        }
    }

    shim_block_t *raw;
    if (shim_block_create(&raw, BLOCK_LIMIT, (size_t)64 * BLOCK_LIMIT) < 0)
    {
        return PyErr_NoMemory();
    }

    PyObject *block = block_wrap(raw);
    if (NULL != block)
    {
        Py_XDECREF(self->blocks[place]);
        self->blocks[place] = Py_NewRef(block);
    }
    return block;
}

static bool take_into_block(poller_t *self, shim_block_t *block, size_t count)
{
    for (size_t i = 0; i < count; i++)
    {
        const entry_t *entry = &self->entries[self->first];
        char *data;
        Py_ssize_t length;

        PyBytes_AsStringAndSize(entry->payload, &data, &length);
        if (shim_block_append(
            block, (const uint8_t *)data, (size_t)length, entry->position, entry->reserved_value, entry->session_id) < 0)
        {
            PyErr_NoMemory();
            return 0 < i;
        }
        block->stream_id = entry->stream_id;
        Py_DECREF(entry->payload);
        self->first++;
    }
    return true;
}

static bool poll_into_block(poller_t *self, shim_block_t *block, size_t limit)
{
    const shim_poll_t function = self->function;
    void *object = self->object;
    const size_t locked = limit < LOCKED_LIMIT ? limit : LOCKED_LIMIT;

    shim_assembler_sink(self->assembler, shim_block_sink, block);
    int fragments = shim_poll(function, object, self->assembler, locked);

    if (fragments >= (int)locked && limit > locked && !shim_assembler_refused(self->assembler))
    {
        self->released = 1;
        Py_BEGIN_ALLOW_THREADS
        fragments = shim_poll(function, object, self->assembler, limit - locked);
        Py_END_ALLOW_THREADS
        self->released = 0;
    }

    if (NULL != self->subscription)
    {
        shim_poll_sweep(self->assembler, self->subscription);
    }

    if (0 == block->count && (fragments < 0 || shim_assembler_refused(self->assembler)))
    {
        raise_poll(self, fragments, "poll_block");
        return false;
    }
    return true;
}

static PyObject *poller_poll_block(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "limit" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[1];

    if (arguments("poll_block", names, 1, 0, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t limit = limit_of(taken[0], BLOCK_LIMIT);
    if (limit < 0 || !enter(self, "poll_block"))
    {
        return NULL;
    }

    PyObject *block = free_block(self);
    if (NULL == block)
    {
        return leave(self, NULL);
    }

    shim_block_t *raw = ((block_t *)block)->block;
    const bool done = kept(self) > 0 ?
        take_into_block(self, raw, at_most(self, limit)) : poll_into_block(self, raw, (size_t)limit);

    if (!done || 0 == raw->count)
    {
        Py_DECREF(block);
        return leave(self, done ? Py_NewRef(empty_block) : NULL);
    }
    PyErr_Clear();
    return leave(self, block);
}

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
    if (0 == self->thread)
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

static PyObject *poller_partials(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(shim_assembler_partials(((poller_t *)self)->assembler));
}

static PyObject *poller_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "address", "image", "description", "assemble", "function", NULL };
    PyObject *address, *description, *function = NULL;
    int image, assemble = 1;

    if (!PyArg_ParseTupleAndKeywords(
        args, keywords, "OpU|p$O:Poller", names, &address, &image, &description, &assemble, &function))
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

    poller_t *self = (poller_t *)allocate(type);
    if (NULL == self)
    {
        return NULL;
    }

    self->owner = getpid();
    self->object = polled;
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
    shim_assembler_delete(self->assembler);
    release_object(object);
}

static PyMemberDef poller_members[] = {
    { "description", T_OBJECT_EX, offsetof(poller_t, description), READONLY, "What is polled, for messages." },
    { NULL, 0, 0, 0, NULL },
};

static PyGetSetDef poller_attributes[] = {
    { "pending", poller_pending, NULL, "Messages polled and kept for the next call.", NULL },
    { "partials", poller_partials, NULL, "Sessions of which a part of a message is held.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef poller_methods[] = {
    { "poll", FAST(poller_poll), METH_FASTCALL | METH_KEYWORDS,
      "poll(handler, limit=10): hand each message to handler; how many. limit counts fragments." },
    { "poll_payloads", FAST(poller_poll_payloads), METH_FASTCALL | METH_KEYWORDS,
      "poll_payloads(limit=256): the payloads as a list of bytes." },
    { "poll_messages", FAST(poller_poll_messages), METH_FASTCALL | METH_KEYWORDS,
      "poll_messages(limit=256): a list of Message." },
    { "take", FAST(poller_take), METH_FASTCALL | METH_KEYWORDS,
      "take(ahead=64): the next Message or None; polls up to so many at once and keeps them for the next call." },
    { "poll_block", FAST(poller_poll_block), METH_FASTCALL | METH_KEYWORDS,
      "poll_block(limit=1024): the messages in one Block, empty when there are none." },
    { "watch_events", poller_watch_events, METH_VARARGS,
      "watch_events(address, callback): before each poll look at the int32 there and call when it is not 0." },
    { "forget", poller_forget, METH_O, "forget(session_id): drop the part of a message of a session that is gone." },
    { "busy_here", poller_busy_here, METH_NOARGS, "busy_here(): whether this thread is inside a poll." },
    { "disarm", poller_disarm, METH_O,
      "disarm(error): never touch the address again; every call raises from now on. Waits for a call in another thread." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot poller_slots[] = {
    { Py_tp_doc, (void *)"Poller(address, image, description, assemble=True, *, function=0): polls the aeron_subscription_t, or "
      "aeron_image_t, at an address.\n\nfunction: address of another function of the shape of "
      "aeron_subscription_controlled_poll to poll it with." },
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
    shim_block_t *block;

    if (shim_block_create(&block, 1, 1) < 0)
    {
        PyErr_NoMemory();
        return -1;
    }
    empty_block = block_wrap(block);
    return NULL == empty_block ? -1 : add_type(module, &poller_spec, &poller_type);
}
