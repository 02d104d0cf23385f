#include "hot.h"

/* The value of a counter of ours: each call looks whether it was closed, and touches its memory, in one. */

static PyTypeObject *counter_value_type;

typedef struct counter_value_stct
{
    PyObject_HEAD
    int64_t *address; /* NULL once disarmed */
    PyObject *closed;
    PyObject *description;
}
counter_value_t;

static bool usable(const counter_value_t *self, const char *operation)
{
    if (NULL == self->address)
    {
        raise_closed(self->closed, operation, self->description);
    }
    return NULL != self->address;
}

static bool number_of(PyObject *object, int64_t *number)
{
    *number = PyLong_AsLongLong(object);
    return -1 != *number || NULL == PyErr_Occurred();
}

static PyObject *counter_value_get(PyObject *object, PyObject *unused)
{
    const counter_value_t *self = (counter_value_t *)object;
    (void)unused;

    return usable(self, "value") ? PyLong_FromLongLong(shim_counter_get(self->address)) : NULL;
}

static PyObject *counter_value_set(PyObject *object, PyObject *value)
{
    const counter_value_t *self = (counter_value_t *)object;
    int64_t number;

    if (!number_of(value, &number) || !usable(self, "value"))
    {
        return NULL;
    }
    shim_counter_set(self->address, number);
    Py_RETURN_NONE;
}

static PyObject *counter_value_add(PyObject *object, PyObject *difference)
{
    const counter_value_t *self = (counter_value_t *)object;
    int64_t number;

    if (!number_of(difference, &number) || !usable(self, "add"))
    {
        return NULL;
    }
    return PyLong_FromLongLong(shim_counter_add(self->address, number));
}

static PyObject *counter_value_compare_and_set(PyObject *object, PyObject *args)
{
    const counter_value_t *self = (counter_value_t *)object;
    long long expected, value;

    if (!PyArg_ParseTuple(args, "LL:compare_and_set", &expected, &value) || !usable(self, "compare_and_set"))
    {
        return NULL;
    }
    return PyBool_FromLong(shim_counter_compare_and_set(self->address, expected, value));
}

static PyObject *counter_value_disarm(PyObject *object, PyObject *error)
{
    counter_value_t *self = (counter_value_t *)object;
    PyObject *before = self->closed;

    self->address = NULL;
    self->closed = Py_NewRef(error);
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *counter_value_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "address", "description", NULL };
    PyObject *address, *description;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OU:CounterValue", names, &address, &description))
    {
        return NULL;
    }

    int64_t *value = PyLong_AsVoidPtr(address);
    if (NULL == value)
    {
        if (!PyErr_Occurred())
        {
            PyErr_SetString(PyExc_ValueError, "the address of a counter must not be 0");
        }
        return NULL;
    }

    counter_value_t *self = (counter_value_t *)allocate(type);
    if (NULL != self)
    {
        self->address = value;
        self->description = Py_NewRef(description);
    }
    return (PyObject *)self;
}

static int counter_value_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((counter_value_t *)object)->closed);
    return 0;
}

static int counter_value_clear(PyObject *object)
{
    Py_CLEAR(((counter_value_t *)object)->closed);
    return 0;
}

static void counter_value_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    counter_value_clear(object);
    Py_CLEAR(((counter_value_t *)object)->description);
    release_object(object);
}

static PyMethodDef counter_value_methods[] = {
    { "get", counter_value_get, METH_NOARGS, "get(): what it says." },
    { "set", counter_value_set, METH_O, "set(value): let it say that." },
    { "add", counter_value_add, METH_O, "add(difference): what it said before." },
    { "compare_and_set", counter_value_compare_and_set, METH_VARARGS,
      "compare_and_set(expected, value): set it if it says expected; whether it did." },
    { "disarm", counter_value_disarm, METH_O,
      "disarm(error): never touch the address again; every call raises from now on." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot counter_value_slots[] = {
    { Py_tp_doc, (void *)"CounterValue(address, description): the int64 of a counter, at an address." },
    { Py_tp_new, counter_value_make },
    { Py_tp_dealloc, counter_value_dealloc },
    { Py_tp_traverse, counter_value_traverse },
    { Py_tp_clear, counter_value_clear },
    { Py_tp_methods, counter_value_methods },
    { 0, NULL },
};

static PyType_Spec counter_value_spec = {
    .name = "aeron_py._aeron.CounterValue",
    .basicsize = sizeof(counter_value_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = counter_value_slots,
};

int counter_value_add_type(PyObject *module)
{
    return add_type(module, &counter_value_spec, &counter_value_type);
}
