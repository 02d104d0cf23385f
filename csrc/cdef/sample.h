/* Sample: a thread that looks at the archive's rec-pos counters and writes to the recorder's journal which streams moved.
 * docs/journal-format.md describes what it writes. Everything else of the journal goes through here, too, so that there is
 * one order. */

typedef struct shim_sample_stct shim_sample_t;

typedef struct shim_sample_statistics_stct
{
    int64_t samples;     /* how often it looked */
    int64_t ticks;       /* how often something had moved and was written */
    int64_t missed;      /* how often the journal would not take it: the next sample says it */
    int64_t images;
    int64_t cpu_ns;      /* of the thread */
    int64_t open;        /* streams */
    int64_t unattached;  /* streams whose counter is not there */
    int64_t bytes;       /* by how much all streams moved */
    int64_t time_ns;     /* of the last entry */
    int64_t error;       /* the result of the offer (AERON_PUBLICATION_...) that ended the sampling, 0 while it goes on */
}
shim_sample_statistics_t;

/* Start the thread. The reader and the publication, which nobody else offers to, must outlive it. All its entries are after
 * a time, which is that of the last one of a journal before it, or 0. */
int shim_sample_create(
    shim_sample_t **sample,
    aeron_counters_reader_t *reader,
    aeron_exclusive_publication_t *publication,
    int64_t interval_ns,
    int64_t image_frequency,
    int64_t after_ns);
void shim_sample_delete(shim_sample_t *sample);

/* These return the journal's position after the entry, or what aeron_exclusive_publication_offer returned instead:
 * nothing is changed then, and it can be tried again. */

/* The stream of the next index: `index` must be it, or the result is AERON_PUBLICATION_ERROR with the error set. */
int64_t shim_sample_open(
    shim_sample_t *sample,
    uint32_t index,
    int64_t recording_id,
    int32_t session_id,
    int64_t start_position,
    const uint8_t *body,
    size_t length);

/* With a last tick when it stopped further than it was seen; stop_position -1: where it was seen last. Tells where it
 * stopped. */
int64_t shim_sample_close(shim_sample_t *sample, uint32_t index, int64_t stop_position, int64_t *stopped_at);
int64_t shim_sample_append(shim_sample_t *sample, uint8_t kind, uint32_t count, const uint8_t *body, size_t length);
int64_t shim_sample_image(shim_sample_t *sample);

/* Index and position of the open streams: how many there are, which can be more than fit. */
int shim_sample_positions(shim_sample_t *sample, uint32_t *indexes, int64_t *positions, int capacity);

/* Have 8 bytes written to an eventfd at once, and when a counter of any type came that the driver or a client made: it looks
 * so often at most. A negative fd ends it. */
void shim_sample_notify(shim_sample_t *sample, int fd, int64_t interval_ns);
void shim_sample_statistics(shim_sample_t *sample, shim_sample_statistics_t *statistics);
