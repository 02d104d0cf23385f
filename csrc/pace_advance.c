#include "pace.h"

void pace_raise(slot_t *slot, int64_t position)
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

void pace_tick(shim_pace_track_t *track, int64_t time)
{
    for (move_t *move = pace_front(track); NULL != move && move->time <= time; move = pace_front(track))
    {
        pace_raise(&track->slots[move->slot], move->position);
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
            pace_raise(slot, position);
        }
        else
        {
            slot->counter_id = -1;
            track->following--;
        }
    }
}

/* The recorded time that is now, when nothing holds it. */
static int64_t time_at(const shim_pace_track_t *track, int64_t now)
{
    const double passed = (double)(now - track->clock_ns) * track->speed;
    return passed > 4e18 - (double)track->time ? INT64_MAX : track->time + (int64_t)passed;
}

void pace_anchor(shim_pace_track_t *track, int64_t now)
{
    track->clock_ns = now;
    track->time = track->position;
}

int64_t pace_advance(shim_pace_track_t *track, int64_t now)
{
    const int64_t limit = pace_min(track->horizon, track->end);
    const int64_t wanted = time_at(track, now);
    const int64_t time = pace_min(wanted, limit);

    for (move_t *move = pace_front(track); NULL != move && move->time <= time; move = pace_front(track))
    {
        const double late = (double)(wanted - move->time) / track->speed;
        if (late > (double)track->late_ns)
        {
            track->late_ns = late > 9e18 ? INT64_MAX : (int64_t)late;
        }
        pace_tick(track, move->time);
    }
    if (time > track->position)
    {
        track->position = time;
    }
    if (wanted > limit)
    {
        /* What could not be on time, because nobody said that all was there, comes later and not faster. */
        pace_anchor(track, now);
    }
    if (track->following > 0 && wanted < track->end)
    {
        follow(track);
        return FOLLOW_EVERY_NS;
    }

    const move_t *move = pace_front(track);
    if (NULL == move || move->time > limit)
    {
        return LONGEST_WAIT_NS;
    }
    const double wait = (double)(move->time - time) / track->speed;
    return wait > (double)LONGEST_WAIT_NS ? LONGEST_WAIT_NS : (int64_t)wait + 1;
}
