#include "shim.h"

#include <string.h>

#include "protocol/aeron_udp_protocol.h"

typedef struct target_stct
{
    uint8_t *buffer;
    size_t copied;
    int32_t *session_id;
    int32_t *term_id;
}
target_t;

static void on_block(void *clientd, const uint8_t *buffer, size_t length, int32_t session_id, int32_t term_id)
{
    target_t *target = clientd;

    /* Padding comes alone, and is as long as the rest of the term: it need not fit, and says nothing. */
    if (AERON_HDR_TYPE_PAD != ((const aeron_frame_header_t *)buffer)->type)
    {
        memcpy(target->buffer, buffer, length);
        target->copied = length;
        *target->session_id = session_id;
        *target->term_id = term_id;
    }
}

int shim_image_block(
    aeron_image_t *image, uint8_t *buffer, size_t length, int32_t *session_id, int32_t *term_id)
{
    target_t target = { .buffer = buffer, .copied = 0, .session_id = session_id, .term_id = term_id };
    int result;

    do
    {
        result = aeron_image_block_poll(image, on_block, &target, length);
    }
    while (result > 0 && 0 == target.copied);

    return result < 0 ? -1 : (int)target.copied;
}
