#include "sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "thread.h"
#include "util/aeron_error.h"

#define ATTACH_EVERY_NS (SECOND_NS / 10)
#define DETACH_EVERY_NS (SECOND_NS / 2)
#define AHEAD 16
/* After so long without a move it looks less often, until something moves: each look wakes a processor. */
#define QUIET_AFTER_NS SECOND_NS
#define QUIET_INTERVAL_NS (SECOND_NS / 200)

/* Whether anything has moved. A counter is the stream's as long as its registration is the one it had. */
static bool look(shim_sample_t *sample)
{
    uint32_t moved = 0;

    for (uint32_t i = 0; i < sample->open; i++)
    {
        stream_t *stream = &sample->streams[i];
        const int32_t ahead = i + AHEAD < sample->open ? sample->streams[i + AHEAD].counter_id : -1;
        if (ahead >= 0)
        {
            /* What was done since the last time has driven it out of the caches. */
            __builtin_prefetch(&sample->values[ahead]);
        }
        if (stream->counter_id < 0)
        {
            continue;
        }

        const aeron_counter_value_descriptor_t *value = &sample->values[stream->counter_id];
        const int64_t position = __atomic_load_n(&value->counter_value, __ATOMIC_ACQUIRE);
        if (stream->registration_id != __atomic_load_n(&value->registration_id, __ATOMIC_ACQUIRE))
        {
            stream->counter_id = -1;
            sample->unattached++;
        }
        else if (position > stream->position)
        {
            stream->seen = position;
            sample->moved[moved++] = i;
        }
    }

    sample->statistics.samples++;
    if (moved > 0)
    {
        sample_write_tick(sample, moved);
    }
    return moved > 0;
}

static void wait_until(shim_sample_t *sample, int64_t deadline)
{
    const struct timespec until = clock_time(deadline);
    while (!sample->stop && ETIMEDOUT != pthread_cond_timedwait(&sample->wake, &sample->lock, &until));
}

static void *run(void *argument)
{
    shim_sample_t *sample = argument;
    int64_t next = monotonic_ns();
    int64_t attach_next = next;
    int64_t detach_next = next;
    int64_t notify_next = next;
    int64_t moved_at = next;

    shim_thread_be_prompt();
    pthread_mutex_lock(&sample->lock);
    while (!sample->stop)
    {
        const int64_t now = monotonic_ns();

        if (0 == sample->statistics.error)
        {
            if (look(sample))
            {
                moved_at = now;
            }
            if (now >= detach_next)
            {
                detach_next = now + DETACH_EVERY_NS;
                sample_detach(sample);
            }
            if (sample->unattached > 0 && now >= attach_next)
            {
                attach_next = now + ATTACH_EVERY_NS;
                sample_attach(sample, 0, sample->open);
            }
            if (sample->notify_fd >= 0 && now >= notify_next)
            {
                notify_next = now + sample->notify_ns;
                sample_notify(sample);
            }
            const int64_t position = aeron_exclusive_publication_position(sample->publication);
            if (sample->image_frequency > 0 && position - sample->image_position >= sample->image_frequency)
            {
                sample_write_image(sample);
            }
        }
        const bool quiet = now - moved_at > QUIET_AFTER_NS && sample->interval_ns < QUIET_INTERVAL_NS;
        const int64_t interval = quiet ? QUIET_INTERVAL_NS : sample->interval_ns;
        next = next + interval > now ? next + interval : now;
        wait_until(sample, next);
    }
    pthread_mutex_unlock(&sample->lock);
    return NULL;
}

static void release(shim_sample_t *sample)
{
    pthread_cond_destroy(&sample->wake);
    pthread_mutex_destroy(&sample->lock);
    free(sample->buffer);
    free(sample->streams);
    free(sample->moved);
    free(sample);
}

int shim_sample_create(
    shim_sample_t **sample,
    aeron_counters_reader_t *reader,
    aeron_exclusive_publication_t *publication,
    int64_t interval_ns,
    int64_t image_frequency,
    int64_t after_ns)
{
    aeron_publication_constants_t constants;
    aeron_counters_reader_buffers_t buffers;

    if (aeron_exclusive_publication_constants(publication, &constants) < 0 ||
        aeron_counters_reader_get_buffers(reader, &buffers) < 0)
    {
        return -1;
    }

    shim_sample_t *created = calloc(1, sizeof(*created));
    if (NULL == created || NULL == (created->buffer = malloc(constants.max_message_length)))
    {
        free(created);
        AERON_SET_ERR(ENOMEM, "%s", "no memory for the journal");
        return -1;
    }

    shim_thread_condition(&created->wake);
    pthread_mutex_init(&created->lock, NULL);

    created->publication = publication;
    created->metadata = (const aeron_counter_metadata_descriptor_t *)buffers.metadata;
    created->values = (const aeron_counter_value_descriptor_t *)buffers.values;
    created->slots = (int32_t)(buffers.values_length / sizeof(*created->values));
    created->interval_ns = interval_ns;
    created->image_frequency = image_frequency;
    created->max_message = constants.max_message_length;
    created->max_payload = constants.max_payload_length;
    created->notify_fd = -1;
    created->image_position = -1;
    created->record_position = -1;
    created->time_ns = after_ns;

    /* So that each later entry has an image before it. */
    const int64_t result = sample_write_image(created);
    if (result < 0)
    {
        AERON_SET_ERR(EAGAIN, "the journal takes no first entry: %lld", (long long)result);
        release(created);
        return -1;
    }
    if (shim_thread_start(&created->thread, run, created, "the journal") < 0)
    {
        release(created);
        return -1;
    }

    *sample = created;
    return 0;
}

