#include "shim.h"

#include "frame.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define FLAGS_UNKNOWN 0x0F
#define PREFETCH_FRAMES 16
#define SLICES 8

/* Tables for eight bytes at a time, one set for each polynomial (reflected). */
typedef struct tables_stct
{
    uint32_t crc32[SLICES][256];
    uint32_t crc32c[SLICES][256];
}
tables_t;

static tables_t tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void fill(uint32_t table[SLICES][256], uint32_t polynomial)
{
    for (uint32_t i = 0; i < 256; i++)
    {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
        {
            crc = (crc >> 1) ^ ((crc & 1) ? polynomial : 0);
        }
        table[0][i] = crc;
    }

    for (uint32_t i = 0; i < 256; i++)
    {
        for (int slice = 1; slice < SLICES; slice++)
        {
            const uint32_t before = table[slice - 1][i];
            table[slice][i] = (before >> 8) ^ table[0][before & 0xFF];
        }
    }
}

static void fill_tables(void)
{
    fill(tables.crc32, 0xEDB88320u);
    fill(tables.crc32c, 0x82F63B78u);
}

uint32_t shim_checksum(int kind, const uint8_t *data, int64_t length)
{
    pthread_once(&tables_once, fill_tables);

    const uint32_t (*table)[256] =
        (const uint32_t (*)[256])(SHIM_VERIFY_CRC32C == kind ? tables.crc32c : tables.crc32);
    uint32_t crc = 0xFFFFFFFFu;

    while (length >= 8)
    {
        uint32_t low;
        uint32_t high;
        memcpy(&low, data, 4);
        memcpy(&high, data + 4, 4);
        low ^= crc;
        crc = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24] ^
            table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^ table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24];
        data += 8;
        length -= 8;
    }

    while (length-- > 0)
    {
        crc = (crc >> 8) ^ table[0][(crc ^ *data++) & 0xFF];
    }

    return ~crc;
}

/* What is wrong with the header at offset, all of which is in memory; the session id is judged by itself. */
static inline int32_t judge(const shim_verify_t *verify, int64_t offset)
{
    const shim_walk_t *walk = &verify->walk;
    const frame_t *frame = frame_in(walk->data, offset);
    const int64_t position = walk->position + offset;
    const int32_t term_offset = (int32_t)(position & (walk->term_length - 1));
    const int32_t length = frame->frame_length;

    if (__builtin_expect(length < HEADER_LENGTH || align(length) > walk->term_length - term_offset, 0))
    {
        return 0 == length ? SHIM_VERIFY_UNWRITTEN : SHIM_VERIFY_LENGTH;
    }
    if (__builtin_expect(
        frame->term_offset != term_offset ||
        frame->term_id != term_id_at(position, walk->term_length, walk->initial_term_id), 0))
    {
        return SHIM_VERIFY_PLACE;
    }
    if (__builtin_expect(frame->stream_id != walk->stream_id, 0))
    {
        return SHIM_VERIFY_STREAM;
    }
    if (__builtin_expect(
        0 != frame->version || frame->type > TYPE_DATA || (TYPE_DATA == frame->type && (frame->flags & FLAGS_UNKNOWN)),
        0))
    {
        return SHIM_VERIFY_HEADER;
    }
    if (__builtin_expect(TYPE_DATA == frame->type && length > verify->mtu_length, 0))
    {
        return SHIM_VERIFY_LENGTH;
    }
    return SHIM_VERIFY_SOUND;
}

static bool has_checksum(const frame_t *frame, int32_t kind)
{
    const uint8_t *payload = (const uint8_t *)(frame + 1);
    return (uint32_t)frame->session_id == shim_checksum(kind, payload, align(frame->frame_length) - HEADER_LENGTH);
}

static int32_t checksum_kind(const frame_t *frame)
{
    return has_checksum(frame, SHIM_VERIFY_CRC32) ? SHIM_VERIFY_CRC32 :
        has_checksum(frame, SHIM_VERIFY_CRC32C) ? SHIM_VERIFY_CRC32C : SHIM_VERIFY_NONE;
}

static void take_session(shim_verify_t *verify, int32_t session_id)
{
    if (0 == verify->sessions || session_id != verify->session_id)
    {
        verify->sessions++;
        verify->session_id = session_id;
    }
}

static void take_kind(shim_verify_t *verify, int32_t kind)
{
    verify->kind = kind;
    verify->kinds |= kind;
}

/* A frame that is not like the one before it. An archive may have been started again with other checksums, and a
 * recording that was extended goes on with another session: that is sound when what follows agrees. 1 sound, 0 not, -1
 * when that can't be told before more is in memory. */
