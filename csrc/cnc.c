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

static void on_loss(
    void *clientd,
    int64_t observations,
    int64_t bytes_lost,
    int64_t first_time,
    int64_t last_time,
    int32_t session_id,
    int32_t stream_id,
    const char *channel,
    int32_t channel_length,
    const char *source,
    int32_t source_length)
{
    const shim_loss_entry_t entry = {
        .first_time = first_time,
        .last_time = last_time,
        .observations = observations,
        .bytes_lost = bytes_lost,
        .session_id = session_id,
        .stream_id = stream_id,
        .channel_length = channel_length,
        .source_length = source_length,
    };
    uint8_t *to = place(clientd, sizeof(entry) + (size_t)channel_length + (size_t)source_length);

    if (NULL != to)
    {
        memcpy(to, &entry, sizeof(entry));
        memcpy(to + sizeof(entry), channel, (size_t)channel_length);
        memcpy(to + sizeof(entry) + channel_length, source, (size_t)source_length);
    }
}

int64_t shim_cnc_losses(aeron_cnc_t *cnc, uint8_t *buffer, size_t capacity)
{
    output_t output = { .buffer = buffer, .capacity = capacity };

    return aeron_cnc_loss_reporter_read(cnc, on_loss, &output) < 0 ? -1 : (int64_t)output.length;
}
