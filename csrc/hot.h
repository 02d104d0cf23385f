/* The calls made once a message or once a poll, as builtins of CPython's limited API: a call through cffi costs more
 * than Aeron itself. Part of the same extension module; hot.c adds the types to it.
 *
 * Rules. Aeron is called with the interpreter's lock held, so no other thread of the interpreter can be in the same
 * object, and nothing calls Python from inside Aeron. Where the lock is given up, a flag says so, and whoever closes
 * waits for it. The closing side calls disarm() before it frees anything: an address is never used afterwards. */

#ifndef SHIM_HOT_H
#define SHIM_HOT_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
#include <structmember.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

/* More than that at once would keep other threads of the interpreter waiting. */
#define SLICE_LIMIT (1024)

/* hot.c */
int aeron_py_hot_add(PyObject *module);

void raise_offer(int64_t result, const char *operation, PyObject *description);
void raise_busy(const char *operation, PyObject *description);
void raise_closed(PyObject *error, const char *operation, PyObject *description);
void raise_last(const char *operation, PyObject *description);

int take_arguments(
    const char *function, const char *const *names, Py_ssize_t named, Py_ssize_t required,
    PyObject *const *values, Py_ssize_t count, PyObject *keywords, PyObject **taken);

/* The arguments of a vector call, by position or by name: 0, or -1 with an error set. Those absent are NULL. */
static inline int arguments(
    const char *function, const char *const *names, Py_ssize_t named, Py_ssize_t required,
    PyObject *const *values, Py_ssize_t count, PyObject *keywords, PyObject **taken)
{
    if (NULL != keywords || count < required || count > named)
    {
        return take_arguments(function, names, named, required, values, count, keywords, taken);
    }

    for (Py_ssize_t i = 0; i < named; i++)
    {
        taken[i] = i < count ? values[i] : NULL;
    }
    return 0;
}

/* A limit of at least 1; `absent` when value is NULL. -1 with an error set. */
Py_ssize_t limit_of(PyObject *value, Py_ssize_t absent);

PyObject *allocate(PyTypeObject *type);
void release_object(PyObject *object);
int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type);

/* Waits, with the interpreter's lock given up, until the flag is zero. Not in a forked child: nobody would clear it. */
void wait_until_zero(const int *flag, pid_t owner);

/* hot_message.c */
typedef struct message_stct
{
    PyObject_HEAD
    PyObject *payload;
    long long position;
    long long reserved_value;
    int session_id;
    int stream_id;
}
message_t;

extern PyTypeObject *message_type;
int message_add(PyObject *module);

/* Takes over the reference to the payload, also when it fails. */
PyObject *message_new(
    PyObject *payload, int64_t position, int64_t reserved_value, int32_t session_id, int32_t stream_id);

/* hot_block.c */
typedef struct block_stct
{
    PyObject_HEAD
    shim_block_t *block;
}
block_t;

extern PyTypeObject *block_type;
int block_add(PyObject *module);
PyObject *block_wrap(shim_block_t *block);
PyObject *block_from_address(PyObject *module, PyObject *address);

/* hot_poll.c, hot_offer.c, hot_claim.c, hot_walk.c, hot_use.c, hot_counter.c */
int walk_add(PyObject *module);
int use_add(PyObject *module);
int counter_value_add_type(PyObject *module);
int poller_add(PyObject *module);
int offerer_add(PyObject *module);
int claim_add(PyObject *module);

typedef struct claim_stct claim_t;

typedef struct offerer_stct
{
    PyObject_HEAD
    void *publication;
    PyObject *closed;
    PyObject *description;
    claim_t *claims;  /* the open ones, not counted */
    pid_t owner;
    int exclusive;
    char stamps;      /* messages without a reserved value get the time */
    int released;     /* calls inside Aeron without the interpreter's lock */
}
offerer_t;

bool offerer_usable(offerer_t *self, const char *operation);
PyObject *offerer_append_padding(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *claim_new(offerer_t *offerer, Py_ssize_t length);
void claim_abandon(claim_t *claim);

#endif
