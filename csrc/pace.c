#include "shim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "thread.h"
#include "util/aeron_error.h"

#define SECOND_NS INT64_C(1000000000)
#define LONGEST_WAIT_NS (SECOND_NS / 20)
#define FOLLOW_EVERY_NS (SECOND_NS / 1000)
#define QUEUE_CAPACITY (INT64_C(1) << 16)
#define SLOTS_LIMIT (1 << 24)

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

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void raise_slot(slot_t *slot, int64_t position)
{
    if (position > slot->position)
    {
        slot->position = position;
        if (NULL != slot->address && position > __atomic_load_n(slot->address, __ATOMIC_RELAXED))
        {
            __atomic_store_n(slot->address, position, __ATOMIC_RELEASE);
        }
    }
}

static move_t *front(shim_pace_track_t *track)
{
    return track->first == track->last ? NULL : &track->moves[track->first & (QUEUE_CAPACITY - 1)];
}

/* Make the moves of one recorded time. */
static void tick(shim_pace_track_t *track, int64_t time)
{
    for (move_t *move = front(track); NULL != move && move->time <= time; move = front(track))
    {
        raise_slot(&track->slots[move->slot], move->position);
        track->first++;
    }
    if (time > track->position)
    {
        track->position = time;
    }
    track->ticks++;
}

static void follow(shim_pace_track_t *track)
{
    for (int32_t i = 0; i < track->slots_length; i++)
    {
        slot_t *slot = &track->slots[i];
        if (slot->counter_id < 0)
        {
            continue;
        }

        const aeron_counter_value_descriptor_t *value = &track->pace->values[slot->counter_id];
        const int64_t position = __atomic_load_n(&value->counter_value, __ATOMIC_ACQUIRE);
        if (slot->registration_id == __atomic_load_n(&value->registration_id, __ATOMIC_ACQUIRE))
        {
            raise_slot(slot, position);
        }
        else
        {
            slot->counter_id = -1;
            track->following--;
        }
    }
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The recorded time that is now, when nothing holds it. */
static int64_t time_at(const shim_pace_track_t *track, int64_t now)
{
    const double passed = (double)(now - track->clock_ns) * track->speed;
    return passed > 4e18 - (double)track->time ? INT64_MAX : track->time + (int64_t)passed;
}

static void anchor(shim_pace_track_t *track, int64_t now)
{
    track->clock_ns = now;
    track->time = track->position;
}

/* Make what is due; returns the nanoseconds until there is more to do. */
static int64_t advance(shim_pace_track_t *track, int64_t now)
{
    const int64_t limit = min_of(track->horizon, track->end);
    const int64_t wanted = time_at(track, now);
    const int64_t time = min_of(wanted, limit);

    for (move_t *move = front(track); NULL != move && move->time <= time; move = front(track))
    {
        const double late = (double)(wanted - move->time) / track->speed;
        if (late > (double)track->late_ns)
        {
            track->late_ns = late > 9e18 ? INT64_MAX : (int64_t)late;
        }
        tick(track, move->time);
    }
    if (time > track->position)
    {
        track->position = time;
    }
    if (wanted > limit)
    {
        /* What could not be on time, because nobody said that all was there, comes later and not faster. */
        anchor(track, now);
    }
    if (track->following > 0 && wanted < track->end)
    {
        follow(track);
        return FOLLOW_EVERY_NS;
    }

    const move_t *move = front(track);
    if (NULL == move || move->time > limit)
    {
        return LONGEST_WAIT_NS;
    }
    const double wait = (double)(move->time - time) / track->speed;
    return wait > (double)LONGEST_WAIT_NS ? LONGEST_WAIT_NS : (int64_t)wait + 1;
}

static void *run(void *argument)
{
    shim_pace_t *pace = argument;

    shim_thread_be_prompt();
    pthread_mutex_lock(&pace->lock);
    while (!pace->stop)
    {
        const int64_t now = monotonic_ns();
        int64_t wait = LONGEST_WAIT_NS;

        for (shim_pace_track_t *track = pace->tracks; NULL != track; track = track->next)
        {
            if (track->playing)
            {
                wait = min_of(wait, advance(track, now));
            }
        }

        pace->changed = false;
        const int64_t deadline = now + wait;
        const struct timespec until = { .tv_sec = deadline / SECOND_NS, .tv_nsec = deadline % SECOND_NS };
        while (!pace->stop && !pace->changed && ETIMEDOUT != pthread_cond_timedwait(&pace->wake, &pace->lock, &until))
        {
        }
    }
    pthread_mutex_unlock(&pace->lock);
    return NULL;
}

static void lock(shim_pace_track_t *track)
{
    pthread_mutex_lock(&track->pace->lock);
}

static void unlock(shim_pace_track_t *track)
{
    pthread_mutex_unlock(&track->pace->lock);
}

static void changed(shim_pace_t *pace)
{
    pace->changed = true;
    pthread_cond_signal(&pace->wake);
}

int shim_pace_create(shim_pace_t **pace, aeron_counters_reader_t *reader)
{
    aeron_counters_reader_buffers_t buffers;

    if (aeron_counters_reader_get_buffers(reader, &buffers) < 0)
    {
        return -1;
    }
    shim_pace_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for playback");
        return -1;
    }
    created->values = (const aeron_counter_value_descriptor_t *)buffers.values;
    created->counters = (int32_t)(buffers.values_length / sizeof(*created->values));
    shim_thread_condition(&created->wake);
    pthread_mutex_init(&created->lock, NULL);

    if (shim_thread_start(&created->thread, run, created, "playback") < 0)
    {
        pthread_cond_destroy(&created->wake);
        pthread_mutex_destroy(&created->lock);
        free(created);
        return -1;
    }
    *pace = created;
    return 0;
}

