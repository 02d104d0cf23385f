#ifndef AERON_PY_SAMPLE_H
#define AERON_PY_SAMPLE_H

#include "clock.h"
#include "journal.h"

#include <pthread.h>

typedef struct stream_stct
{
    uint32_t index;
    int32_t counter_id; /* negative while its counter is not there */
    int64_t registration_id;
    int64_t recording_id;
    int64_t previous;
    int64_t position;
    int64_t seen; /* position that goes into the next tick */
    int32_t session_id;
}
stream_t;

struct shim_sample_stct
{
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    aeron_exclusive_publication_t *publication;
    const aeron_counter_metadata_descriptor_t *metadata;
    const aeron_counter_value_descriptor_t *values;
    int32_t slots;
    int64_t interval_ns;
    int64_t image_frequency;
    size_t max_message;
    size_t max_payload;
    uint8_t *buffer; /* of max_message */
    stream_t *streams; /* the open ones */
    uint32_t *moved; /* places in streams */
    uint32_t open;
    uint32_t room;
    uint32_t opened;
    uint32_t unattached;
    int32_t used; /* slots of counters that ever were */
    uint64_t arrivals; /* 0: not known */
    int notify_fd; /* negative: nobody asked */
    int64_t notify_ns;
    int64_t time_ns;
    int64_t image_position;
    int64_t record_position;
    shim_sample_statistics_t statistics;
    bool stop;
};

/* All with the lock held. */

/* Find the counters of streams that have none: from the first to the one before `end` in streams. */
void sample_attach(shim_sample_t *sample, uint32_t first, uint32_t end);

/* Let go of counters that are freed: their slots may stay unused, and another counter be the stream's. */
void sample_detach(shim_sample_t *sample);

/* Write to the descriptor if a counter has come since. */
void sample_notify(shim_sample_t *sample);

/* What is written: the results are those of aeron_exclusive_publication_offer. */

/* All open streams, in as many entries as it takes: they have one time. */
int64_t sample_write_image(shim_sample_t *sample);

/* The streams at so many places in `moved`, in as many entries as it takes: they have one time. */
int64_t sample_write_tick(shim_sample_t *sample, uint32_t moved);

int64_t sample_append(shim_sample_t *sample, uint8_t kind, uint32_t count, const uint8_t *body, size_t length);

#endif
