#include "hot.h"

/* Who uses a pointer, so that whoever closes it can wait for them.
 *
 * Built in, because each step must be whole: a thread that gets the pointer has been counted, and a thread that was
 * counted is not any more when its block is over, also when a signal's handler, such as that of Ctrl-C, raises in
 * between. A use that nobody ended ends when it is forgotten. */

static PyTypeObject *usable_type, *use_type;

typedef struct use_stct use_t;

typedef struct usable_stct
{
    PyObject_HEAD
    PyObject *pointer;
    PyObject *reason;
    use_t *uses; /* those under way, not counted */
}
usable_t;

struct use_stct
{
    PyObject_HEAD
    usable_t *usable;
    PyObject *operation; /* NULL: a pointer that was closed is no error */
    use_t *previous;
    use_t *next;
    unsigned long thread;
    int under_way;
};

static inline bool is_none(PyObject *object)
{
    return NULL == object || Py_None == object;
}

static void end(use_t *self)
{
    if (!self->under_way)
    {
        return;
    }

    self->under_way = 0;
    if (NULL != self->previous)
    {
        self->previous->next = self->next;
    }
    else
    {
        self->usable->uses = self->next;
    }
    if (NULL != self->next)
    {
        self->next->previous = self->previous;
    }
    self->previous = NULL;
    self->next = NULL;
}

static PyObject *use_enter(PyObject *object, PyObject *unused)
{
    use_t *self = (use_t *)object;
    usable_t *usable = self->usable;
    (void)unused;

    if (self->under_way)
    {
        PyErr_SetString(PyExc_RuntimeError, "under way already");
        return NULL;
    }

    if (NULL != self->operation && (is_none(usable->pointer) || !is_none(usable->reason)))
    {
        PyObject *error = PyObject_CallMethod((PyObject *)usable, "closed_error", "O", self->operation);
        if (NULL != error)
        {
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
            Py_DECREF(error);
        }
        return NULL;
    }

    self->thread = PyThread_get_thread_ident();
    self->under_way = 1;
    self->next = usable->uses;
    if (NULL != self->next)
    {
        self->next->previous = self;
    }
    usable->uses = self;
    return Py_NewRef(NULL == usable->pointer ? Py_None : usable->pointer);
}

static PyObject *use_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    end((use_t *)self);
    Py_RETURN_NONE;
}

static void use_dealloc(PyObject *object)
{
    use_t *self = (use_t *)object;

    end(self);
    Py_CLEAR(self->operation);
    Py_CLEAR(self->usable);
    release_object(object);
}

static PyObject *use_new(PyObject *usable, PyObject *operation)
{
    use_t *self = (use_t *)allocate(use_type);

    if (NULL != self)
    {
        self->usable = (usable_t *)Py_NewRef(usable);
        self->operation = Py_XNewRef(operation);
    }
    return (PyObject *)self;
}

static PyObject *usable_kept(PyObject *self, PyObject *unused)
{
    (void)unused;
    return use_new(self, NULL);
}

static PyObject *usable_used_here(PyObject *self, PyObject *unused)
{
    const unsigned long thread = PyThread_get_thread_ident();
    const use_t *use = ((usable_t *)self)->uses;
    (void)unused;

    while (NULL != use && thread != use->thread)
    {
        use = use->next;
    }
    return PyBool_FromLong(NULL != use);
}

static PyObject *usable_forget_uses(PyObject *object, PyObject *unused)
{
    usable_t *self = (usable_t *)object;
    (void)unused;

    while (NULL != self->uses)
    {
        end(self->uses);
    }
    Py_RETURN_NONE;
}

static PyObject *usable_used(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(NULL != ((usable_t *)self)->uses);
}

static PyObject *usable_make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    return allocate(type);
}

static int usable_traverse(PyObject *object, visitproc visit, void *arg)
{
    const usable_t *self = (usable_t *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->pointer);
    Py_VISIT(self->reason);
    return 0;
}

static int usable_clear(PyObject *object)
{
    usable_t *self = (usable_t *)object;

    Py_CLEAR(self->pointer);
    Py_CLEAR(self->reason);
    return 0;
}

static void usable_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    usable_clear(object);
    release_object(object);
}

static PyMemberDef usable_members[] = {
    { "pointer", T_OBJECT, offsetof(usable_t, pointer), 0, "What C holds, None once closed." },
    { "reason", T_OBJECT, offsetof(usable_t, reason), 0, "Why it can't be used any more, None while it can." },
    { NULL, 0, 0, 0, NULL },
};

static PyGetSetDef usable_attributes[] = {
    { "used", usable_used, NULL, "Whether any thread uses it.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef usable_methods[] = {
    { "using", use_new, METH_O,
      "using(operation): the pointer, kept from being released until the block ends. Raises closed_error(operation) "
      "when it was closed, or what it belongs to was lost." },
    { "kept", usable_kept, METH_NOARGS,
      "kept(): the pointer, None when it was closed; as with using(), another thread's close waits for the block." },
    { "used_here", usable_used_here, METH_NOARGS, "used_here(): whether this thread uses it." },
    { "forget_uses", usable_forget_uses, METH_NOARGS, "forget_uses(): in a forked child, which has no other thread." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot usable_slots[] = {
    { Py_tp_doc, (void *)"A pointer, and who uses it: the base of Handle." },
    { Py_tp_new, usable_make },
    { Py_tp_dealloc, usable_dealloc },
    { Py_tp_traverse, usable_traverse },
    { Py_tp_clear, usable_clear },
    { Py_tp_members, usable_members },
    { Py_tp_getset, usable_attributes },
    { Py_tp_methods, usable_methods },
    { 0, NULL },
};

static PyType_Spec usable_spec = {
    .name = "aeron_py._aeron.Usable",
    .basicsize = sizeof(usable_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = usable_slots,
};

static PyMethodDef use_methods[] = {
    { "__enter__", use_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))use_exit, METH_FASTCALL, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot use_slots[] = {
    { Py_tp_doc, (void *)"One use of a pointer, as a context manager." },
    { Py_tp_dealloc, use_dealloc },
    { Py_tp_methods, use_methods },
    { 0, NULL },
};

static PyType_Spec use_spec = {
    .name = "aeron_py._aeron.Use",
    .basicsize = sizeof(use_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = use_slots,
};

int use_add(PyObject *module)
{
    return add_type(module, &usable_spec, &usable_type) < 0 ? -1 : add_type(module, &use_spec, &use_type);
}
