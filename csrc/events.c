#include "shim.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/aeron_error.h"

/* A reader that never comes back must not eat all memory. */
#define EVENTS_LIMIT (1 << 18)

typedef struct node_stct
{
    struct node_stct *next;
    shim_event_t event;
    uint8_t data[];
}
node_t;

struct shim_events_stct
{
    pthread_mutex_t lock;
    node_t *first;
    node_t *last;
    node_t *taken;
    size_t count;
    int64_t dropped;
    int fd;
    _Atomic int32_t pending;
};

int shim_events_create(shim_events_t **events)
{
    shim_events_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for an event queue");
        return -1;
    }

    created->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (created->fd < 0)
    {
        AERON_SET_ERR(errno, "%s", "no descriptor for an event queue: raise the limit of open files (ulimit -n)");
        free(created);
        return -1;
    }

    pthread_mutex_init(&created->lock, NULL);
    *events = created;
    return 0;
}

void shim_events_delete(shim_events_t *events)
{
    if (NULL == events)
    {
        return;
    }

    for (node_t *node = events->first; NULL != node;)
    {
        node_t *next = node->next;
        free(node);
        node = next;
    }

    free(events->taken);
    close(events->fd);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

int shim_events_push(shim_events_t *events, const shim_event_t *event)
{
    node_t *node = malloc(sizeof(*node) + event->length + 1);
    if (NULL != node)
    {
        node->next = NULL;
        node->event = *event;
        if (event->length > 0)
        {
            memcpy(node->data, event->data, event->length);
        }
        node->data[event->length] = '\0';
        node->event.data = node->data;
    }

    pthread_mutex_lock(&events->lock);

    if (NULL == node || events->count >= EVENTS_LIMIT)
    {
        events->dropped++;
        pthread_mutex_unlock(&events->lock);
        free(node);
        return -1;
    }

    if (NULL == events->first)
    {
        events->first = node;
        eventfd_write(events->fd, 1);
        atomic_store_explicit(&events->pending, 1, memory_order_release);
    }
    else
    {
        events->last->next = node;
    }
    events->last = node;
    events->count++;

    pthread_mutex_unlock(&events->lock);
    return 0;
}

int shim_events_take(shim_events_t *events, shim_event_t *event)
{
    pthread_mutex_lock(&events->lock);

    free(events->taken);
    node_t *node = events->first;
    events->taken = node;

    if (NULL != node)
    {
        *event = node->event;
        events->first = node->next;
        events->count--;

        if (NULL == events->first)
        {
            eventfd_t value;
            events->last = NULL;
            eventfd_read(events->fd, &value);
            atomic_store_explicit(&events->pending, 0, memory_order_release);
        }
    }

    pthread_mutex_unlock(&events->lock);
    return NULL != node;
}

int shim_events_wait(shim_events_t *events, int64_t timeout_ns)
{
    struct pollfd descriptor = { .fd = events->fd, .events = POLLIN, .revents = 0 };
    struct timespec timeout = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };

    return ppoll(&descriptor, 1, &timeout, NULL) > 0 ? 1 : 0;
}

int shim_events_fd(const shim_events_t *events)
{
    return events->fd;
}

const int32_t *shim_events_pending(const shim_events_t *events)
{
    return (const int32_t *)&events->pending;
}

int64_t shim_events_dropped(shim_events_t *events)
{
    pthread_mutex_lock(&events->lock);
    const int64_t dropped = events->dropped;
    events->dropped = 0;
    pthread_mutex_unlock(&events->lock);
    return dropped;
}
