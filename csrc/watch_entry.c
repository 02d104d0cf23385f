#include "watch_entry.h"

#include <errno.h>
#include <stdlib.h>

#include "aeron_exclusive_publication.h"
#include "aeron_log_buffer.h"
#include "aeron_publication.h"
#include "aeron_subscription.h"
#include "util/aeron_error.h"

/* So many wakes by the watcher in a row where the bell should have rung: don't count on the bell any more. */
#define MISSED_LIMIT (3)

static bool image_is_ready(const parked_image_t *parked)
{
    int32_t frame_length;
    AERON_GET_ACQUIRE(frame_length, *(volatile const int32_t *)parked->frame_length);
    if (frame_length > 0)
    {
        return true;
    }

    int64_t end_position;
    AERON_GET_ACQUIRE(end_position, parked->image->metadata->end_of_stream_position);
    return !parked->was_ended && parked->position >= end_position;
}

static bool publication_is_ready(
    const shim_watch_entry_t *entry, aeron_logbuffer_metadata_t *metadata, volatile int64_t *limit, bool closed)
{
    int32_t is_connected;
    int64_t position_limit;
    AERON_GET_ACQUIRE(is_connected, metadata->is_connected);
    AERON_GET_ACQUIRE(position_limit, *limit);

    if (closed)
    {
        return true;
    }
    if (1 != is_connected)
    {
        return 0 == entry->wanted;
    }
    return 2 == entry->wanted || position_limit > entry->position;
}

int shim_watch_entry_is_ready(const shim_watch_entry_t *entry)
{
    switch (entry->kind)
    {
        case SHIM_WATCH_SUBSCRIPTION:
        {
            aeron_subscription_t *subscription = entry->object;
            const volatile int64_t *change_number = &subscription->conductor_fields.next_change_number;
            if (aeron_subscription_is_closed(subscription) || *change_number != entry->change_number)
            {
                return 1;
            }
            for (size_t i = 0; i < entry->images_count; i++)
            {
                if (image_is_ready(&entry->images[i]))
                {
                    return 2;
                }
            }
            return 0;
        }

        case SHIM_WATCH_PUBLICATION:
        {
            aeron_publication_t *publication = entry->object;
            return publication_is_ready(
                entry,
                publication->log_meta_data,
                publication->position_limit,
                aeron_publication_is_closed(publication));
        }

        case SHIM_WATCH_EXCLUSIVE_PUBLICATION:
        {
            aeron_exclusive_publication_t *publication = entry->object;
            return publication_is_ready(
                entry,
                publication->log_meta_data,
                publication->position_limit,
                aeron_exclusive_publication_is_closed(publication));
        }

        case SHIM_WATCH_REGISTRATION:
        {
            aeron_client_registering_resource_t *resource = entry->object;
            aeron_client_registration_status_t status;
            AERON_GET_ACQUIRE(status, resource->registration_status);
            return AERON_CLIENT_REGISTRATION_STATUS_AWAITING != status;
        }

        case SHIM_WATCH_COUNTER:
            return *(volatile int64_t *)entry->object >= entry->wanted;

        default:
            return 0 != *(volatile int32_t *)entry->object;
    }
}

/* 1 when what the waiter still counts on has gone since it looked. */
static int arm_images(shim_watch_entry_t *entry, aeron_subscription_t *subscription)
{
    size_t ended = 0;
    aeron_image_list_t *volatile list;
    AERON_GET_ACQUIRE(list, subscription->conductor_fields.image_lists_head.next_list);

    if (list->length > entry->images_capacity)
    {
        parked_image_t *images = realloc(entry->images, list->length * sizeof(*images));
        if (NULL == images)
        {
            AERON_SET_ERR(ENOMEM, "%s", "no memory to watch the images of a subscription");
            return -1;
        }
        entry->images = images;
        entry->images_capacity = list->length;
    }

    /* The number of the list the user sees: a list installed from now on has another. */
    entry->change_number = list->change_number + 1;

    for (size_t i = 0; i < list->length; i++)
    {
        aeron_image_t *image = list->array[i];
        if (aeron_image_is_closed(image))
        {
            continue;
        }

        parked_image_t *parked = &entry->images[entry->images_count++];
        const int64_t position = *image->subscriber_position;
        const size_t index = aeron_logbuffer_index_by_position(position, image->position_bits_to_shift);
        const uint8_t *term = image->log_buffer->mapped_raw_log.term_buffers[index].addr;
        int64_t end_position;
        AERON_GET_ACQUIRE(end_position, image->metadata->end_of_stream_position);

        /* Retained: the conductor keeps it and its log until the entry is disarmed. */
        aeron_image_incr_refcnt(image);
        parked->image = image;
        parked->position = position;
        parked->frame_length = (const int32_t *)(const void *)(term + (position & image->term_length_mask));
        parked->was_ended = position >= end_position;
        ended += parked->was_ended ? 1 : 0;
        parked->bell = shim_bell_arm(image->metadata, entry->name);
        entry->eager = entry->eager || NULL == parked->bell;
    }

    aeron_subscription_propose_last_image_change_number(subscription, list->change_number);
    return (1 == entry->wanted && 0 == entry->images_count) || (2 == entry->wanted && ended == entry->images_count);
}

int shim_watch_entry_arm(shim_watch_entry_t *entry, int64_t wanted)
{
    entry->wanted = wanted;
    entry->eager = true;

    switch (entry->kind)
    {
        case SHIM_WATCH_SUBSCRIPTION:
        {
            entry->eager = entry->missed >= MISSED_LIMIT;
            const int armed = arm_images(entry, entry->object);
            if (0 != armed)
            {
                return armed;
            }
            break;
        }

        case SHIM_WATCH_PUBLICATION:
            entry->position = aeron_publication_position(entry->object);
            break;

        case SHIM_WATCH_EXCLUSIVE_PUBLICATION:
            entry->position = aeron_exclusive_publication_position(entry->object);
            break;

        default:
            break;
    }

    /* The bells must be armed before the logs are looked at. */
    atomic_thread_fence(memory_order_seq_cst);
    return shim_watch_entry_is_ready(entry) > 0 ? 1 : 0;
}

void shim_watch_entry_disarm(shim_watch_entry_t *entry)
{
    for (size_t i = 0; i < entry->images_count; i++)
    {
        if (NULL != entry->images[i].bell)
        {
            shim_bell_disarm(entry->images[i].bell, entry->name);
        }
        aeron_image_decr_refcnt(entry->images[i].image);
    }
    entry->images_count = 0;
}