static void release(shim_pace_track_t *track)
{
    free(track->moves);
    free(track->slots);
    free(track);
}

void shim_pace_delete(shim_pace_t *pace)
{
    pthread_mutex_lock(&pace->lock);
    pace->stop = true;
    changed(pace);
    pthread_mutex_unlock(&pace->lock);
    pthread_join(pace->thread, NULL);
    while (NULL != pace->tracks)
    {
        shim_pace_track_t *track = pace->tracks;
        pace->tracks = track->next;
        release(track);
    }
    pthread_cond_destroy(&pace->wake);
    pthread_mutex_destroy(&pace->lock);
    free(pace);
}

int shim_pace_add(shim_pace_t *pace, shim_pace_track_t **track)
{
    shim_pace_track_t *created = calloc(1, sizeof(*created));

    if (NULL == created || NULL == (created->moves = malloc(QUEUE_CAPACITY * sizeof(*created->moves))))
    {
        free(created);
        AERON_SET_ERR(ENOMEM, "%s", "no memory for playback");
        return -1;
    }
    created->pace = pace;
    created->speed = 1;
    created->end = INT64_MAX;
    pthread_mutex_lock(&pace->lock);
    created->next = pace->tracks;
    pace->tracks = created;
    pthread_mutex_unlock(&pace->lock);
    *track = created;
    return 0;
}

void shim_pace_remove(shim_pace_track_t *track)
{
    lock(track);
    shim_pace_track_t **place = &track->pace->tracks;
    while (*place != track)
    {
        place = &(*place)->next;
    }
    *place = track->next;
    unlock(track);
    release(track);
}

/* Have a slot; with the lock. */
static int reserve(shim_pace_track_t *track, int32_t slot)
{
    if (slot < 0 || slot >= SLOTS_LIMIT)
    {
        AERON_SET_ERR(EINVAL, "no such slot: %d", slot);
        return -1;
    }
    if (slot >= track->slots_length)
    {
        const int32_t length = slot + 64 > 2 * track->slots_length ? slot + 64 : 2 * track->slots_length;
        slot_t *slots = realloc(track->slots, (size_t)length * sizeof(*slots));
        if (NULL == slots)
        {
            AERON_SET_ERR(ENOMEM, "%s", "no memory for playback");
            return -1;
        }
        for (int32_t i = track->slots_length; i < length; i++)
        {
            slots[i] = (slot_t){ .counter_id = -1 };
        }
        track->slots = slots;
        track->slots_length = length;
    }
    return 0;
}

