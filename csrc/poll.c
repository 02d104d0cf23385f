#include "shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aeron_image.h"
#include "concurrent/aeron_logbuffer_descriptor.h"
#include "util/aeron_error.h"

#define DATA_MINIMUM (4096)
#define MESSAGES_MINIMUM (64)
#define PARTIAL_MINIMUM (8192)

/* With fewer sessions in the middle of a message than this nobody asks whether their images are still there. */
#define SWEEP_FROM (16)

typedef struct partial_stct
{
    uint8_t *buffer;
    size_t length;
    size_t capacity;
    int64_t next_position;
    int64_t reserved_value;
    int32_t session_id;
}
partial_t;

struct shim_assembler_stct
{
    shim_sink_t sink;
    void *clientd;
    size_t messages;
    bool assemble;
    bool refused;
    partial_t *partials;
    size_t count;
    size_t capacity;
    size_t sweep_from;
};

int shim_block_create(shim_block_t **block, size_t capacity, size_t data_capacity)
{
    shim_block_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a block of messages");
        return -1;
    }

    if (shim_block_reserve(created, capacity, data_capacity) < 0)
    {
        shim_block_delete(created);
        return -1;
    }

    created->offsets[0] = 0;
    *block = created;
    return 0;
}

void shim_block_delete(shim_block_t *block)
{
    if (NULL != block)
    {
        free(block->data);
        free(block->offsets);
        free(block->lengths);
        free(block->positions);
        free(block->reserved_values);
        free(block->session_ids);
        free(block);
    }
}

void shim_block_clear(shim_block_t *block)
{
    block->count = 0;
}

/* `column` is the address of the pointer to grow, of whatever type it is. */
static bool grow(void *column, size_t count, size_t size)
{
    void *memory;
    memcpy(&memory, column, sizeof(memory));
    memory = realloc(memory, count * size);
    if (NULL == memory)
    {
        return false;
    }

    memcpy(column, &memory, sizeof(memory));
    return true;
}

int shim_block_reserve(shim_block_t *block, size_t messages, size_t bytes)
{
    const size_t used = 0 == block->count ? 0 : (size_t)block->offsets[block->count];

    if (NULL == block->data || used + bytes > block->data_capacity)
    {
        size_t capacity = block->data_capacity + block->data_capacity / 2;
        capacity = capacity > used + bytes ? capacity : used + bytes;
        capacity = capacity > DATA_MINIMUM ? capacity : DATA_MINIMUM;
        if (!grow(&block->data, capacity, 1))
        {
            AERON_SET_ERR(ENOMEM, "no memory for a block of %zu bytes", capacity);
            return -1;
        }
        block->data_capacity = capacity;
    }

    if (NULL == block->offsets || block->count + messages > block->capacity)
    {
        size_t capacity = block->capacity * 2;
        capacity = capacity > block->count + messages ? capacity : block->count + messages;
        capacity = capacity > MESSAGES_MINIMUM ? capacity : MESSAGES_MINIMUM;
        if (!grow(&block->offsets, capacity + 1, sizeof(int64_t)) ||
            !grow(&block->lengths, capacity, sizeof(int32_t)) ||
            !grow(&block->positions, capacity, sizeof(int64_t)) ||
            !grow(&block->reserved_values, capacity, sizeof(int64_t)) ||
            !grow(&block->session_ids, capacity, sizeof(int32_t)))
        {
            AERON_SET_ERR(ENOMEM, "no memory for a block of %zu messages", capacity);
            return -1;
        }
        block->capacity = capacity;
        block->offsets[0] = 0;
    }

    return 0;
}

static inline int append(
    shim_block_t *block,
    const uint8_t *buffer,
    size_t length,
    int64_t position,
    int64_t reserved_value,
    int32_t session_id)
{
    const size_t index = block->count;
    const size_t offset = (size_t)block->offsets[index];

    if (index >= block->capacity || offset + length > block->data_capacity)
    {
        if (shim_block_reserve(block, 1, length) < 0)
        {
            return -1;
        }
    }

    memcpy(block->data + offset, buffer, length);
    block->offsets[index + 1] = (int64_t)(offset + length);
    block->lengths[index] = (int32_t)length;
    block->positions[index] = position;
    block->reserved_values[index] = reserved_value;
    block->session_ids[index] = session_id;
    block->count = index + 1;
    return 0;
}

