#ifndef AERON_PY_BELL_H
#define AERON_PY_BELL_H

/* The doorbell: how a waiter on a log buffer is woken without anybody looking at the log all the time.
 *
 * The last cache line of a log buffer's metadata page is used by no version of Aeron. A waiter that parks writes the
 * name of its socket there; a publisher of ours, after an offer, looks whether a name is there (one load), and if so
 * takes it out and sends that socket a datagram. The bell only says "look": data stays where it was, and a bell that
 * is not rung (other publishers, a ring lost by reordering) costs latency only, for the watcher looks too.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aeron_exclusive_publication.h"
#include "aeron_publication.h"
#include "concurrent/aeron_logbuffer_descriptor.h"

#define SHIM_BELL_WAITERS (7)
#define SHIM_BELL_RINGS UINT32_C(0x31626c61)

typedef struct shim_bell_stct
{
    _Atomic uint32_t armed; /* nonzero: a name may be there */
    _Atomic uint32_t rings; /* SHIM_BELL_RINGS: a publisher of this log rings */
    _Atomic uint64_t waiters[SHIM_BELL_WAITERS];
}
shim_bell_t;

_Static_assert(sizeof(shim_bell_t) == 64, "the bell must fit the last cache line of the metadata page");
_Static_assert(
    sizeof(aeron_logbuffer_metadata_t) + sizeof(shim_bell_t) <= AERON_LOGBUFFER_META_DATA_LENGTH,
    "Aeron's log metadata has grown into the bell");

static inline shim_bell_t *shim_bell_of(aeron_logbuffer_metadata_t *metadata)
{
    return (shim_bell_t *)(void *)((uint8_t *)metadata + AERON_LOGBUFFER_META_DATA_LENGTH - sizeof(shim_bell_t));
}

/* Wakes every waiter whose name is at the bell. */
void shim_bell_ring_all(shim_bell_t *bell);

/* Once for a new publication: its waiters may rely on the bell. */
static inline void shim_bell_promise(aeron_logbuffer_metadata_t *metadata)
{
    atomic_store_explicit(&shim_bell_of(metadata)->rings, SHIM_BELL_RINGS, memory_order_relaxed);
}

/* After each offer, or batch of offers, that put something into the log. */
static inline void shim_bell_ring(aeron_logbuffer_metadata_t *metadata)
{
    shim_bell_t *bell = shim_bell_of(metadata);
    if (0 != atomic_load_explicit(&bell->armed, memory_order_relaxed))
    {
        shim_bell_ring_all(bell);
    }
}

/* Both kinds of publication begin alike. */
_Static_assert(
    offsetof(aeron_publication_t, log_meta_data) == offsetof(aeron_exclusive_publication_t, log_meta_data),
    "the two kinds of publication differ");

static inline aeron_logbuffer_metadata_t *shim_bell_log(const void *publication)
{
    return ((const aeron_publication_t *)publication)->log_meta_data;
}

/* The waiter's side: a socket with a fresh name, -1 with errno set. */
int shim_bell_open(uint64_t *name);

/* Makes the socket of that name readable; fd is any of our sockets. */
void shim_bell_send(int fd, uint64_t name);

/* Takes a datagram out: whether there was one. One that is left wakes for nothing, once. */
bool shim_bell_drain(int fd);

/* Leaves a name at the log's bell: NULL when no publisher there rings, or too many wait. */
shim_bell_t *shim_bell_arm(aeron_logbuffer_metadata_t *metadata, uint64_t name);
void shim_bell_disarm(shim_bell_t *bell, uint64_t name);

#endif