int shim_pace_push(
    shim_pace_track_t *track,
    const int64_t *times,
    const int32_t *slots,
    const int64_t *positions,
    int64_t count,
    int64_t horizon)
{
    int result = 0;

    lock(track);
    if (count <= QUEUE_CAPACITY - (track->last - track->first))
    {
        result = 1;
        for (int64_t i = 0; i < count && result > 0; i++)
        {
            result = reserve(track, slots[i]) < 0 ? -1 : 1;
        }
        for (int64_t i = 0; i < count && result > 0; i++)
        {
            track->moves[track->last & (QUEUE_CAPACITY - 1)] =
                (move_t){ .time = times[i], .position = positions[i], .slot = slots[i] };
            track->last++;
        }
        if (result > 0 && horizon > track->horizon)
        {
            track->horizon = horizon;
        }
        changed(track->pace);
    }
    unlock(track);
    return result;
}

void shim_pace_play(shim_pace_track_t *track, double speed, int64_t end)
{
    lock(track);
    const int64_t now = monotonic_ns();
    if (track->playing)
    {
        advance(track, now);
    }
    track->speed = speed;
    track->end = end;
    track->playing = true;
    anchor(track, now);
    changed(track->pace);
    unlock(track);
}

void shim_pace_pause(shim_pace_track_t *track)
{
    lock(track);
    if (track->playing)
    {
        advance(track, monotonic_ns());
    }
    track->playing = false;
    unlock(track);
}

int64_t shim_pace_step(shim_pace_track_t *track, int64_t ticks)
{
    int64_t made = 0;

    lock(track);
    for (move_t *move = front(track); NULL != move && made < ticks; move = front(track))
    {
        tick(track, move->time);
        made++;
    }
    anchor(track, monotonic_ns());
    unlock(track);
    return made;
}

void shim_pace_seek(shim_pace_track_t *track, int64_t position)
{
    lock(track);
    track->first = track->last;
    track->position = position;
    track->horizon = position;
    track->following = 0;
    for (int32_t i = 0; i < track->slots_length; i++)
    {
        track->slots[i] = (slot_t){ .counter_id = -1 };
    }
    anchor(track, monotonic_ns());
    unlock(track);
}

int shim_pace_attach(shim_pace_track_t *track, int32_t slot, int64_t *address)
{
    lock(track);
    const int result = reserve(track, slot);
    if (0 == result)
    {
        slot_t *found = &track->slots[slot];
        found->address = address;
        if (NULL != address && found->position > __atomic_load_n(address, __ATOMIC_RELAXED))
        {
            __atomic_store_n(address, found->position, __ATOMIC_RELEASE);
        }
    }
    unlock(track);
    return result;
}

int shim_pace_raise(shim_pace_track_t *track, int32_t slot, int64_t position)
{
    lock(track);
    const int result = reserve(track, slot);
    if (0 == result)
    {
        raise_slot(&track->slots[slot], position);
    }
    unlock(track);
    return result;
}

int shim_pace_follow(shim_pace_track_t *track, int32_t slot, int32_t counter_id, int64_t registration_id)
{
    lock(track);
    int result = reserve(track, slot);
    if (0 == result && counter_id >= track->pace->counters)
    {
        AERON_SET_ERR(EINVAL, "no such counter: %d", counter_id);
        result = -1;
    }
    if (0 == result)
    {
        slot_t *found = &track->slots[slot];
        track->following += (counter_id >= 0) - (found->counter_id >= 0);
        found->counter_id = counter_id;
        found->registration_id = registration_id;
        changed(track->pace);
    }
    unlock(track);
    return result;
}

int64_t shim_pace_position(shim_pace_track_t *track, int32_t slot)
{
    lock(track);
    const int64_t position = slot >= 0 && slot < track->slots_length ? track->slots[slot].position : 0;
    unlock(track);
    return position;
}

void shim_pace_status(shim_pace_track_t *track, shim_pace_status_t *status)
{
    lock(track);
    if (track->playing)
    {
        advance(track, monotonic_ns());
    }
    status->position = track->position;
    status->horizon = track->horizon;
    status->queued = track->last - track->first;
    status->ticks = track->ticks;
    status->late_ns = track->late_ns;
    status->playing = track->playing;
    track->late_ns = 0;
    unlock(track);
}
