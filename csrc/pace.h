#ifndef AERON_PY_PACE_H
#define AERON_PY_PACE_H

/* What the files of the pacer share: pace.c has the thread and what is called, pace_advance.c moves time. All with the lock. */

#include "shim.h"

#include <pthread.h>

#include "clock.h"

#define LONGEST_WAIT_NS (SECOND_NS / 20)
#define FOLLOW_EVERY_NS (SECOND_NS / 1000)
#define QUEUE_CAPACITY (INT64_C(1) << 16)

typedef struct move_stct
{
    int64_t time;
    int64_t position;
    int32_t slot;
}
move_t;

typedef struct slot_stct
{
    int64_t position;
    int64_t *address;
    int64_t registration_id; /* of the counter that it follows */
    int32_t counter_id;      /* negative for none */
}
slot_t;

struct shim_pace_track_stct
{
    shim_pace_t *pace;
    shim_pace_track_t *next;
    move_t *moves; /* a ring */
    slot_t *slots;
    int64_t first; /* moves ever taken and ever put */
    int64_t last;
    int32_t slots_length;
    int32_t following;
    bool playing;
    double speed;
    int64_t clock_ns; /* monotonic time and recorded time of one moment */
    int64_t time;
    int64_t position;
    int64_t horizon;
    int64_t end;
    int64_t ticks;
    int64_t late_ns;
};

struct shim_pace_stct
{
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    const aeron_counter_value_descriptor_t *values;
    int32_t counters;
    shim_pace_track_t *tracks;
    bool stop;
    bool changed;
};

static inline int64_t pace_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The move that comes next, NULL when there is none. */
static inline move_t *pace_front(shim_pace_track_t *track)
{
    return track->first == track->last ? NULL : &track->moves[track->first & (QUEUE_CAPACITY - 1)];
}

void pace_raise(slot_t *slot, int64_t position);

/* Make the moves of one recorded time. */
void pace_tick(shim_pace_track_t *track, int64_t time);

/* Time goes on from where it stands now. */
void pace_anchor(shim_pace_track_t *track, int64_t now);

/* Make what is due; returns the nanoseconds until there is more to do. */
int64_t pace_advance(shim_pace_track_t *track, int64_t now);

#endif
