/* The frames of a recording as they lie in its files: what `walk` and `verify` share. */

#ifndef AERON_PY_FRAME_H
#define AERON_PY_FRAME_H

#include <stdint.h>

#define HEADER_LENGTH ((int32_t)sizeof(frame_t))
#define ALIGNMENT 32
#define FLAG_BEGIN 0x80
#define FLAG_END 0x40
#define TYPE_PADDING 0
#define TYPE_DATA 1

/* The data frame header of the Aeron protocol, as it lies in the file. */
typedef struct frame_stct
{
    int32_t frame_length;
    uint8_t version;
    uint8_t flags;
    uint16_t type;
    int32_t term_offset;
    int32_t session_id;
    int32_t stream_id;
    int32_t term_id;
    int64_t reserved_value;
}
frame_t;

_Static_assert(sizeof(frame_t) == 32, "frame header");

static inline int64_t align(int32_t length)
{
    return ((int64_t)length + (ALIGNMENT - 1)) & ~(int64_t)(ALIGNMENT - 1);
}

static inline const frame_t *frame_in(const uint8_t *data, int64_t offset)
{
    return (const frame_t *)(const void *)(data + offset);
}

static inline int32_t term_id_at(int64_t position, int32_t term_length, int32_t initial_term_id)
{
    return (int32_t)((uint32_t)(position >> __builtin_ctz((unsigned)term_length)) + (uint32_t)initial_term_id);
}

#endif
