#include "journal.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0xEDB88320u
#define SLICES 8

static uint32_t tables[SLICES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++)
    {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
        {
            value = (value >> 1) ^ (value & 1 ? POLYNOMIAL : 0);
        }
        tables[0][i] = value;
    }
    for (uint32_t i = 0; i < 256; i++)
    {
        for (int slice = 1; slice < SLICES; slice++)
        {
            const uint32_t before = tables[slice - 1][i];
            tables[slice][i] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

uint32_t shim_journal_checksum(const uint8_t *data, size_t length)
{
    uint32_t crc = ~0u;

    pthread_once(&tables_once, fill_tables);
    for (; length >= SLICES; length -= SLICES, data += SLICES)
    {
        uint32_t low;
        uint32_t high;
        memcpy(&low, data, sizeof(low));
        memcpy(&high, data + sizeof(low), sizeof(high));
        low ^= crc;
        crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24] ^
            tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
    }
    for (; length > 0; length--, data++)
    {
        crc = (crc >> 8) ^ tables[0][(crc ^ *data) & 0xFF];
    }

    return ~crc;
}

static void move(shim_journal_state_t *state, uint32_t index, int64_t position)
{
    if ((int64_t)index < state->capacity)
    {
        state->previous[index] = state->positions[index];
        state->positions[index] = position;
    }
}

static void place(shim_journal_state_t *state, uint32_t index, int64_t previous, int64_t position)
{
    if ((int64_t)index < state->capacity)
    {
        state->previous[index] = previous;
        state->positions[index] = position;
    }
}

/* What OPENED says of where the stream begins is JSON: whoever owns the state puts it there beforehand. */
static void apply(shim_journal_state_t *state, const journal_header_t *header, const uint8_t *body, size_t length)
{
    if (SHIM_JOURNAL_TICK == header->kind && header->count <= length / sizeof(journal_tick_item_t))
    {
        const journal_tick_item_t *items = (const journal_tick_item_t *)body;
        for (uint32_t i = 0; i < header->count; i++)
        {
            move(state, items[i].index, items[i].position);
        }
    }
    else if (SHIM_JOURNAL_IMAGE == header->kind && header->count <= length / sizeof(journal_image_item_t))
    {
        const journal_image_item_t *items = (const journal_image_item_t *)body;
        for (uint32_t i = 0; i < header->count; i++)
        {
            place(state, items[i].index, items[i].previous, items[i].position);
        }
    }
    else if (SHIM_JOURNAL_CLOSED == header->kind && length >= sizeof(journal_closed_t))
    {
        const journal_closed_t *closed = (const journal_closed_t *)body;
        place(state, closed->index, closed->previous, closed->stop_position);
    }
}

int64_t shim_journal_apply(
    shim_journal_state_t *state,
    const uint8_t *data,
    const shim_walk_columns_t *columns,
    int64_t from,
    int64_t to,
    int64_t until_ns)
{
    int64_t i = from;

    for (; i < to; i++)
    {
        const uint8_t *payload = data + columns->offsets[i];
        const size_t length = (size_t)columns->lengths[i];
        const journal_header_t *header = (const journal_header_t *)payload;

        if (length < sizeof(*header) || JOURNAL_VERSION != header->version ||
            (int64_t)shim_journal_checksum(payload, length) != columns->reserved_values[i])
        {
            state->unsound = 1;
            break;
        }
        if (header->time_ns > until_ns)
        {
            break;
        }

        apply(state, header, payload + sizeof(*header), length - sizeof(*header));
        state->time_ns = header->time_ns;
    }

    state->entries += i - from;
    return i - from;
}
