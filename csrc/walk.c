#include "shim.h"

#include "frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "util/aeron_error.h"

#define UNFRAGMENTED (FLAG_BEGIN | FLAG_END)
#define PREFETCH_FRAMES 16

/* The sound frame at offset, or NULL and why not. */
static inline const frame_t *frame_at(const shim_walk_t *walk, int64_t offset, int32_t *status)
{
    if (offset + HEADER_LENGTH > walk->length)
    {
        *status = offset >= walk->length ? SHIM_WALK_END : SHIM_WALK_INCOMPLETE;
        return NULL;
    }

    const frame_t *frame = frame_in(walk->data, offset);
    const int64_t position = walk->position + offset;
    const int32_t term_offset = (int32_t)(position & (walk->term_length - 1));
    const int32_t term_id = term_id_at(position, walk->term_length, walk->initial_term_id);
    const int32_t length = frame->frame_length;
    const bool sound = length >= HEADER_LENGTH && align(length) <= walk->term_length - term_offset &&
        frame->term_offset == term_offset && frame->term_id == term_id && frame->stream_id == walk->stream_id &&
        frame->type <= TYPE_DATA;

    if (__builtin_expect(!sound, 0))
    {
        *status = 0 == length ? SHIM_WALK_UNWRITTEN : SHIM_WALK_DAMAGED;
        return NULL;
    }

    return frame;
}

int64_t shim_walk_load(shim_walk_t *walk, int fd, int64_t file_offset, int64_t length)
{
    int64_t done = 0;

    walk->length = 0;
    walk->offset = 0;
    while (done < length)
    {
        const ssize_t count = pread(fd, walk->data + done, (size_t)(length - done), (off_t)(file_offset + done));
        if (count < 0)
        {
            if (EINTR == errno)
            {
                continue;
            }
            AERON_SET_ERR(errno, "%s", "can't read the segment file");
            return -1;
        }
        if (0 == count)
        {
            break;
        }
        done += count;
    }

    walk->length = done;
    return done;
}

/* From the first fragment at offset find the message's last one: the end of the message, or 0. When the message can never
 * be complete, *broken is where the next one may begin. */
static int64_t find_end(const shim_walk_t *walk, int64_t offset, int32_t *status, int64_t *broken, int64_t *fragments)
{
    const frame_t *frame = frame_at(walk, offset, status);

    *fragments = 0;
    *broken = 0;
    while (true)
    {
        offset += align(frame->frame_length);
        (*fragments)++;
        if (offset > walk->length)
        {
            *status = SHIM_WALK_INCOMPLETE;
            return 0;
        }
        if (frame->flags & FLAG_END)
        {
            return offset;
        }
        if (NULL == (frame = frame_at(walk, offset, status)))
        {
            *status = SHIM_WALK_END == *status ? SHIM_WALK_INCOMPLETE : *status;
            return 0;
        }
        if (TYPE_PADDING == frame->type || (frame->flags & FLAG_BEGIN))
        {
            *broken = offset;
            return 0;
        }
    }
}

/* Move the fragments from offset to end together, after the first one's header: length of the message. */
static int32_t join(uint8_t *data, int64_t offset, int64_t end)
{
    uint8_t *out = data + offset + HEADER_LENGTH;
    int32_t length = 0;

    while (offset < end)
    {
        const int32_t frame_length = frame_in(data, offset)->frame_length;
        const int32_t payload = frame_length - HEADER_LENGTH;
        memmove(out + length, data + offset + HEADER_LENGTH, (size_t)payload);
        length += payload;
        offset += align(frame_length);
    }

    return length;
}

/* Common to listing and counting: the next message's frame with where it ends; NULL with the status set. Padding and stray
 * fragments are passed. */
static inline const frame_t *next_message(shim_walk_t *walk, int64_t *end)
{
    while (true)
    {
        int64_t fragments = 1;
        int64_t broken;
        const frame_t *frame = frame_at(walk, walk->offset, &walk->status);
        if (NULL == frame)
        {
            return NULL;
        }

        *end = walk->offset + align(frame->frame_length);
        if (TYPE_PADDING == frame->type)
        {
            walk->padding++;
            walk->offset = *end;
        }
        else if (UNFRAGMENTED == (frame->flags & UNFRAGMENTED))
        {
            if (*end > walk->length)
            {
                walk->status = SHIM_WALK_INCOMPLETE;
                return NULL;
            }
            walk->frames++;
            return frame;
        }
        else if (frame->flags & FLAG_BEGIN)
        {
            if (0 != (*end = find_end(walk, walk->offset, &walk->status, &broken, &fragments)))
            {
                walk->frames += fragments;
                return frame;
            }
            if (0 == broken)
            {
                return NULL;
            }
            walk->frames += fragments;
            walk->dropped += fragments;
            walk->offset = broken;
        }
        else
        {
            walk->frames++;
            walk->dropped++;
            walk->offset = *end;
        }
    }
}

