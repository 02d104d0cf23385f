#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/aeron_error.h"
#include "watch_entry.h"

int shim_watch_entry_create(shim_watch_entry_t **entry, shim_watch_t *watch, int32_t kind, void *object)
{
    shim_watch_entry_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a waiter");
        return -1;
    }

    created->fd = shim_bell_open(&created->name);
    if (created->fd < 0)
    {
        AERON_SET_ERR(errno, "%s", "no socket for a waiter: raise the limit of open files (ulimit -n)");
        free(created);
        return -1;
    }

    created->kind = kind;
    created->object = object;
    created->watch = watch;
    watch_lock(watch);
    watch->references++;
    pthread_mutex_unlock(&watch->lock);
    *entry = created;
    return 0;
}

int shim_watch_entry_fd(const shim_watch_entry_t *entry)
{
    return entry->fd;
}

int shim_watch_park(shim_watch_entry_t *entry, int64_t wanted)
{
    shim_watch_t *watch = entry->watch;
    watch_lock(watch);

    int result = -1;
    if (NULL == entry->object || watch->closed)
    {
        AERON_SET_ERR(EBADF, "%s", "what was waited for is closed");
    }
    else if (aeron_is_closed(watch->client))
    {
        result = 1;
    }
    else if ((result = shim_watch_entry_arm(entry, wanted)) == 0 && (result = watch_start(watch)) == 0)
    {
        const bool always = SHIM_WATCH_SPIN == watch->strategy || SHIM_WATCH_YIELD == watch->strategy;

        entry->parked = true;
        entry->woken = false;
        entry->eager = entry->eager || always;
        entry->previous = NULL;
        entry->next = watch->first;
        if (NULL != watch->first)
        {
            watch->first->previous = entry;
        }
        watch->first = entry;

        watch->near_ns = monotonic_ns();
        if (entry->eager)
        {
            watch->since_ns = watch->near_ns;
        }
        if (watch->asleep && (watch->deep || entry->eager))
        {
            pthread_cond_signal(&watch->kick);
        }
    }

    if (0 != result)
    {
        shim_watch_entry_disarm(entry);
    }
    pthread_mutex_unlock(&watch->lock);
    return result;
}

static void take_out(shim_watch_entry_t *entry)
{
    if (!entry->parked)
    {
        return;
    }

    if (NULL != entry->next)
    {
        entry->next->previous = entry->previous;
    }
    if (NULL != entry->previous)
    {
        entry->previous->next = entry->next;
    }
    else
    {
        entry->watch->first = entry->next;
    }
    entry->parked = false;
    shim_watch_entry_disarm(entry);
}

void shim_watch_unpark(shim_watch_entry_t *entry)
{
    watch_lock(entry->watch);
    if (!entry->woken && !entry->eager)
    {
        entry->missed = 0;
    }
    take_out(entry);
    if (NULL != entry->object)
    {
        /* The watcher and the bell may both have sent something. */
        while (shim_bell_drain(entry->fd) && entry->woken)
        {
        }
    }
    pthread_mutex_unlock(&entry->watch->lock);
}

void shim_watch_wake(shim_watch_entry_t *entry)
{
    watch_lock(entry->watch);
    if (entry->parked)
    {
        watch_entry_wake(entry);
    }
    pthread_mutex_unlock(&entry->watch->lock);
}

void shim_watch_entry_detach(shim_watch_entry_t *entry)
{
    watch_lock(entry->watch);
    take_out(entry);
    entry->object = NULL;
    shim_bell_send(entry->fd, entry->name);
    pthread_mutex_unlock(&entry->watch->lock);
}

void shim_watch_entry_delete(shim_watch_entry_t *entry)
{
    watch_lock(entry->watch);
    take_out(entry);
    watch_release(entry->watch);
    close(entry->fd);
    free(entry->images);
    free(entry);
}
