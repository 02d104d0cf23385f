/* One message into a publication of either kind, for the calls of Python's objects and for those of plain C. */

#ifndef SHIM_OFFERING_H
#define SHIM_OFFERING_H

#include "bell.h"
#include "clock.h"
#include "shim.h"

static inline int64_t supply_reserved_value(void *clientd, uint8_t *buffer, size_t frame_length)
{
    (void)buffer;
    (void)frame_length;
    return *(const int64_t *)clientd;
}

/* Nanoseconds since 1970: what a publication that stamps gives each message as its reserved value. */
static inline int64_t shim_stamp(void)
{
    return clock_ns(CLOCK_REALTIME);
}

/* Something went in: whoever is parked on the log is to look. */
static inline int64_t ring_if_offered(const void *publication, int64_t result)
{
    if (result > 0)
    {
        shim_bell_ring(shim_bell_log(publication));
    }
    return result;
}

static inline int64_t offer_once(
    void *publication, bool exclusive, const uint8_t *buffer, size_t length, int64_t *reserved_value)
{
    const aeron_reserved_value_supplier_t supplier = NULL == reserved_value ? NULL : supply_reserved_value;

    return ring_if_offered(publication, exclusive ?
        aeron_exclusive_publication_offer(publication, buffer, length, supplier, reserved_value) :
        aeron_publication_offer(publication, buffer, length, supplier, reserved_value));
}

/* Turning to the next term is over with the next call or soon after. */
static inline int64_t offer_insistently(
    void *publication, bool exclusive, const uint8_t *buffer, size_t length, int64_t *reserved_value)
{
    int64_t result = offer_once(publication, exclusive, buffer, length, reserved_value);

    for (int i = 0; AERON_PUBLICATION_ADMIN_ACTION == result && i < 64; i++)
    {
        result = offer_once(publication, exclusive, buffer, length, reserved_value);
    }
    return result;
}

#endif
