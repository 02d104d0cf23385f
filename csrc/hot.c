#include "hot.h"

#include <time.h>

/* Python's side of raising: an error's text and class are made there. */
static PyObject *offer_error, *busy_error, *closed_error, *last_error;

static void raise_made(PyObject *error)
{
    if (NULL != error)
    {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
}

static bool set_up(const char *operation)
{
    if (NULL == last_error)
    {
        PyErr_Format(PyExc_RuntimeError, "%s: hot_setup was not called", operation);
    }
    return NULL != last_error;
}

void raise_offer(int64_t result, const char *operation, PyObject *description)
{
    if (set_up(operation))
    {
        raise_made(PyObject_CallFunction(offer_error, "LsO", (long long)result, operation, description));
    }
}

void raise_busy(const char *operation, PyObject *description)
{
    if (set_up(operation))
    {
        raise_made(PyObject_CallFunction(busy_error, "sO", operation, description));
    }
}

void raise_closed(PyObject *error, const char *operation, PyObject *description)
{
    if (set_up(operation))
    {
        raise_made(PyObject_CallFunction(
            closed_error, "OsO", NULL == error ? Py_None : error, operation, description));
    }
}

void raise_last(const char *operation, PyObject *description)
{
    if (set_up(operation))
    {
        raise_made(PyObject_CallFunction(last_error, "sO", operation, description));
    }
}

static PyObject *hot_setup(PyObject *module, PyObject *args)
{
    PyObject *made[4];
    PyObject **kept[] = { &offer_error, &busy_error, &closed_error, &last_error };
    (void)module;

    if (!PyArg_ParseTuple(args, "OOOO:hot_setup", &made[0], &made[1], &made[2], &made[3]))
    {
        return NULL;
    }

    for (int i = 0; i < 4; i++)
    {
        PyObject *before = *kept[i];
        *kept[i] = Py_NewRef(made[i]);
        Py_XDECREF(before);
    }
    Py_RETURN_NONE;
}

int take_arguments(
    const char *function, const char *const *names, Py_ssize_t named, Py_ssize_t required,
    PyObject *const *values, Py_ssize_t count, PyObject *keywords, PyObject **taken)
{
    if (count > named)
    {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments, %zd were given", function, named, count);
        return -1;
    }

    for (Py_ssize_t i = 0; i < named; i++)
    {
        taken[i] = i < count ? values[i] : NULL;
    }

    const Py_ssize_t keyword_count = NULL == keywords ? 0 : PyTuple_Size(keywords);
    for (Py_ssize_t k = 0; k < keyword_count; k++)
    {
        PyObject *keyword = PyTuple_GetItem(keywords, k);
        Py_ssize_t i = 0;
        while (i < named && 0 != PyUnicode_CompareWithASCIIString(keyword, names[i]))
        {
            i++;
        }
        if (i == named || NULL != taken[i])
        {
            PyErr_Format(
                PyExc_TypeError, "%s() got %s argument '%U'",
                function, i == named ? "an unexpected" : "twice the", keyword);
            return -1;
        }
        taken[i] = values[count + k];
    }

    for (Py_ssize_t i = 0; i < required; i++)
    {
        if (NULL == taken[i])
        {
            PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s'", function, names[i]);
            return -1;
        }
    }
    return 0;
}

Py_ssize_t limit_of(PyObject *value, Py_ssize_t absent)
{
    if (NULL == value)
    {
        return absent;
    }

    const Py_ssize_t limit = PyLong_CheckExact(value) ? PyLong_AsSsize_t(value) : PyNumber_AsSsize_t(value, NULL);
    if (-1 == limit && PyErr_Occurred())
    {
        return -1;
    }
    if (limit < 1)
    {
        PyErr_Format(PyExc_ValueError, "limit must be at least 1, not %zd", limit);
        return -1;
    }
    return limit;
}

PyObject *allocate(PyTypeObject *type)
{
    const allocfunc function = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return function(type, 0);
}

void release_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    const freefunc function = (freefunc)PyType_GetSlot(type, Py_tp_free);
    function(object);
    Py_DECREF(type);
}

int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromSpec(spec);
    return NULL == *type ? -1 : PyModule_AddType(module, *type);
}

void wait_until_zero(const int *flag, pid_t owner)
{
    const struct timespec pause = { .tv_sec = 0, .tv_nsec = 100000 };

    while (0 != *(const volatile int *)flag && getpid() == owner)
    {
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&pause, NULL);
        Py_END_ALLOW_THREADS
    }
}

static PyMethodDef functions[] = {
    { "hot_setup", hot_setup, METH_VARARGS, "Register the functions that make the errors to raise." },
    { "block_from_address", block_from_address, METH_O, "The Block that takes over the shim_block_t at an address." },
    { NULL, NULL, 0, NULL },
};

int aeron_py_hot_add(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) < 0 || message_add(module) < 0 || block_add(module) < 0 ||
        poller_add(module) < 0 || offerer_add(module) < 0 || claim_add(module) < 0 || walk_add(module) < 0 ||
        use_add(module) < 0 || counter_value_add_type(module) < 0 ? -1 : 0;
}
