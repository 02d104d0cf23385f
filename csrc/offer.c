#include "shim.h"

#include <errno.h>
#include <inttypes.h>

#include "offering.h"
#include "util/aeron_error.h"

size_t shim_offer_block(
    void *publication,
    int exclusive,
    const uint8_t *buffer,
    size_t length,
    const int64_t *offsets,
    size_t count,
    const int64_t *reserved_values,
    int stamps,
    int64_t *result)
{
    *result = 0;

    for (size_t i = 0; i < count; i++)
    {
        /* Read once: the memory is the caller's, who may write to it meanwhile. */
        const int64_t begin = *(const volatile int64_t *)&offsets[i];
        const int64_t end = *(const volatile int64_t *)&offsets[i + 1];

        if (begin < 0 || end < begin || (uint64_t)end > length)
        {
            AERON_SET_ERR(
                EINVAL,
                "message %zu is said to go from %" PRId64 " to %" PRId64 " in a buffer of %zu bytes",
                i, begin, end, length);
            *result = AERON_PUBLICATION_ERROR;
            return i;
        }

        int64_t reserved_value = NULL != reserved_values ? reserved_values[i] : stamps ? shim_stamp() : 0;
        *result = offer_insistently(
            publication,
            0 != exclusive,
            buffer + begin,
            (size_t)(end - begin),
            NULL == reserved_values && !stamps ? NULL : &reserved_value);

        if (*result < 0)
        {
            return i;
        }
    }

    return count;
}
