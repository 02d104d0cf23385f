/* The poller, shared by its two halves: hot_poll.c polls, hot_poller.c is the type with its guards and its end. */

#ifndef SHIM_HOT_POLLER_H
#define SHIM_HOT_POLLER_H

#include "hot.h"

#include <pthread.h>

/* A batch in use and the next one: a loop needs no more, and who keeps batches gets new ones. */
#define BLOCKS (2)

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
    struct poller_stct *guard; /* whose thread counts, too: an image's subscription, else itself */
    pid_t owner;
    int released;             /* inside Aeron without the interpreter's lock */
    pthread_mutex_t images;   /* held meanwhile, and by whoever else looks at the subscription's images */
    int looking;              /* threads that want it, changed with the interpreter's lock */
}
poller_t;

static inline size_t kept(const poller_t *self)
{
    return self->last - self->first;
}

static inline PyObject *message_of(const entry_t *entry)
{
    return message_new(
        Py_NewRef(entry->payload), entry->position, entry->reserved_value, entry->session_id, entry->stream_id);
}

static inline PyObject *leave(poller_t *self, PyObject *result)
{
    self->thread = 0;
    self->guard->thread = 0;
    return result;
}

/* In the limited API since 3.12 only, but the same function is there in 3.11. */
PyAPI_FUNC(PyObject *) PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t count, PyObject *keywords);

/* hot_poll.c */
bool poller_enter(poller_t *self, const char *operation);

/* The sink for objects. Runs inside Aeron, with the interpreter's lock: makes bytes and calls nobody. */
int poller_keep(void *clientd, const shim_message_t *message);

/* What went wrong in a poll that brought nothing. What brought something is returned, the trouble comes again. */
void poller_raise(poller_t *self, int fragments, const char *operation);

#define CALL(name) PyObject *name(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)

CALL(poller_poll);
CALL(poller_poll_payloads);
CALL(poller_poll_messages);
CALL(poller_poll_block);
CALL(poller_take);
int poller_make_empty(void);

/* hot_controlled.c */
CALL(poller_controlled_poll);

/* hot_image.c: of an image's poller alone */
PyObject *poller_block_poll(PyObject *object, PyObject *limit);

#endif
