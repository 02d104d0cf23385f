#include "hot_poller.h"

/* A poll whose handler says what becomes of each message. Nothing calls Python from inside Aeron, so it takes two steps:
 * look at a message, which stays in the stream; then, if the handler wants it taken, take just that one. */

#define POLL_LIMIT (10)

typedef struct look_stct
{
    poller_t *poller;
    int64_t limit_position;
    int64_t position;
    int32_t session_id;
}
look_t;

static int look_at(void *clientd, const shim_message_t *message)
{
    look_t *look = clientd;

    if (message->position <= look->limit_position && 0 == kept(look->poller))
    {
        poller_keep(look->poller, message);
    }
    return -1;
}

static int take_it(void *clientd, const shim_message_t *message)
{
    look_t *look = clientd;

    if (message->position != look->position || message->session_id != look->session_id)
    {
        return -1;
    }
    look->position = -1; /* one only */
    return 0;
}

/* One message into the entries, still in the stream. False with an error set. */
static bool look(poller_t *self, int64_t limit_position)
{
    look_t seen = { .poller = self, .limit_position = limit_position };

    self->first = 0;
    self->last = 0;
    shim_assembler_sink(self->assembler, look_at, &seen);
    const int fragments = shim_poll(self->function, self->object, self->assembler, 1);
    if (NULL != self->subscription)
    {
        shim_poll_sweep(self->assembler, self->subscription);
    }

    if (0 == kept(self) && (fragments < 0 || PyErr_Occurred()))
    {
        poller_raise(self, fragments, "controlled_poll");
        return false;
    }
    return true;
}

/* Move the stream past the message. When its image has gone meanwhile there is nothing to move. */
static void take(poller_t *self, int64_t position, int32_t session_id)
{
    look_t taken = { .poller = self, .position = position, .session_id = session_id };

    if (NULL == self->object)
    {
        return; /* closed by another thread while the handler ran */
    }

    shim_assembler_sink(self->assembler, take_it, &taken);
    if (NULL == self->subscription)
    {
        shim_poll(self->function, self->object, self->assembler, 1);
        return;
    }

    /* Not the subscription: it begins with another image each time, and every second one would never be looked at. */
    aeron_image_t *image = aeron_subscription_image_by_session_id(self->subscription, session_id);
    if (NULL != image)
    {
        shim_poll((shim_poll_t)aeron_image_controlled_poll, image, self->assembler, 1);
        aeron_subscription_image_release(self->subscription, image);
    }
}

/* What the handler said: CONTINUE when it returned nothing. 0 with an error set. */
static int action_of(PyObject *result)
{
    if (Py_None == result)
    {
        return AERON_ACTION_CONTINUE;
    }

    const long action = PyLong_Check(result) && !PyBool_Check(result) ? PyLong_AsLong(result) : 0;
    if (action < AERON_ACTION_ABORT || action > AERON_ACTION_CONTINUE)
    {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "the handler must return a PollAction or None, not %R", result);
        return 0;
    }
    return (int)action;
}

static void drop_first(poller_t *self)
{
    Py_DECREF(self->entries[self->first++].payload);
}

/* 1 to go on, 0 to end, -1 with an error set. */
static int hand_over(poller_t *self, PyObject *handler, bool in_stream, Py_ssize_t *count)
{
    const int64_t position = self->entries[self->first].position;
    const int32_t session_id = self->entries[self->first].session_id;
    PyObject *args[] = { NULL, message_of(&self->entries[self->first]) };

    if (in_stream)
    {
        drop_first(self);
    }
    if (NULL == args[1])
    {
        return -1;
    }

    PyObject *result = PyObject_Vectorcall(handler, &args[1], 1 | ((size_t)1 << (8 * sizeof(size_t) - 1)), NULL);
    Py_DECREF(args[1]);
    const int action = NULL == result ? 0 : action_of(result);
    Py_XDECREF(result);
    if (action <= AERON_ACTION_ABORT)
    {
        return AERON_ACTION_ABORT == action ? 0 : -1;
    }

    if (in_stream)
    {
        take(self, position, session_id);
    }
    else
    {
        drop_first(self);
    }
    (*count)++;
    return AERON_ACTION_BREAK != action;
}

CALL(poller_controlled_poll)
{
    static const char *const names[] = { "handler", "limit", "limit_position" };
    poller_t *self = (poller_t *)object;
    PyObject *taken[3];
    Py_ssize_t done = 0;
    int64_t limit_position = INT64_MAX;

    if (arguments("controlled_poll", names, 3, 1, args, count, keywords, taken) < 0)
    {
        return NULL;
    }
    const Py_ssize_t limit = limit_of(taken[1], POLL_LIMIT);
    if (limit < 0)
    {
        return NULL;
    }
    if (NULL != taken[2])
    {
        limit_position = PyLong_AsLongLong(taken[2]);
        if (PyErr_Occurred())
        {
            return NULL;
        }
    }
    if (!PyCallable_Check(taken[0]))
    {
        return PyErr_Format(
            PyExc_TypeError, "controlled_poll() needs a callable handler, not %R", (PyObject *)Py_TYPE(taken[0]));
    }

    if (!poller_enter(self, "controlled_poll"))
    {
        return NULL;
    }

    while (done < limit && NULL != self->object)
    {
        const bool in_stream = 0 == kept(self);
        if (in_stream && !look(self, limit_position))
        {
            return leave(self, NULL);
        }
        if (0 == kept(self) || self->entries[self->first].position > limit_position)
        {
            break;
        }

        const int more = hand_over(self, taken[0], in_stream, &done);
        if (more < 0)
        {
            return leave(self, NULL);
        }
        if (0 == more)
        {
            break;
        }
    }
    return leave(self, PyLong_FromSsize_t(done));
}
