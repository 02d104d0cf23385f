#include "hot_poller.h"

#define POLL_LIMIT (10)
#define LIST_LIMIT (256)
#define BLOCK_LIMIT (1024)
#define TAKE_LIMIT (64)

/* The first fragments of a batch: polling them is shorter than giving up the interpreter's lock and having it back, so
 * it is given up only when more are there. */
#define LOCKED_LIMIT (64)

/* A block that once grew far beyond what batches need now is let go. */
#define LARGE_DATA (16 * 1024 * 1024)

static PyObject *empty_block;

static bool usable(poller_t *self, const char *operation)
{
    if (NULL == self->object)
    {
        raise_closed(self->closed, operation, self->description);
        return false;
    }
    if (0 != self->guard->thread)
    {
        raise_busy(operation, self->description);
        return false;
    }
    return true;
}

bool poller_enter(poller_t *self, const char *operation)
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
    self->guard->thread = self->thread;
    return true;
}

int poller_keep(void *clientd, const shim_message_t *message)
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

void poller_raise(poller_t *self, int fragments, const char *operation)
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
        shim_assembler_sink(self->assembler, poller_keep, self);
        const int fragments = shim_poll(self->function, self->object, self->assembler, slice);

        if (NULL != self->subscription)
        {
            shim_poll_sweep(self->assembler, self->subscription);
        }

        if (fragments < 0 || shim_assembler_refused(self->assembler))
        {
            if (self->first == self->last)
            {
                poller_raise(self, fragments, operation);
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

CALL(poller_poll)
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

    if (!poller_enter(self, "poll"))
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
    if (limit < 0 || !poller_enter(self, operation))
    {
        return NULL;
    }
    return leave(self, fill(self, limit, operation) ? take(self, at_most(self, limit)) : NULL);
}

CALL(poller_poll_payloads)
{
    return poll_list(object, args, count, keywords, "poll_payloads", take_payloads);
}

CALL(poller_poll_messages)
{
    return poll_list(object, args, count, keywords, "poll_messages", take_messages);
}

CALL(poller_take)
{
    static const char *const names[] = { "ahead" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[1];

    if (arguments("take", names, 1, 0, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t ahead = limit_of(taken[0], TAKE_LIMIT);
    if (ahead < 0 || !poller_enter(self, "messages"))
    {
        return NULL;
    }
    if (!fill(self, ahead, "messages"))
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
            block, (uint8_t *)data, (size_t)length, entry->position, entry->reserved_value, entry->session_id) < 0)
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
        if (self->looking > 0)
        {
            fragments = shim_poll(function, object, self->assembler, limit - locked);
        }
        else
        {
            self->released = 1;
            Py_BEGIN_ALLOW_THREADS
            pthread_mutex_lock(&self->images);
            fragments = shim_poll(function, object, self->assembler, limit - locked);
            pthread_mutex_unlock(&self->images);
            Py_END_ALLOW_THREADS
            self->released = 0;
        }
    }

    if (NULL != self->subscription)
    {
        shim_poll_sweep(self->assembler, self->subscription);
    }

    if (0 == block->count && (fragments < 0 || shim_assembler_refused(self->assembler)))
    {
        poller_raise(self, fragments, "poll_block");
        return false;
    }
    return true;
}

CALL(poller_poll_block)
{
    static const char *const names[] = { "limit" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[1];

    if (arguments("poll_block", names, 1, 0, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t limit = limit_of(taken[0], BLOCK_LIMIT);
    if (limit < 0 || !poller_enter(self, "poll_block"))
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

int poller_make_empty(void)
{
    shim_block_t *block;

    if (shim_block_create(&block, 1, 1) < 0)
    {
        PyErr_NoMemory();
        return -1;
    }
    empty_block = block_wrap(block);
    return NULL == empty_block ? -1 : 0;
}
