/* The entry point of aeron_py._aeron: what cffi generates, and the hand-written functions of hot.c, as one module. */

#include <Python.h>

PyObject *aeron_py_cffi_init(void);
int aeron_py_hot_add(PyObject *module);

PyMODINIT_FUNC PyInit__aeron(void)
{
    PyObject *module = aeron_py_cffi_init();

    if (NULL != module && aeron_py_hot_add(module) < 0)
    {
        Py_DECREF(module);
        return NULL;
    }

    return module;
}
