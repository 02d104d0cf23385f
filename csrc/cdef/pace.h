/* Pace: a thread that moves counters along recorded time. Each is the limit of a bounded replay, so that what comes out of
 * the archive comes when it should, and nothing else has to run for it. */

typedef struct shim_pace_stct shim_pace_t;

/* What one session plays: moves in the order of their recorded times, mapped to the clock by a speed. A slot is one recorded
 * stream: the position up to which it may be played, which only grows, and the counter that shows it. */
typedef struct shim_pace_track_stct shim_pace_track_t;

typedef struct shim_pace_status_stct
{
    int64_t position;   /* recorded time, nanoseconds since 1970 */
    int64_t horizon;    /* all moves up to this recorded time were pushed: time goes no further */
    int64_t queued;     /* moves that wait */
    int64_t ticks;      /* recorded times of which moves were made */
    int64_t late_ns;    /* the longest delay of a move since the last look */
    int32_t playing;
}
shim_pace_status_t;

/* The reader must outlive it. */
int shim_pace_create(shim_pace_t **pace, aeron_counters_reader_t *reader);

/* With all its tracks. */
void shim_pace_delete(shim_pace_t *pace);

int shim_pace_add(shim_pace_t *pace, shim_pace_track_t **track);
void shim_pace_remove(shim_pace_track_t *track);

/* Queue moves, all or none: 1, 0 when there is no room now, -1. Their times never fall, and neither does the horizon. */
int shim_pace_push(
    shim_pace_track_t *track,
    const int64_t *times,
    const int32_t *slots,
    const int64_t *positions,
    int64_t count,
    int64_t horizon);

/* Time goes on from where it stands, up to `end`. */
void shim_pace_play(shim_pace_track_t *track, double speed, int64_t end);
void shim_pace_pause(shim_pace_track_t *track);

/* Make the moves of the next so many recorded times now: how many there were. */
int64_t shim_pace_step(shim_pace_track_t *track, int64_t ticks);

/* Stand at a recorded time with nothing queued and all slots empty, without counters. */
void shim_pace_seek(shim_pace_track_t *track, int64_t position);

/* Let a slot show its position in a counter, of which it is the only writer, or with NULL in none. */
int shim_pace_attach(shim_pace_track_t *track, int32_t slot, int64_t *address);

/* Raise a slot's position. */
int shim_pace_raise(shim_pace_track_t *track, int32_t slot, int64_t position);

/* While time goes on, a slot follows a counter of that registration; a negative id ends that. */
int shim_pace_follow(shim_pace_track_t *track, int32_t slot, int32_t counter_id, int64_t registration_id);

/* A slot as it was before its first use: for another recording. No move of it may wait. */
void shim_pace_forget(shim_pace_track_t *track, int32_t slot);

int64_t shim_pace_position(shim_pace_track_t *track, int32_t slot);

/* The positions of the first so many slots, 0 for those never used. */
void shim_pace_positions(shim_pace_track_t *track, int64_t *positions, int32_t count);

void shim_pace_status(shim_pace_track_t *track, shim_pace_status_t *status);
