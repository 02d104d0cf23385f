#include "shim.h"

#include <string.h>

#define ALIGNMENT (8)

typedef struct output_stct
{
    uint8_t *buffer;
    size_t capacity;
    size_t length;
}
output_t;

/* A place for so many bytes, NULL when they don't fit any more: they are counted all the same. */
static uint8_t *place(output_t *output, size_t length)
{
    const size_t begin = output->length;
    const size_t end = begin + (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    output->length = end;
    return end <= output->capacity ? output->buffer + begin : NULL;
}

static void on_error(
    int32_t observations, int64_t first_time, int64_t last_time, const char *error, size_t length, void *clientd)
{
    const shim_error_entry_t entry = {
        .first_time = first_time, .last_time = last_time, .observations = observations, .length = (int32_t)length
    };
    uint8_t *to = place(clientd, sizeof(entry) + length);

    if (NULL != to)
    {
        memcpy(to, &entry, sizeof(entry));
        memcpy(to + sizeof(entry), error, length);
    }
}

int64_t shim_cnc_errors(aeron_cnc_t *cnc, int64_t since, uint8_t *buffer, size_t capacity)
{
    output_t output = { .buffer = buffer, .capacity = capacity };

    aeron_cnc_error_log_read(cnc, on_error, &output, since);
    return (int64_t)output.length;
}
