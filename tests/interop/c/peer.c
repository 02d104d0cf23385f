/*
 * Publishes the rows of files, or writes down what comes and when, with Aeron's C client alone.
 *
 *   interop_peer publish AERON_DIR PLAN BATCHES PAUSE_US
 *   interop_peer receive AERON_DIR PLAN OUTPUT
 *
 * A line of PLAN is a stream: "STREAM_ID + FILE CHANNEL". A minus in place of the plus: nobody will subscribe, so what
 * can't be sent is left out. A message is two int64 of this machine's byte order, its number in the stream and the time
 * at which it was sent in nanoseconds since 1970, and then a row.
 *
 * "publish" says "ready" when it has subscribers and begins at the first line of its input. It sends the rows of each
 * stream spread over so many batches, with a pause after each, then says "sent"; with 0 batches it goes round for ever.
 * "receive" appends to OUTPUT for each message: int64 when it came, int32 stream id, int32 length, the message.
 * Both end with their input.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aeronc.h"

#define MAX_STREAMS 2000
#define MAX_MESSAGE (1 << 20)
#define FRAGMENTS 64

typedef struct stream_stct
{
    int32_t stream_id;
    bool heard;
    char *text;          /* the whole file; rows end with a zero */
    char **rows;
    int64_t row_count;
    int64_t sent;
    aeron_async_add_exclusive_publication_t *adding_publication;
    aeron_exclusive_publication_t *publication;
    aeron_async_add_subscription_t *adding_subscription;
    aeron_subscription_t *subscription;
    aeron_fragment_assembler_t *assembler;
}
stream_t;

static stream_t streams[MAX_STREAMS];
static int stream_count;
static FILE *output;
static bool came;

static void die(const char *what)
{
    fprintf(stderr, "interop_peer: %s: %s\n", what, aeron_errcode() ? aeron_errmsg() : strerror(errno));
    exit(1);
}

/* Aeron's own ends the process without a word; so does this one, with one. */
static void on_error(void *clientd, int code, const char *message)
{
    (void)clientd;
    fprintf(stderr, "interop_peer: %d %s\n", code, message);
    _exit(3);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static bool input_ended(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLIN)) == POLLHUP;
}

static void read_rows(stream_t *stream, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (NULL == file || fseek(file, 0, SEEK_END) < 0)
    {
        die(path);
    }
    size_t length = (size_t)ftell(file);
    rewind(file);
    stream->text = calloc(1, length + 1);
    if (fread(stream->text, 1, length, file) != length)
    {
        die(path);
    }
    fclose(file);
    int64_t lines = 0;
    for (size_t i = 0; i < length; i++)
    {
        lines += '\n' == stream->text[i];
    }
    stream->rows = calloc((size_t)lines + 1, sizeof(char *));
    char *row = stream->text;
    for (int64_t i = 0; i < lines; i++)
    {
        stream->rows[stream->row_count++] = row;
        row = strchr(row, '\n');
        *row++ = '\0';
    }
}

static void add_streams(aeron_t *aeron, const char *plan, bool publish)
{
    FILE *file = fopen(plan, "r");
    if (NULL == file)
    {
        die(plan);
    }
    char mark, path[4096], channel[4096];
    int stream_id;
    while (4 == fscanf(file, "%d %c %4095s %4095s", &stream_id, &mark, path, channel) && stream_count < MAX_STREAMS)
    {
        stream_t *stream = &streams[stream_count++];
        stream->stream_id = stream_id;
        stream->heard = '+' == mark;
        int result;
        if (publish)
        {
            read_rows(stream, path);
            result = aeron_async_add_exclusive_publication(&stream->adding_publication, aeron, channel, stream_id);
        }
        else
        {
            result = aeron_async_add_subscription(
                &stream->adding_subscription, aeron, channel, stream_id, NULL, NULL, NULL, NULL);
        }
        if (result < 0)
        {
            die(channel);
        }
    }
    fclose(file);
    for (int i = 0; i < stream_count; i++)
    {
        stream_t *stream = &streams[i];
        int result;
        while (0 == (result = publish ?
            aeron_async_add_exclusive_publication_poll(&stream->publication, stream->adding_publication) :
            aeron_async_add_subscription_poll(&stream->subscription, stream->adding_subscription)))
        {
            usleep(1000);
        }
        if (result < 0)
        {
            die("add");
        }
    }
}

