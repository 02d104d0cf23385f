#ifndef AERON_PY_JOURNAL_H
#define AERON_PY_JOURNAL_H

#include "shim.h"

#define JOURNAL_VERSION 1
#define JOURNAL_FLAG_MORE 1

/* All of it little endian, as the machines are that this is built for. */
#pragma pack(push, 1)
typedef struct journal_header_stct
{
    uint8_t kind;
    uint8_t version;
    uint16_t flags;
    uint32_t count;
    int64_t time_ns;
    int64_t image_position;
    int64_t record_position;
}
journal_header_t;

typedef struct journal_tick_item_stct
{
    uint32_t index;
    int64_t position;
}
journal_tick_item_t;

typedef struct journal_image_item_stct
{
    uint32_t index;
    int64_t previous;
    int64_t position;
}
journal_image_item_t;

typedef struct journal_closed_stct
{
    uint32_t index;
    uint32_t reserved;
    int64_t previous;
    int64_t stop_position;
}
journal_closed_t;
#pragma pack(pop)

_Static_assert(sizeof(journal_header_t) == 32, "header of an entry");
_Static_assert(sizeof(journal_tick_item_t) == 12, "item of a tick");
_Static_assert(sizeof(journal_image_item_t) == 20, "item of an image");

#endif