int shim_block_append(
    shim_block_t *block,
    const uint8_t *buffer,
    size_t length,
    int64_t position,
    int64_t reserved_value,
    int32_t session_id)
{
    return append(block, buffer, length, position, reserved_value, session_id);
}

int shim_block_sink(void *clientd, const shim_message_t *message)
{
    shim_block_t *block = clientd;

    block->stream_id = message->stream_id;
    return append(
        block, message->buffer, message->length, message->position, message->reserved_value, message->session_id);
}

int shim_assembler_create(shim_assembler_t **assembler, int assemble)
{
    shim_assembler_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for an assembler");
        return -1;
    }

    created->assemble = 0 != assemble;
    created->sweep_from = SWEEP_FROM;
    *assembler = created;
    return 0;
}

void shim_assembler_delete(shim_assembler_t *assembler)
{
    if (NULL != assembler)
    {
        for (size_t i = 0; i < assembler->count; i++)
        {
            free(assembler->partials[i].buffer);
        }
        free(assembler->partials);
        free(assembler);
    }
}

void shim_assembler_sink(shim_assembler_t *assembler, shim_sink_t sink, void *clientd)
{
    assembler->sink = sink;
    assembler->clientd = clientd;
    assembler->messages = 0;
    assembler->refused = false;
}

size_t shim_assembler_messages(const shim_assembler_t *assembler)
{
    return assembler->messages;
}

int shim_assembler_refused(const shim_assembler_t *assembler)
{
    return assembler->refused;
}

size_t shim_assembler_partials(const shim_assembler_t *assembler)
{
    return assembler->count;
}

static partial_t *find(const shim_assembler_t *assembler, int32_t session_id)
{
    for (size_t i = 0; i < assembler->count; i++)
    {
        if (assembler->partials[i].session_id == session_id)
        {
            return &assembler->partials[i];
        }
    }
    return NULL;
}

static void drop(shim_assembler_t *assembler, partial_t *partial)
{
    free(partial->buffer);
    *partial = assembler->partials[--assembler->count];
}

void shim_assembler_forget(shim_assembler_t *assembler, int32_t session_id)
{
    partial_t *partial = find(assembler, session_id);
    if (NULL != partial)
    {
        drop(assembler, partial);
    }
}

static bool extend(partial_t *partial, const uint8_t *buffer, size_t length)
{
    if (partial->length + length > partial->capacity)
    {
        size_t capacity = partial->capacity + partial->capacity / 2;
        capacity = capacity > partial->length + length ? capacity : partial->length + length;
        capacity = capacity > PARTIAL_MINIMUM ? capacity : PARTIAL_MINIMUM;
        if (!grow(&partial->buffer, capacity, 1))
        {
            return false;
        }
        partial->capacity = capacity;
    }

    memcpy(partial->buffer + partial->length, buffer, length);
    partial->length += length;
    return true;
}

static partial_t *begin(shim_assembler_t *assembler, const aeron_data_header_t *frame)
{
    partial_t *partial = find(assembler, frame->session_id);
    if (NULL == partial)
    {
        if (assembler->count == assembler->capacity)
        {
            const size_t capacity = assembler->capacity + 8;
            if (!grow(&assembler->partials, capacity, sizeof(*partial)))
            {
                return NULL;
            }
            assembler->capacity = capacity;
        }
        partial = &assembler->partials[assembler->count++];
        memset(partial, 0, sizeof(*partial));
        partial->session_id = frame->session_id;
    }

    partial->length = 0;
    partial->reserved_value = frame->reserved_value;
    return partial;
}

static aeron_controlled_fragment_handler_action_t hand_out(shim_assembler_t *assembler, const shim_message_t *message)
{
    if (assembler->sink(assembler->clientd, message) < 0)
    {
        assembler->refused = true;
        return AERON_ACTION_ABORT;
    }

    assembler->messages++;
    return AERON_ACTION_CONTINUE;
}