static int judge_change(shim_verify_t *verify, int64_t offset, const frame_t *frame)
{
    const shim_walk_t *walk = &verify->walk;
    const bool data = TYPE_DATA == frame->type;
    const int32_t kind = data ? checksum_kind(frame) : SHIM_VERIFY_NONE;

    if (SHIM_VERIFY_NONE != kind)
    {
        take_kind(verify, kind);
        return 1;
    }
    if (frame->session_id == verify->last_session_id ||
        (0 != verify->sessions && frame->session_id == verify->session_id))
    {
        take_session(verify, frame->session_id);
        if (data)
        {
            take_kind(verify, SHIM_VERIFY_PLAIN);
        }
        return 1;
    }

    if (!data && SHIM_VERIFY_PLAIN != verify->kind)
    {
        /* Padding keeps its session id among frames with checksums, and nothing there tells whether it is right. */
        take_session(verify, frame->session_id);
        return 1;
    }

    const int64_t next = offset + align(frame->frame_length);
    if (next + HEADER_LENGTH > walk->length)
    {
        /* What follows padding may lie too far away to be looked at together with it. */
        return verify->final ? 0 : data ? -1 : 1;
    }

    const frame_t *after = frame_in(walk->data, next);
    const bool whole = next + align(after->frame_length) <= walk->length;
    if (SHIM_VERIFY_SOUND != judge(verify, next) ||
        (TYPE_DATA == after->type && whole && SHIM_VERIFY_NONE != checksum_kind(after)))
    {
        return 0;
    }

    const bool goes_on = after->session_id == frame->session_id;
    const bool was_short = SHIM_VERIFY_NONE == verify->kind ? after->session_id == verify->last_session_id :
        SHIM_VERIFY_PLAIN == verify->kind && after->session_id != verify->session_id;
    if (!goes_on && !was_short)
    {
        return 0;
    }

    take_session(verify, frame->session_id);
    if (data)
    {
        take_kind(verify, SHIM_VERIFY_PLAIN);
    }
    return 1;
}

static void count(shim_verify_t *verify, const frame_t *frame)
{
    shim_walk_t *walk = &verify->walk;
    const int32_t payload = frame->frame_length - HEADER_LENGTH;

    walk->frames++;
    if (FLAG_BEGIN & frame->flags)
    {
        walk->dropped += verify->fragments;
        verify->fragments = 0;
        verify->open_payload = 0;
    }
    else if (0 == verify->fragments)
    {
        walk->dropped++;
        return;
    }
    verify->fragments++;
    verify->open_payload += payload;
    if (FLAG_END & frame->flags)
    {
        walk->messages++;
        walk->payload += verify->open_payload;
        verify->fragments = 0;
        verify->open_payload = 0;
    }
}

void shim_verify_run(shim_verify_t *verify)
{
    shim_walk_t *walk = &verify->walk;

    verify->fault = SHIM_VERIFY_SOUND;
    while (walk->offset + HEADER_LENGTH <= walk->length)
    {
        const int32_t fault = judge(verify, walk->offset);
        if (__builtin_expect(SHIM_VERIFY_SOUND != fault, 0))
        {
            verify->fault = fault;
            return;
        }

        const frame_t *frame = frame_in(walk->data, walk->offset);
        const int64_t length = align(frame->frame_length);
        const bool data = TYPE_DATA == frame->type;
        __builtin_prefetch((const void *)((uintptr_t)frame + PREFETCH_FRAMES * (uintptr_t)length));
        if (data && walk->offset + length > walk->length)
        {
            return;
        }

        const bool as_before = !data || SHIM_VERIFY_PLAIN == verify->kind ?
            0 != verify->sessions && frame->session_id == verify->session_id :
            SHIM_VERIFY_NONE != verify->kind && has_checksum(frame, verify->kind);
        if (__builtin_expect(!as_before, 0))
        {
            const int32_t kind = verify->kind;
            const int sound = judge_change(verify, walk->offset, frame);
            if (sound < 0)
            {
                return;
            }
            if (0 == sound)
            {
                verify->fault = data && (SHIM_VERIFY_CRC32 == kind || SHIM_VERIFY_CRC32C == kind) ?
                    SHIM_VERIFY_CHECKSUM : SHIM_VERIFY_SESSION;
                return;
            }
        }

        if (data)
        {
            count(verify, frame);
        }
        else
        {
            walk->padding++;
            walk->dropped += verify->fragments;
            verify->fragments = 0;
            verify->open_payload = 0;
        }
        walk->offset += length;
    }
}

int shim_verify_find(shim_verify_t *verify)
{
    shim_walk_t *walk = &verify->walk;

    for (; walk->offset + HEADER_LENGTH <= walk->length; walk->offset += ALIGNMENT)
    {
        if (0 != frame_in(walk->data, walk->offset)->frame_length &&
            SHIM_VERIFY_SOUND == judge(verify, walk->offset))
        {
            return 1;
        }
    }

    return 0;
}

int shim_verify_pass(shim_verify_t *verify)
{
    shim_walk_t *walk = &verify->walk;

    walk->dropped += verify->fragments;
    verify->fragments = 0;
    verify->open_payload = 0;
    if (SHIM_VERIFY_SESSION == verify->fault || SHIM_VERIFY_CHECKSUM == verify->fault)
    {
        walk->offset += align(frame_in(walk->data, walk->offset)->frame_length);
        return 1;
    }

    walk->offset += ALIGNMENT;
    return shim_verify_find(verify);
}
