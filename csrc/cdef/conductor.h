/* Conductor: what Aeron calls on its conductor thread, as events. The client's own go to one queue; the images of a
 * subscription go to that subscription's source, so that they reach the thread that polls it. */

typedef struct shim_conductor_stct shim_conductor_t;
typedef struct shim_source_stct shim_source_t;

typedef enum shim_conductor_interest_en
{
    SHIM_CONDUCTOR_COUNTERS = 1,     /* AVAILABLE_COUNTER, UNAVAILABLE_COUNTER */
    SHIM_CONDUCTOR_REGISTRATIONS = 2 /* NEW_PUBLICATION, NEW_SUBSCRIPTION */
}
shim_conductor_interest_t;

int shim_conductor_create(shim_conductor_t **conductor);

/* After aeron_close: its sources go with it. */
void shim_conductor_delete(shim_conductor_t *conductor);

shim_events_t *shim_conductor_events(const shim_conductor_t *conductor);

/* Set the context's handlers. Errors come always, whatever the interest: Aeron's own handler ends the process. */
int shim_conductor_attach(shim_conductor_t *conductor, aeron_context_t *context, int32_t interest);

/* Add a subscription; with a source its images become events there. The source is the conductor's from then on. */
int shim_conductor_add_subscription(
    shim_conductor_t *conductor,
    aeron_async_add_subscription_t **async,
    aeron_t *client,
    const char *uri,
    int32_t stream_id,
    bool with_source,
    shim_source_t **source);

/* The driver refused, or was too late: the source of a subscription that never came to be. */
void shim_conductor_discard(shim_source_t *source);

/* Give up waiting for a subscription, whether or not it comes to be. */
int shim_conductor_cancel_subscription(
    aeron_t *client, aeron_async_add_subscription_t *async, shim_source_t *source);

/* Close it; the source goes when the conductor has let the subscription go. */
int shim_conductor_close_subscription(aeron_subscription_t *subscription, shim_source_t *source);

shim_events_t *shim_source_events(const shim_source_t *source);
