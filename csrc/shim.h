#ifndef AERON_PY_SHIM_H
#define AERON_PY_SHIM_H

#include "aeronc.h"
#include "aeronmd.h"
#include "command/aeron_control_protocol.h"
#include "client/aeron_archive.h"

/* The declarations that cffi reads are the headers of the shim, too: each is written once. */
#include "cdef/addresses.h"
#include "cdef/catalog.h"
#include "cdef/child.h"
#include "cdef/cnc.h"
#include "cdef/events.h"
#include "cdef/conductor.h"
#include "cdef/counters.h"
#include "cdef/control.h"
#include "cdef/offer.h"
#include "cdef/pace.h"
#include "cdef/poll.h"
#include "cdef/reserve.h"
#include "cdef/walk.h"
#include "cdef/verify.h"
#include "cdef/journal.h"
#include "cdef/sample.h"
#include "cdef/uri.h"
#include "cdef/watch.h"

#endif
