/* Messages that walk.c listed, as objects. Addresses are the caller's, who keeps the memory alive. */

#include "hot.h"

static const shim_walk_columns_t *walked(
    PyObject *arguments, const char *format, const uint8_t **data, Py_ssize_t *start, Py_ssize_t *stop, int *stream_id)
{
    unsigned long long memory;
    unsigned long long address;

    if (!PyArg_ParseTuple(arguments, format, &memory, &address, start, stop, stream_id))
    {
        return NULL;
    }

    const shim_walk_columns_t *columns = (const shim_walk_columns_t *)(uintptr_t)address;
    if (*start < 0 || *stop < *start || *stop > columns->capacity)
    {
        PyErr_SetString(PyExc_IndexError, "no such messages");
        return NULL;
    }

    *data = (const uint8_t *)(uintptr_t)memory;
    return columns;
}

static inline PyObject *payload(const uint8_t *data, const shim_walk_columns_t *columns, Py_ssize_t index)
{
    return PyBytes_FromStringAndSize((const char *)data + columns->offsets[index], columns->lengths[index]);
}

static PyObject *walk_payloads(PyObject *module, PyObject *arguments)
{
    const uint8_t *data;
    Py_ssize_t start;
    Py_ssize_t stop;
    int stream_id = 0;
    const shim_walk_columns_t *columns = walked(arguments, "KKnn|i", &data, &start, &stop, &stream_id);
    PyObject *list = NULL == columns ? NULL : PyList_New(stop - start);

    (void)module;
    for (Py_ssize_t i = start; NULL != list && i < stop; i++)
    {
        PyObject *item = payload(data, columns, i);
        if (NULL == item || PyList_SetItem(list, i - start, item) < 0)
        {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *walk_messages(PyObject *module, PyObject *arguments)
{
    const uint8_t *data;
    Py_ssize_t start;
    Py_ssize_t stop;
    int stream_id = 0;
    const shim_walk_columns_t *columns = walked(arguments, "KKnni", &data, &start, &stop, &stream_id);
    PyObject *list = NULL == columns ? NULL : PyList_New(stop - start);

    (void)module;
    for (Py_ssize_t i = start; NULL != list && i < stop; i++)
    {
        PyObject *bytes = payload(data, columns, i);
        PyObject *item = NULL == bytes ? NULL : message_new(
            bytes, columns->positions[i], columns->reserved_values[i], columns->session_ids[i], stream_id);
        if (NULL == item || PyList_SetItem(list, i - start, item) < 0)
        {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyMethodDef functions[] = {
    { "walk_payloads", walk_payloads, METH_VARARGS,
      "walk_payloads(data, columns, start, stop, /): messages of shim_walk_columns_t as a list of bytes." },
    { "walk_messages", walk_messages, METH_VARARGS,
      "walk_messages(data, columns, start, stop, stream_id, /): messages of shim_walk_columns_t as a list of Message." },
    { NULL, NULL, 0, NULL }
};

int walk_add(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
