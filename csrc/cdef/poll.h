/* Poll: fragments that Aeron hands out, put together to messages and copied once into one block.
 * Nothing here knows the reader's language. A block and an assembler belong to one thread at a time. */

/* The messages of a batch, one after the other in data, and what is known of each in columns. */
typedef struct shim_block_stct
{
    uint8_t *data;
    int64_t *offsets;         /* count + 1 of them: where each message begins in data, and where the last one ends */
    int32_t *lengths;
    int64_t *positions;       /* of the stream, after the message */
    int64_t *reserved_values;
    int32_t *session_ids;
    size_t count;
    size_t capacity;          /* messages there is room for */
    size_t data_capacity;     /* bytes there is room for */
    int32_t stream_id;
}
shim_block_t;

int shim_block_create(shim_block_t **block, size_t capacity, size_t data_capacity);
void shim_block_delete(shim_block_t *block);

/* Forget the messages, keep the memory. */
void shim_block_clear(shim_block_t *block);

/* Make room for so many more messages and bytes. What points into the block is invalid afterwards. */
int shim_block_reserve(shim_block_t *block, size_t messages, size_t bytes);

int shim_block_append(
    shim_block_t *block,
    const uint8_t *buffer,
    size_t length,
    int64_t position,
    int64_t reserved_value,
    int32_t session_id);

/* A whole message, or one fragment when they are not put together. Returns -1 when it can't be taken now. */
typedef struct shim_message_stct
{
    const uint8_t *buffer;
    size_t length;
    int64_t position;
    int64_t reserved_value;
    int32_t session_id;
    int32_t stream_id;
}
shim_message_t;

typedef int (*shim_sink_t)(void *clientd, const shim_message_t *message);

/* Puts fragments together, for each session on its own, also over several polls; hands each message to the sink. */
typedef struct shim_assembler_stct shim_assembler_t;

int shim_assembler_create(shim_assembler_t **assembler, int assemble);
void shim_assembler_delete(shim_assembler_t *assembler);
void shim_assembler_sink(shim_assembler_t *assembler, shim_sink_t sink, void *clientd);

/* Messages handed out since the sink was set, and whether the sink refused one. */
size_t shim_assembler_messages(const shim_assembler_t *assembler);
int shim_assembler_refused(const shim_assembler_t *assembler);

/* Sessions of which a part of a message is held. */
size_t shim_assembler_partials(const shim_assembler_t *assembler);

/* Forget the part of a message held for a session: its image is gone. */
void shim_assembler_forget(shim_assembler_t *assembler, int32_t session_id);

/* A sink that fills a block. */
int shim_block_sink(void *block, const shim_message_t *message);

/* The handler to poll with; clientd is the assembler. A message that the sink refuses stays in the stream. */
aeron_controlled_fragment_handler_action_t shim_poll_fragment(
    void *assembler, const uint8_t *buffer, size_t length, aeron_header_t *header);

/* The shape of aeron_subscription_controlled_poll, aeron_image_controlled_poll and all that polls like them. */
typedef int (*shim_poll_t)(void *object, aeron_controlled_fragment_handler_t handler, void *clientd, size_t limit);

/* Poll until a message is whole or nothing is left: the fragments read, or -1. */
int shim_poll(shim_poll_t poll, void *object, shim_assembler_t *assembler, size_t limit);

/* Forget the parts of messages of sessions that the subscription has no image of any more. */
void shim_poll_sweep(shim_assembler_t *assembler, aeron_subscription_t *subscription);
