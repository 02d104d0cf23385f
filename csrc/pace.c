#include "pace.h"

#include <errno.h>
#include <stdlib.h>

#include "thread.h"
#include "util/aeron_error.h"

#define SLOTS_LIMIT (1 << 24)

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
                wait = pace_min(wait, pace_advance(track, now));
            }
        }

        pace->changed = false;
        const struct timespec until = clock_time(now + wait);
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
        pace_advance(track, now);
    }
    track->speed = speed;
    track->end = end;
    track->playing = true;
    pace_anchor(track, now);
    changed(track->pace);
    unlock(track);
}

void shim_pace_pause(shim_pace_track_t *track)
{
    lock(track);
    if (track->playing)
    {
        pace_advance(track, monotonic_ns());
    }
    track->playing = false;
    unlock(track);
}

int64_t shim_pace_step(shim_pace_track_t *track, int64_t ticks)
{
    int64_t made = 0;

    lock(track);
    for (move_t *move = pace_front(track); NULL != move && made < ticks; move = pace_front(track))
    {
        pace_tick(track, move->time);
        made++;
    }
    pace_anchor(track, monotonic_ns());
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
    pace_anchor(track, monotonic_ns());
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
        pace_raise(&track->slots[slot], position);
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

void shim_pace_forget(shim_pace_track_t *track, int32_t slot)
{
    lock(track);
    if (slot >= 0 && slot < track->slots_length)
    {
        track->following -= track->slots[slot].counter_id >= 0;
        track->slots[slot] = (slot_t){ .counter_id = -1 };
    }
    unlock(track);
}

int64_t shim_pace_position(shim_pace_track_t *track, int32_t slot)
{
    lock(track);
    const int64_t position = slot >= 0 && slot < track->slots_length ? track->slots[slot].position : 0;
    unlock(track);
    return position;
}

void shim_pace_positions(shim_pace_track_t *track, int64_t *positions, int32_t count)
{
    lock(track);
    for (int32_t i = 0; i < count; i++)
    {
        positions[i] = i < track->slots_length ? track->slots[i].position : 0;
    }
    unlock(track);
}

void shim_pace_status(shim_pace_track_t *track, shim_pace_status_t *status)
{
    lock(track);
    if (track->playing)
    {
        pace_advance(track, monotonic_ns());
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
