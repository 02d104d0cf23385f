#include "peer.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "protocol/aeron_udp_protocol.h"

void die(const char *what)
{
    fprintf(stderr, "bench_peer: %s: %s\n", what, aeron_errmsg());
    exit(1);
}

void ready(void)
{
    puts("{\"ready\": true}");
    fflush(stdout);
}

bool next_line(char *line, size_t size)
{
    fflush(stdout);
    return NULL != fgets(line, (int)size, stdin);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void idle(void)
{
    usleep(1000);
}

/* The default one ends the process. */
static void on_error(void *clientd, int code, const char *message)
{
    (void)clientd;
    fprintf(stderr, "bench_peer: %d %s\n", code, message);
}

static void connect_client(peer_t *peer)
{
    aeron_context_t *context;
    if (aeron_context_init(&context) < 0 || aeron_context_set_dir(context, peer->aeron_dir) < 0 ||
        aeron_context_set_error_handler(context, on_error, NULL) < 0 ||
        aeron_init(&peer->aeron, context) < 0 || aeron_start(peer->aeron) < 0)
    {
        die("connect");
    }
}

aeron_subscription_t *add_subscription(peer_t *peer, const char *channel, int32_t stream_id)
{
    aeron_async_add_subscription_t *adding;
    aeron_subscription_t *subscription = NULL;
    if (aeron_async_add_subscription(&adding, peer->aeron, channel, stream_id, NULL, NULL, NULL, NULL) < 0)
    {
        die(channel);
    }
    while (NULL == subscription)
    {
        if (aeron_async_add_subscription_poll(&subscription, adding) < 0)
        {
            die(channel);
        }
        idle();
    }
    return subscription;
}

aeron_exclusive_publication_t *add_publication(peer_t *peer, const char *channel, int32_t stream_id)
{
    aeron_async_add_exclusive_publication_t *adding;
    aeron_exclusive_publication_t *publication = NULL;
    if (aeron_async_add_exclusive_publication(&adding, peer->aeron, channel, stream_id) < 0)
    {
        die(channel);
    }
    while (NULL == publication)
    {
        if (aeron_async_add_exclusive_publication_poll(&publication, adding) < 0)
        {
            die(channel);
        }
        idle();
    }
    return publication;
}

/* Offers as fast as they go in. Returns the time taken. */
int64_t offer_many(peer_t *peer, aeron_exclusive_publication_t *publication, int64_t messages)
{
    uint8_t *message = calloc(1, peer->length);
    int64_t start = now_ns();
    for (int64_t i = 0; i < messages;)
    {
        memcpy(message, &i, sizeof(i));
        int64_t position = aeron_exclusive_publication_offer(publication, message, peer->length, NULL, NULL);
        if (position > 0)
        {
            i++;
        }
        else if (AERON_PUBLICATION_BACK_PRESSURED != position && AERON_PUBLICATION_ADMIN_ACTION != position &&
            AERON_PUBLICATION_NOT_CONNECTED != position)
        {
            die("offer");
        }
    }
    int64_t taken = now_ns() - start;
    free(message);
    return taken;
}

static void count(void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    (void)buffer;
    (void)header;
    counted_t *counted = clientd;
    counted->messages++;
    counted->bytes += (int64_t)length;
}

/* Polls until so many messages came. Returns the time from the first poll that found some to the last message. */
int64_t poll_many(peer_t *peer, aeron_subscription_t *subscription, int64_t messages)
{
    counted_t counted = { 0, 0 };
    aeron_fragment_assembler_t *assembler;
    if (aeron_fragment_assembler_create(&assembler, count, &counted) < 0)
    {
        die("assembler");
    }
    int64_t start = 0;
    while (counted.messages < messages)
    {
        int64_t before = 0 == start ? now_ns() : start;
        if (aeron_subscription_poll(subscription, aeron_fragment_assembler_handler, assembler, peer->limit) < 0)
        {
            die("poll");
        }
        if (counted.messages > 0)
        {
            start = before;
        }
    }
    int64_t taken = now_ns() - start;
    aeron_fragment_assembler_delete(assembler);
    return taken;
}

static void publish(peer_t *peer)
{
    char line[64];
    aeron_exclusive_publication_t *publication = add_publication(peer, peer->channel, peer->stream_id);
    while (!aeron_exclusive_publication_is_connected(publication))
    {
        idle();
    }
    ready();
    while (next_line(line, sizeof(line)))
    {
        int64_t messages = strtoll(line, NULL, 10), now = now_ns();
        if (0 == messages) /* one message that says when it was sent */
        {
            aeron_exclusive_publication_offer(publication, (const uint8_t *)&now, sizeof(now), NULL, NULL);
            puts("{}");
            continue;
        }
        printf("{\"seconds\": %.9f}\n", (double)offer_many(peer, publication, messages) / 1e9);
    }
    aeron_exclusive_publication_close(publication, NULL, NULL);
}

static void subscribe(peer_t *peer)
{
    char line[64];
    aeron_subscription_t *subscription = add_subscription(peer, peer->channel, peer->stream_id);
    while (!aeron_subscription_is_connected(subscription))
    {
        idle();
    }
    ready();
    while (next_line(line, sizeof(line)))
    {
        int64_t messages = strtoll(line, NULL, 10);
        printf("{\"seconds\": %.9f}\n", (double)poll_many(peer, subscription, messages) / 1e9);
    }
    aeron_subscription_close(subscription, NULL, NULL);
}

/* Every frame of a segment file, mapped anew for each line, counted by its header, payloads not looked at. */
static void walk(void)
{
    char path[4096];
    ready();
    while (next_line(path, sizeof(path)))
    {
        path[strcspn(path, "\n")] = '\0';
        int64_t messages = 0, bytes = 0, start = now_ns();
        struct stat status;
        int file = open(path, O_RDONLY);
        if (file < 0 || fstat(file, &status) < 0)
        {
            die(path);
        }
        const uint8_t *base = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
        if (MAP_FAILED == base)
        {
            die(path);
        }
        madvise((void *)base, (size_t)status.st_size, MADV_WILLNEED);
        for (off_t offset = 0; offset < status.st_size;)
        {
            const aeron_data_header_t *header = (const aeron_data_header_t *)(base + offset);
            int32_t length = header->frame_header.frame_length;
            if (length <= 0)
            {
                break;
            }
            if (AERON_HDR_TYPE_DATA == header->frame_header.type)
            {
                messages++;
                bytes += length - (int32_t)sizeof(aeron_data_header_t);
            }
            offset += (length + 31) & ~31;
        }
        munmap((void *)base, (size_t)status.st_size);
        close(file);
        printf("{\"seconds\": %.9f, \"messages\": %" PRId64 ", \"bytes\": %" PRId64 "}\n",
            (double)(now_ns() - start) / 1e9, messages, bytes);
    }
}

int main(int argc, char **argv)
{
    if (2 == argc && 0 == strcmp(argv[1], "walk"))
    {
        walk();
        return 0;
    }
    if (argc < 7)
    {
        fputs("bench_peer publish|subscribe|record|replay AERON_DIR CHANNEL STREAM_ID LENGTH LIMIT "
            "[REQUEST_CHANNEL REQUEST_STREAM_ID]\nbench_peer walk\n", stderr);
        return 2;
    }
    peer_t peer = {
        .aeron_dir = argv[2],
        .channel = argv[3],
        .stream_id = atoi(argv[4]),
        .length = (size_t)atoi(argv[5]),
        .limit = (size_t)atoi(argv[6]),
        .request_channel = argc > 8 ? argv[7] : NULL,
        .request_stream_id = argc > 8 ? atoi(argv[8]) : 0
    };
    connect_client(&peer);
    if (0 == strcmp(argv[1], "publish"))
    {
        publish(&peer);
    }
    else if (0 == strcmp(argv[1], "subscribe"))
    {
        subscribe(&peer);
    }
    else if (0 == strcmp(argv[1], "record"))
    {
        record(&peer);
    }
    else if (0 == strcmp(argv[1], "replay"))
    {
        replay(&peer);
    }
    aeron_close(peer.aeron);
    return 0;
}
