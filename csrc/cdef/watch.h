/* Watch: one thread a client that looks, without consuming, at what tasks wait for, and makes their descriptor readable.
 * No data crosses threads. An entry is one thing waited for; it is parked once for each wait. */

typedef struct shim_watch_stct shim_watch_t;
typedef struct shim_watch_entry_stct shim_watch_entry_t;

typedef enum shim_watch_strategy_en
{
    SHIM_WATCH_SPIN = 0,    /* look all the time */
    SHIM_WATCH_YIELD = 1,   /* let others run between two looks */
    SHIM_WATCH_BACKOFF = 2, /* spin, yield, then park: a quarter of the time waited so far, within the bounds given */
    SHIM_WATCH_SLEEP = 3    /* park for max_park_ns */
}
shim_watch_strategy_t;

typedef enum shim_watch_kind_en
{
    SHIM_WATCH_SUBSCRIPTION = 0,          /* aeron_subscription_t: a frame, the end of a stream, images came or went */
    SHIM_WATCH_PUBLICATION = 1,           /* aeron_publication_t: room, or no subscriber any more */
    SHIM_WATCH_EXCLUSIVE_PUBLICATION = 2, /* aeron_exclusive_publication_t: the same */
    SHIM_WATCH_REGISTRATION = 3,          /* aeron_async_add_*_t or aeron_async_destination_t: the driver's answer */
    SHIM_WATCH_COUNTER = 4,               /* int64_t: at least the value it was parked with */
    SHIM_WATCH_FLAG = 5                   /* int32_t: not zero */
}
shim_watch_kind_t;

/* The thread starts with the first entry that parks, and wakes all when the client is closed for want of its driver.
 * Parks of waiters that have a doorbell last up to bell_park_ns. */
int shim_watch_create(
    shim_watch_t **watch,
    aeron_t *client,
    int32_t strategy,
    int64_t spin_ns,
    int64_t min_park_ns,
    int64_t max_park_ns,
    int64_t bell_park_ns);

/* Stops the thread and wakes whoever is parked. The watch itself goes when its last entry is deleted. */
void shim_watch_close(shim_watch_t *watch);

/* Starts to wait for an object. An entry whose object goes away must be detached before. */
int shim_watch_entry_create(shim_watch_entry_t **entry, shim_watch_t *watch, int32_t kind, void *object);

/* Readable after the entry was woken, until it is unparked. */
int shim_watch_entry_fd(const shim_watch_entry_t *entry);

/* Looks and parks: 1 there is something at once (not parked), 0 parked, -1 detached. By the thread that uses the object.
 * wanted: the least value of a counter. Of a publication: 0 room, or nobody to have room for; 1 a subscriber and room;
 * 2 a subscriber. Of a subscription, what is news also when it came before this: 1 no image, 2 none that has not
 * ended. */
int shim_watch_park(shim_watch_entry_t *entry, int64_t wanted);

/* Takes the entry out of the watcher's sight: when this returns, the watcher doesn't look at the object any more. */
void shim_watch_unpark(shim_watch_entry_t *entry);

/* Wakes whoever is parked there. Any thread. */
void shim_watch_wake(shim_watch_entry_t *entry);

/* Forgets the object and wakes the waiter for good. */
void shim_watch_entry_detach(shim_watch_entry_t *entry);
void shim_watch_entry_delete(shim_watch_entry_t *entry);

/* How often the thread looked since it was made. */
int64_t shim_watch_looks(shim_watch_t *watch);
