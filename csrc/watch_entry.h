#ifndef AERON_PY_WATCH_ENTRY_H
#define AERON_PY_WATCH_ENTRY_H

/* What the files of the watcher share: watch.c has the thread, watch_park.c what waiters call, watch_entry.c looks at what
 * one waiter waits for, without consuming. All under the lock of the watch. */

#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>

#include "aeron_image.h"
#include "bell.h"
#include "clock.h"

typedef struct parked_image_stct
{
    aeron_image_t *image;
    const int32_t *frame_length;
    int64_t position;
    shim_bell_t *bell; /* NULL: not armed */
    bool was_ended;
}
parked_image_t;

struct shim_watch_entry_stct
{
    shim_watch_t *watch;
    shim_watch_entry_t *next;
    shim_watch_entry_t *previous;
    void *object;
    parked_image_t *images;
    size_t images_count;
    size_t images_capacity;
    int64_t change_number;
    int64_t position;
    int64_t wanted;
    uint64_t name;
    int fd;
    int32_t kind;
    int32_t missed;
    bool parked;
    bool woken;
    bool eager;  /* no bell to rely on: the watcher has to look often */
};

struct shim_watch_stct
{
    pthread_mutex_t lock;
    pthread_cond_t kick;
    pthread_t thread;
    aeron_t *client;
    shim_watch_entry_t *first;
    int64_t spin_ns;
    int64_t min_park_ns;
    int64_t max_park_ns;
    int64_t bell_park_ns;
    int64_t since_ns; /* the last time something happened that an eager waiter may follow */
    int64_t near_ns;  /* the last time anybody parked */
    int64_t looks;
    int64_t references;
    int32_t strategy;
    _Atomic int32_t lock_wanted;
    bool started;
    bool asleep;
    bool deep; /* asleep until somebody parks */
    bool closed;
};

void watch_lock(shim_watch_t *watch);

/* Unlocks, and frees the watch with its last reference. */
void watch_release(shim_watch_t *watch);

/* Starts the thread, if that is not done yet. */
int watch_start(shim_watch_t *watch);
void watch_entry_wake(shim_watch_entry_t *entry);

/* Takes a snapshot of the object as its user sees it now: 1 it is ready at once, 0 armed, -1 error. */
int shim_watch_entry_arm(shim_watch_entry_t *entry, int64_t wanted);

/* 0 no, 1 ready, 2 ready for a message that its publisher may have rung the bell for. */
int shim_watch_entry_is_ready(const shim_watch_entry_t *entry);

/* Lets go of images and bells. */
void shim_watch_entry_disarm(shim_watch_entry_t *entry);

#endif