static void send_row(stream_t *stream)
{
    static uint8_t message[MAX_MESSAGE];
    const char *row = stream->rows[stream->sent % stream->row_count];
    size_t length = strlen(row);
    memcpy(message, &stream->sent, sizeof(int64_t));
    memcpy(message + 16, row, length);
    while (true)
    {
        int64_t now = now_ns();
        memcpy(message + 8, &now, sizeof(now));
        int64_t position = aeron_exclusive_publication_offer(stream->publication, message, 16 + length, NULL, NULL);
        if (position > 0 || !stream->heard)
        {
            stream->sent++;
            return;
        }
        if (AERON_PUBLICATION_BACK_PRESSURED != position && AERON_PUBLICATION_ADMIN_ACTION != position &&
            AERON_PUBLICATION_NOT_CONNECTED != position)
        {
            die("offer");
        }
        if (AERON_PUBLICATION_ADMIN_ACTION != position)
        {
            if (input_ended())
            {
                exit(0);
            }
            usleep(100);
        }
    }
}

static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void publish(int64_t batches, unsigned pause_us)
{
    for (int i = 0; i < stream_count; i++)
    {
        while (streams[i].heard && !aeron_exclusive_publication_is_connected(streams[i].publication))
        {
            if (input_ended())
            {
                exit(0);
            }
            usleep(1000);
        }
    }
    say("ready");
    while ('\n' != getchar())
    {
        if (feof(stdin))
        {
            return;
        }
    }
    for (int64_t batch = 0; batch < batches || (0 == batches && !input_ended()); batch++)
    {
        for (int i = 0; i < stream_count; i++)
        {
            stream_t *stream = &streams[i];
            /* For ever: none on most streams, many on some. */
            int64_t until = 0 == batches ?
                stream->sent + (0 == next_random() % 4 ? (int64_t)(next_random() % 12) : 0) :
                (batch + 1) * stream->row_count / batches;
            while (stream->sent < until)
            {
                send_row(stream);
            }
        }
        usleep(pause_us / 2 + (unsigned)(next_random() % (pause_us + 1)));
    }
    say("sent");
    while (!input_ended())
    {
        usleep(1000);
    }
}

static void on_message(void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    (void)header;
    int64_t now = now_ns();
    int32_t about[2] = { ((stream_t *)clientd)->stream_id, (int32_t)length };
    if (1 != fwrite(&now, sizeof(now), 1, output) || 1 != fwrite(about, sizeof(about), 1, output) ||
        (length > 0 && 1 != fwrite(buffer, length, 1, output)))
    {
        die("write");
    }
    came = true;
}

static void receive(const char *path)
{
    output = fopen(path, "wb");
    if (NULL == output)
    {
        die(path);
    }
    for (int i = 0; i < stream_count; i++)
    {
        if (aeron_fragment_assembler_create(&streams[i].assembler, on_message, &streams[i]) < 0)
        {
            die("assembler");
        }
    }
    say("ready");
    while (true)
    {
        int found = 0;
        for (int i = 0; i < stream_count; i++)
        {
            int fragments = aeron_subscription_poll(
                streams[i].subscription, aeron_fragment_assembler_handler, streams[i].assembler, FRAGMENTS);
            if (fragments < 0)
            {
                die("poll");
            }
            found += fragments;
        }
        if (0 == found)
        {
            if (came)
            {
                fflush(output);
                came = false;
            }
            if (input_ended())
            {
                break;
            }
            usleep(20);
        }
    }
    fclose(output);
}

int main(int argc, char **argv)
{
    bool publishes = argc == 6 && 0 == strcmp(argv[1], "publish");
    if (!publishes && !(argc == 5 && 0 == strcmp(argv[1], "receive")))
    {
        fputs("interop_peer publish AERON_DIR PLAN BATCHES PAUSE_US\n"
            "interop_peer receive AERON_DIR PLAN OUTPUT\n", stderr);
        return 2;
    }
    aeron_context_t *context;
    aeron_t *aeron;
    if (aeron_context_init(&context) < 0 || aeron_context_set_dir(context, argv[2]) < 0 ||
        aeron_context_set_error_handler(context, on_error, NULL) < 0 ||
        aeron_init(&aeron, context) < 0 || aeron_start(aeron) < 0)
    {
        die("connect");
    }
    add_streams(aeron, argv[3], publishes);
    if (publishes)
    {
        publish(atoll(argv[4]), (unsigned)atoi(argv[5]));
    }
    else
    {
        receive(argv[4]);
    }
    aeron_close(aeron);
    return 0;
}
