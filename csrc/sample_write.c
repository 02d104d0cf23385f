#include "sample.h"

#include <errno.h>
#include <string.h>

#include "util/aeron_error.h"

#define FRAME_HEADER 32
#define ADMIN_TRIES 64

/* Strictly increasing, also when the clock is set back: the journal is searched by time. */
static int64_t entry_time(const shim_sample_t *sample)
{
    const int64_t now = clock_ns(CLOCK_REALTIME);
    return now > sample->time_ns ? now : sample->time_ns + 1;
}

static int64_t supply_checksum(void *clientd, uint8_t *buffer, size_t frame_length)
{
    (void)buffer;
    (void)frame_length;
    return *(const int64_t *)clientd;
}

static int64_t aligned(size_t length)
{
    return (int64_t)((length + FRAME_HEADER + 31) & ~(size_t)31);
}

/* What a message takes in the log. */
static int64_t framed(const shim_sample_t *sample, size_t length)
{
    const size_t rest = length % sample->max_payload;
    return (int64_t)(length / sample->max_payload) * aligned(sample->max_payload) + (0 == rest ? 0 : aligned(rest));
}

/* Offer the entry whose body of `length` bytes is in the buffer after room for the header. */
static int64_t offer(shim_sample_t *sample, uint8_t kind, uint16_t flags, uint32_t count, size_t length, int64_t time_ns)
{
    const journal_header_t header = {
        .kind = kind,
        .version = JOURNAL_VERSION,
        .flags = flags,
        .count = count,
        .time_ns = time_ns,
        .image_position = sample->image_position,
        .record_position = sample->record_position,
    };
    int64_t result;
    int tries = ADMIN_TRIES; /* turning to the next term is over soon */

    memcpy(sample->buffer, &header, sizeof(header));
    length += sizeof(header);
    int64_t checksum = shim_journal_checksum(sample->buffer, length);
    do
    {
        result = aeron_exclusive_publication_offer(
            sample->publication, sample->buffer, length, supply_checksum, &checksum);
    }
    while (AERON_PUBLICATION_ADMIN_ACTION == result && --tries > 0);

    if (result >= 0)
    {
        sample->time_ns = time_ns;
        if (SHIM_JOURNAL_TICK != kind && SHIM_JOURNAL_IMAGE != kind)
        {
            sample->record_position = result - framed(sample, length);
        }
    }
    else if (AERON_PUBLICATION_CLOSED == result || AERON_PUBLICATION_MAX_POSITION_EXCEEDED == result)
    {
        sample->statistics.error = result;
    }
    return result;
}

static uint8_t *body_of(const shim_sample_t *sample)
{
    return sample->buffer + sizeof(journal_header_t);
}

static size_t items_that_fit(const shim_sample_t *sample, size_t item_length)
{
    return (sample->max_message - sizeof(journal_header_t)) / item_length;
}

int64_t sample_write_image(shim_sample_t *sample)
{
    const size_t most = items_that_fit(sample, sizeof(journal_image_item_t));
    const int64_t time_ns = entry_time(sample);
    int64_t begin = -1;
    int64_t result;
    uint32_t done = 0;

    do
    {
        journal_image_item_t *items = (journal_image_item_t *)body_of(sample);
        const uint32_t left = sample->open - done;
        const uint32_t count = left < most ? left : (uint32_t)most;
        const size_t length = count * sizeof(*items);

        for (uint32_t i = 0; i < count; i++)
        {
            const stream_t *stream = &sample->streams[done + i];
            items[i].index = stream->index;
            items[i].previous = stream->previous;
            items[i].position = stream->position;
        }
        result = offer(sample, SHIM_JOURNAL_IMAGE, count < left ? JOURNAL_FLAG_MORE : 0, count, length, time_ns);
        if (result < 0)
        {
            return result;
        }
        begin = begin < 0 ? result - framed(sample, sizeof(journal_header_t) + length) : begin;
        done += count;
    }
    while (done < sample->open);

    sample->image_position = begin;
    sample->statistics.images++;
    return result;
}

int64_t sample_write_tick(shim_sample_t *sample, uint32_t moved)
{
    const size_t most = items_that_fit(sample, sizeof(journal_tick_item_t));
    const int64_t time_ns = entry_time(sample);
    int64_t result = 0;

    for (uint32_t done = 0; done < moved;)
    {
        journal_tick_item_t *items = (journal_tick_item_t *)body_of(sample);
        const uint32_t left = moved - done;
        const uint32_t count = left < most ? left : (uint32_t)most;

        for (uint32_t i = 0; i < count; i++)
        {
            const stream_t *stream = &sample->streams[sample->moved[done + i]];
            items[i].index = stream->index;
            items[i].position = stream->seen;
        }
        result = offer(
            sample, SHIM_JOURNAL_TICK, count < left ? JOURNAL_FLAG_MORE : 0, count, count * sizeof(*items), time_ns);
        if (result < 0)
        {
            sample->statistics.missed++;
            return result;
        }
        for (uint32_t i = 0; i < count; i++)
        {
            stream_t *stream = &sample->streams[sample->moved[done + i]];
            sample->statistics.bytes += stream->seen - stream->position;
            stream->previous = stream->position;
            stream->position = stream->seen;
        }
        done += count;
    }

    sample->statistics.ticks++;
    return result;
}

int64_t sample_append(shim_sample_t *sample, uint8_t kind, uint32_t count, const uint8_t *body, size_t length)
{
    if (length > sample->max_message - sizeof(journal_header_t))
    {
        AERON_SET_ERR(EINVAL, "an entry of %zu bytes: the journal's terms let it have %zu at most", length,
            sample->max_message - sizeof(journal_header_t));
        return AERON_PUBLICATION_ERROR;
    }
    memcpy(body_of(sample), body, length);
    return offer(sample, kind, 0, count, length, entry_time(sample));
}