int64_t shim_walk_messages(shim_walk_t *walk, shim_walk_columns_t *columns, int64_t limit)
{
    int64_t count = 0;
    int64_t payload = 0;

    limit = limit < columns->capacity ? limit : columns->capacity;
    walk->status = SHIM_WALK_MORE;
    while (count < limit)
    {
        int64_t end;
        const frame_t *frame = next_message(walk, &end);
        if (NULL == frame)
        {
            break;
        }

        int32_t length = frame->frame_length - HEADER_LENGTH;
        if (UNFRAGMENTED != (frame->flags & UNFRAGMENTED))
        {
            length = join(walk->data, walk->offset, end);
        }
        columns->offsets[count] = walk->offset + HEADER_LENGTH;
        columns->lengths[count] = length;
        columns->positions[count] = walk->position + end;
        columns->reserved_values[count] = frame->reserved_value;
        columns->session_ids[count] = frame->session_id;
        walk->offset = end;
        payload += length;
        count++;
    }

    walk->messages += count;
    walk->payload += payload;
    return count;
}

int64_t shim_walk_count(shim_walk_t *walk)
{
    const int64_t before = walk->messages;
    const frame_t *frame;
    int64_t end;

    walk->status = SHIM_WALK_MORE;
    while (NULL != (frame = next_message(walk, &end)))
    {
        while (walk->offset < end)
        {
            frame = frame_in(walk->data, walk->offset);
            walk->payload += frame->frame_length - HEADER_LENGTH;
            walk->offset += align(frame->frame_length);
        }
        walk->messages++;
    }

    return walk->messages - before;
}

int64_t shim_walk_run(shim_walk_t *walk, int32_t *payload_length, int64_t *first)
{
    int32_t length = *payload_length;
    const frame_t *frame;
    int64_t count = 0;

    walk->status = SHIM_WALK_MORE;
    while (NULL != (frame = frame_at(walk, walk->offset, &walk->status)))
    {
        const int64_t end = walk->offset + align(frame->frame_length);
        /* Frames of one size: the header some frames on is known to be there long before it is looked at. A prefetch
         * past the end of the mapping does nothing. */
        __builtin_prefetch((const void *)((uintptr_t)(walk->data + walk->offset) +
            PREFETCH_FRAMES * (uintptr_t)align(frame->frame_length)));
        if (TYPE_PADDING == frame->type)
        {
            if (0 != count)
            {
                break;
            }
            walk->padding++;
        }
        else
        {
            if (end > walk->length)
            {
                walk->status = SHIM_WALK_INCOMPLETE;
                break;
            }
            if (UNFRAGMENTED != (frame->flags & UNFRAGMENTED))
            {
                break;
            }
            if (length < 0)
            {
                length = *payload_length = frame->frame_length - HEADER_LENGTH;
            }
            if (frame->frame_length - HEADER_LENGTH != length)
            {
                break;
            }
            if (0 == count++)
            {
                *first = walk->offset + HEADER_LENGTH;
            }
        }
        walk->offset = end;
    }

    walk->frames += count;
    walk->messages += count;
    walk->payload += count * length;
    return count;
}

int32_t shim_walk_seek(shim_walk_t *walk, int64_t position)
{
    const frame_t *frame;

    walk->status = SHIM_WALK_MORE;
    while (NULL != (frame = frame_at(walk, walk->offset, &walk->status)))
    {
        const int64_t length = align(frame->frame_length);
        if (walk->position + walk->offset + length > position)
        {
            return (int32_t)length;
        }
        walk->offset += length;
    }

    return 0;
}

int64_t shim_walk_pack(
    const uint8_t *data, const shim_walk_columns_t *columns, int64_t from, int64_t to, uint8_t *out, int32_t *ends)
{
    int64_t done = 0;

    for (int64_t i = from; i < to; i++)
    {
        const size_t length = (size_t)columns->lengths[i];
        memcpy(out + done, data + columns->offsets[i], length);
        done += (int64_t)length;
        if (NULL != ends)
        {
            ends[i - from] = (int32_t)done;
        }
    }

    return done;
}
