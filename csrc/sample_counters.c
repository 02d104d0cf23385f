#include "sample.h"

#include <string.h>
#include <unistd.h>

#define REC_POS_TYPE 100

void sample_attach(shim_sample_t *sample, uint32_t first, uint32_t end)
{
    for (int32_t id = 0; id < sample->slots; id++)
    {
        const aeron_counter_metadata_descriptor_t *metadata = &sample->metadata[id];
        const int32_t state = __atomic_load_n(&metadata->state, __ATOMIC_ACQUIRE);
        int64_t recording_id;
        int32_t session_id;

        if (AERON_COUNTER_RECORD_UNUSED == state)
        {
            break;
        }
        if (AERON_COUNTER_RECORD_ALLOCATED != state || REC_POS_TYPE != metadata->type_id)
        {
            continue;
        }

        const int64_t registration_id = __atomic_load_n(&sample->values[id].registration_id, __ATOMIC_ACQUIRE);
        memcpy(&recording_id, metadata->key, sizeof(recording_id));
        memcpy(&session_id, metadata->key + sizeof(recording_id), sizeof(session_id));
        for (uint32_t i = first; AERON_COUNTER_REGISTRATION_ID_DEFAULT != registration_id && i < end; i++)
        {
            stream_t *stream = &sample->streams[i];
            if (stream->counter_id < 0 && stream->recording_id == recording_id && stream->session_id == session_id)
            {
                stream->counter_id = id;
                stream->registration_id = registration_id;
                sample->unattached--;
            }
        }
    }
}

void sample_detach(shim_sample_t *sample)
{
    for (uint32_t i = 0; i < sample->open; i++)
    {
        stream_t *stream = &sample->streams[i];
        if (stream->counter_id >= 0 && AERON_COUNTER_RECORD_ALLOCATED !=
            __atomic_load_n(&sample->metadata[stream->counter_id].state, __ATOMIC_ACQUIRE))
        {
            stream->counter_id = -1;
            sample->unattached++;
        }
    }
}

/* A number that is another one when a counter has come, or got its registration, since. It looks at the values alone: on a
 * machine of many counters that is a fifth of the pages, and pages are what a look now and then pays for. */
static uint64_t arrivals(shim_sample_t *sample)
{
    uint64_t number = UINT64_C(0xcbf29ce484222325);

    while (sample->used < sample->slots &&
        AERON_COUNTER_RECORD_UNUSED != __atomic_load_n(&sample->metadata[sample->used].state, __ATOMIC_ACQUIRE))
    {
        sample->used++;
    }
    for (int32_t id = 0; id < sample->used; id++)
    {
        const int64_t registration_id = __atomic_load_n(&sample->values[id].registration_id, __ATOMIC_ACQUIRE);
        number = (number ^ (uint64_t)registration_id) * UINT64_C(0x100000001b3);
    }
    return (number ^ (uint64_t)sample->used) | 1;
}

void sample_notify(shim_sample_t *sample)
{
    const uint64_t number = arrivals(sample);
    const uint64_t one = 1;

    if (number != sample->arrivals && sizeof(one) == write(sample->notify_fd, &one, sizeof(one)))
    {
        sample->arrivals = number;
    }
}
