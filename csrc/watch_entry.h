#ifndef AERON_PY_WATCH_ENTRY_H
#define AERON_PY_WATCH_ENTRY_H

/* What one waiter waits for: how to look at it without consuming. All under the lock of the entry's watch. */

#include "shim.h"

#include "aeron_image.h"
#include "bell.h"

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

/* Takes a snapshot of the object as its user sees it now: 1 it is ready at once, 0 armed, -1 error. */
int shim_watch_entry_arm(shim_watch_entry_t *entry, int64_t wanted);

/* 0 no, 1 ready, 2 ready for a message that its publisher may have rung the bell for. */
int shim_watch_entry_is_ready(const shim_watch_entry_t *entry);

/* Lets go of images and bells. */
void shim_watch_entry_disarm(shim_watch_entry_t *entry);

#endif