static aeron_controlled_fragment_handler_action_t fragmented(
    shim_assembler_t *assembler,
    const uint8_t *buffer,
    size_t length,
    const aeron_data_header_t *frame,
    int64_t position)
{
    const uint8_t flags = frame->frame_header.flags;
    const int64_t frame_position =
        position - AERON_ALIGN(frame->frame_header.frame_length, AERON_LOGBUFFER_FRAME_ALIGNMENT);
    partial_t *partial;

    if (flags & AERON_DATA_HEADER_BEGIN_FLAG)
    {
        partial = begin(assembler, frame);
    }
    else
    {
        partial = find(assembler, frame->session_id);
        if (NULL == partial)
        {
            return AERON_ACTION_CONTINUE; /* joined in the middle of a message */
        }
        if (partial->next_position != frame_position)
        {
            drop(assembler, partial); /* a gap: what was lost on the way can't be made whole */
            return AERON_ACTION_CONTINUE;
        }
    }

    if (NULL == partial || !extend(partial, buffer, length))
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a fragmented message");
        assembler->refused = true;
        return AERON_ACTION_ABORT;
    }

    partial->next_position = position;
    if (!(flags & AERON_DATA_HEADER_END_FLAG))
    {
        return AERON_ACTION_CONTINUE;
    }

    const shim_message_t message = {
        .buffer = partial->buffer,
        .length = partial->length,
        .position = position,
        .reserved_value = partial->reserved_value,
        .session_id = frame->session_id,
        .stream_id = frame->stream_id,
    };

    if (AERON_ACTION_ABORT == hand_out(assembler, &message))
    {
        partial->length -= length; /* this fragment comes again */
        partial->next_position = frame_position;
        return AERON_ACTION_ABORT;
    }

    drop(assembler, partial);
    return AERON_ACTION_CONTINUE;
}

aeron_controlled_fragment_handler_action_t shim_poll_fragment(
    void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    shim_assembler_t *assembler = clientd;
    const aeron_data_header_t *frame = header->frame;
    const int32_t end =
        frame->term_offset + AERON_ALIGN(frame->frame_header.frame_length, AERON_LOGBUFFER_FRAME_ALIGNMENT);
    const int64_t position = aeron_logbuffer_compute_position(
        frame->term_id, end, header->position_bits_to_shift, header->initial_term_id);

    if (assembler->refused)
    {
        return AERON_ACTION_ABORT; /* the other images of the same poll */
    }

    if (assembler->assemble &&
        AERON_DATA_HEADER_UNFRAGMENTED != (frame->frame_header.flags & AERON_DATA_HEADER_UNFRAGMENTED))
    {
        return fragmented(assembler, buffer, length, frame, position);
    }

    const shim_message_t message = {
        .buffer = buffer,
        .length = length,
        .position = position,
        .reserved_value = frame->reserved_value,
        .session_id = frame->session_id,
        .stream_id = frame->stream_id,
    };

    return hand_out(assembler, &message);
}

int shim_poll(shim_poll_t poll, void *object, shim_assembler_t *assembler, size_t limit)
{
    int fragments;
    int total = 0;

    do
    {
        fragments = poll(object, shim_poll_fragment, assembler, limit);
        if (fragments < 0)
        {
            return 0 == assembler->messages ? fragments : total;
        }
        total += fragments;
    }
    while (fragments > 0 && 0 == assembler->messages && !assembler->refused);

    return total;
}

void shim_poll_sweep(shim_assembler_t *assembler, aeron_subscription_t *subscription)
{
    if (assembler->count < assembler->sweep_from)
    {
        return;
    }

    for (size_t i = assembler->count; i > 0; i--)
    {
        partial_t *partial = &assembler->partials[i - 1];
        aeron_image_t *image = aeron_subscription_image_by_session_id(subscription, partial->session_id);
        if (NULL == image)
        {
            drop(assembler, partial);
        }
        else
        {
            aeron_subscription_image_release(subscription, image);
        }
    }

    assembler->sweep_from = assembler->count > SWEEP_FROM / 2 ? 2 * assembler->count : SWEEP_FROM;
}