void shim_sample_delete(shim_sample_t *sample)
{
    if (NULL == sample)
    {
        return;
    }

    pthread_mutex_lock(&sample->lock);
    sample->stop = true;
    pthread_cond_signal(&sample->wake);
    pthread_mutex_unlock(&sample->lock);
    pthread_join(sample->thread, NULL);
    release(sample);
}

static int make_room(shim_sample_t *sample)
{
    if (sample->open < sample->room)
    {
        return 0;
    }

    const uint32_t room = 0 == sample->room ? 64 : 2 * sample->room;
    stream_t *streams = realloc(sample->streams, room * sizeof(*streams));
    sample->streams = NULL == streams ? sample->streams : streams;
    uint32_t *moved = realloc(sample->moved, room * sizeof(*moved));
    sample->moved = NULL == moved ? sample->moved : moved;
    if (NULL == streams || NULL == moved)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a stream");
        return -1;
    }
    sample->room = room;
    return 0;
}

static int64_t open_stream(shim_sample_t *sample, const stream_t *stream, const uint8_t *body, size_t length)
{
    if (stream->index != sample->opened)
    {
        AERON_SET_ERR(EINVAL, "stream %u opened after %u streams", stream->index, sample->opened);
        return AERON_PUBLICATION_ERROR;
    }
    if (make_room(sample) < 0)
    {
        return AERON_PUBLICATION_ERROR;
    }

    const int64_t result = sample_append(sample, SHIM_JOURNAL_OPENED, 1, body, length);
    if (result >= 0)
    {
        sample->streams[sample->open++] = *stream;
        sample->opened++;
        sample->unattached++;
        sample_attach(sample, sample->open - 1, sample->open);
    }
    return result;
}

int64_t shim_sample_open(
    shim_sample_t *sample,
    uint32_t index,
    int64_t recording_id,
    int32_t session_id,
    int64_t start_position,
    const uint8_t *body,
    size_t length)
{
    const stream_t stream = {
        .index = index,
        .counter_id = -1,
        .recording_id = recording_id,
        .previous = start_position,
        .position = start_position,
        .session_id = session_id,
    };

    pthread_mutex_lock(&sample->lock);
    const int64_t result = open_stream(sample, &stream, body, length);
    pthread_mutex_unlock(&sample->lock);
    return result;
}

static int64_t close_stream(shim_sample_t *sample, uint32_t place, int64_t stop_position, int64_t *stopped_at)
{
    stream_t *stream = &sample->streams[place];

    if (stop_position > stream->position)
    {
        stream->seen = stop_position;
        sample->moved[0] = place;
        const int64_t result = sample_write_tick(sample, 1);
        if (result < 0)
        {
            return result;
        }
    }

    const journal_closed_t body = {
        .index = stream->index,
        .previous = stream->previous,
        .stop_position = stream->position,
    };
    const int64_t result = sample_append(sample, SHIM_JOURNAL_CLOSED, 1, (const uint8_t *)&body, sizeof(body));
    if (result >= 0)
    {
        *stopped_at = stream->position;
        sample->unattached -= stream->counter_id < 0 ? 1 : 0;
        sample->open--;
        memmove(stream, stream + 1, (sample->open - place) * sizeof(*stream));
    }
    return result;
}

int64_t shim_sample_close(shim_sample_t *sample, uint32_t index, int64_t stop_position, int64_t *stopped_at)
{
    int64_t result = AERON_PUBLICATION_ERROR;
    uint32_t place = 0;

    pthread_mutex_lock(&sample->lock);
    while (place < sample->open && index != sample->streams[place].index)
    {
        place++;
    }
    if (place < sample->open)
    {
        result = close_stream(sample, place, stop_position, stopped_at);
    }
    else
    {
        AERON_SET_ERR(EINVAL, "no open stream %u", index);
    }
    pthread_mutex_unlock(&sample->lock);
    return result;
}

int64_t shim_sample_append(shim_sample_t *sample, uint8_t kind, uint32_t count, const uint8_t *body, size_t length)
{
    pthread_mutex_lock(&sample->lock);
    const int64_t result = sample_append(sample, kind, count, body, length);
    pthread_mutex_unlock(&sample->lock);
    return result;
}

int64_t shim_sample_image(shim_sample_t *sample)
{
    pthread_mutex_lock(&sample->lock);
    const int64_t result = sample_write_image(sample);
    pthread_mutex_unlock(&sample->lock);
    return result;
}

int shim_sample_positions(shim_sample_t *sample, uint32_t *indexes, int64_t *positions, int capacity)
{
    pthread_mutex_lock(&sample->lock);
    for (uint32_t i = 0; i < sample->open && (int)i < capacity; i++)
    {
        indexes[i] = sample->streams[i].index;
        positions[i] = sample->streams[i].position;
    }
    const int open = (int)sample->open;
    pthread_mutex_unlock(&sample->lock);
    return open;
}

void shim_sample_notify(shim_sample_t *sample, int fd, int64_t interval_ns)
{
    pthread_mutex_lock(&sample->lock);
    sample->notify_fd = fd;
    sample->notify_ns = interval_ns;
    sample->arrivals = 0;
    pthread_mutex_unlock(&sample->lock);
}

void shim_sample_statistics(shim_sample_t *sample, shim_sample_statistics_t *statistics)
{
    pthread_mutex_lock(&sample->lock);
    clockid_t clock;

    *statistics = sample->statistics;
    statistics->cpu_ns = 0 == pthread_getcpuclockid(sample->thread, &clock) ? clock_ns(clock) : 0;
    statistics->open = sample->open;
    statistics->time_ns = sample->time_ns;
    statistics->unattached = sample->unattached;
    pthread_mutex_unlock(&sample->lock);
}
