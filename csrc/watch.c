#include "shim.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "thread.h"
#include "util/aeron_error.h"
#include "watch_entry.h"

/* Nobody parked: the thread stays near for so long, so that the next waiter with a bell need not wake it. */
#define NEAR_NS INT64_C(1000000000)

void watch_entry_wake(shim_watch_entry_t *entry)
{
    if (!entry->woken)
    {
        entry->woken = true;
        shim_bell_send(entry->fd, entry->name);
    }
}

static void park_for(shim_watch_t *watch, int64_t duration_ns)
{
    const struct timespec until = clock_time(monotonic_ns() + duration_ns);

    watch->asleep = true;
    pthread_cond_timedwait(&watch->kick, &watch->lock, &until);
    watch->asleep = false;
}

static void let_others(shim_watch_t *watch, bool yield)
{
    pthread_mutex_unlock(&watch->lock);
    do
    {
        if (yield)
        {
            sched_yield();
        }
        else
        {
            proc_yield();
        }
    }
    while (atomic_load(&watch->lock_wanted) > 0);
    pthread_mutex_lock(&watch->lock);
}

static void idle(shim_watch_t *watch, bool any, bool eager)
{
    const int64_t now = monotonic_ns();
    const int64_t waited_ns = now - watch->since_ns;

    if (!any && now - watch->near_ns > NEAR_NS)
    {
        watch->asleep = true;
        watch->deep = true;
        pthread_cond_wait(&watch->kick, &watch->lock);
        watch->asleep = false;
        watch->deep = false;
    }
    else if (!eager)
    {
        park_for(watch, watch->bell_park_ns);
    }
    else if (SHIM_WATCH_SPIN == watch->strategy || SHIM_WATCH_YIELD == watch->strategy)
    {
        let_others(watch, SHIM_WATCH_YIELD == watch->strategy);
    }
    else if (SHIM_WATCH_SLEEP == watch->strategy)
    {
        park_for(watch, watch->max_park_ns);
    }
    else if (waited_ns < 2 * watch->spin_ns)
    {
        let_others(watch, waited_ns > watch->spin_ns);
    }
    else
    {
        const int64_t quarter_ns = waited_ns / 4 > watch->min_park_ns ? waited_ns / 4 : watch->min_park_ns;
        park_for(watch, quarter_ns < watch->max_park_ns ? quarter_ns : watch->max_park_ns);
    }
}

static void *watch_run(void *arg)
{
    shim_watch_t *watch = arg;
    pthread_setname_np(pthread_self(), "aeron-py-watch");
    prctl(PR_SET_TIMERSLACK, 1000UL);

    pthread_mutex_lock(&watch->lock);
    while (!watch->closed)
    {
        bool any = false;
        bool eager = false;

        const bool lost = aeron_is_closed(watch->client);

        watch->looks++;
        for (shim_watch_entry_t *entry = watch->first; NULL != entry; entry = entry->next)
        {
            if (entry->woken)
            {
                continue;
            }
            const int ready = lost ? 1 : shim_watch_entry_is_ready(entry);
            if (ready > 0)
            {
                entry->missed += 2 == ready && !entry->eager ? 1 : 0;
                watch_entry_wake(entry);
                watch->since_ns = monotonic_ns();
                continue;
            }
            any = true;
            eager = eager || entry->eager;
        }

        idle(watch, any, eager);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

void watch_lock(shim_watch_t *watch)
{
    atomic_fetch_add(&watch->lock_wanted, 1);
    pthread_mutex_lock(&watch->lock);
    atomic_fetch_sub(&watch->lock_wanted, 1);
}

void watch_release(shim_watch_t *watch)
{
    const bool last = 0 == --watch->references;
    pthread_mutex_unlock(&watch->lock);
    if (last)
    {
        pthread_cond_destroy(&watch->kick);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
    }
}

int shim_watch_create(
    shim_watch_t **watch,
    aeron_t *client,
    int32_t strategy,
    int64_t spin_ns,
    int64_t min_park_ns,
    int64_t max_park_ns,
    int64_t bell_park_ns)
{
    shim_watch_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a watcher");
        return -1;
    }

    shim_thread_condition(&created->kick);
    pthread_mutex_init(&created->lock, NULL);

    created->client = client;
    created->strategy = strategy;
    created->spin_ns = spin_ns;
    created->min_park_ns = min_park_ns;
    created->max_park_ns = max_park_ns;
    created->bell_park_ns = bell_park_ns;
    created->references = 1;
    *watch = created;
    return 0;
}

void shim_watch_close(shim_watch_t *watch)
{
    watch_lock(watch);
    const bool started = watch->started;
    watch->closed = true;
    for (shim_watch_entry_t *entry = watch->first; NULL != entry; entry = entry->next)
    {
        watch_entry_wake(entry);
    }
    pthread_cond_signal(&watch->kick);
    pthread_mutex_unlock(&watch->lock);

    if (started)
    {
        pthread_join(watch->thread, NULL);
    }

    watch_lock(watch);
    watch_release(watch);
}

int64_t shim_watch_looks(shim_watch_t *watch)
{
    watch_lock(watch);
    const int64_t looks = watch->looks;
    pthread_mutex_unlock(&watch->lock);
    return looks;
}

int watch_start(shim_watch_t *watch)
{
    if (watch->started)
    {
        return 0;
    }

    if (shim_thread_start(&watch->thread, watch_run, watch, "the watcher") < 0)
    {
        return -1;
    }
    watch->started = true;
    return 0;
}
