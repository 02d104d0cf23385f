#include "hot_poller.h"

#include "protocol/aeron_udp_protocol.h"

/* Runs inside Aeron, with the interpreter's lock: makes bytes and calls nobody. */
static void on_block(void *clientd, const uint8_t *buffer, size_t length, int32_t session_id, int32_t term_id)
{
    PyObject **frames = clientd;

    (void)session_id;
    (void)term_id;
    /* Padding comes alone, and is as long as the rest of the term: it need not fit, and says nothing. */
    if (AERON_HDR_TYPE_PAD != ((const aeron_frame_header_t *)buffer)->type)
    {
        *frames = PyBytes_FromStringAndSize((const char *)buffer, (Py_ssize_t)length);
    }
}

PyObject *poller_block_poll(PyObject *object, PyObject *limit)
{
    poller_t *self = (poller_t *)object;
    const Py_ssize_t length = PyLong_AsSsize_t(limit);

    if ((shim_poll_t)aeron_image_controlled_poll != self->function)
    {
        PyErr_SetString(PyExc_TypeError, "block_poll: of an image alone");
        return NULL;
    }
    if ((-1 == length && PyErr_Occurred()) || !poller_enter(self, "block_poll"))
    {
        return NULL;
    }

    PyObject *frames = NULL;
    int result;
    do
    {
        result = aeron_image_block_poll(self->object, on_block, &frames, (size_t)length);
    }
    while (result > 0 && NULL == frames && !PyErr_Occurred());

    if (result < 0)
    {
        raise_last("block_poll", self->description);
    }
    else if (NULL == frames && !PyErr_Occurred())
    {
        frames = PyBytes_FromStringAndSize(NULL, 0);
    }
    return leave(self, frames);
}
