/* The C side of the benchmarks. Every mode reads lines from stdin, does what each asks, and prints one JSON line for it. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aeronc.h"

typedef struct peer_stct
{
    const char *aeron_dir;
    const char *channel;
    int32_t stream_id;
    size_t length;       /* of a message */
    size_t limit;        /* fragments a poll */
    const char *request_channel;
    int32_t request_stream_id;
    aeron_t *aeron;
}
peer_t;

typedef struct counted_stct
{
    int64_t messages;
    int64_t bytes;
}
counted_t;

void die(const char *what);
void ready(void);
bool next_line(char *line, size_t size);
int64_t now_ns(void);
void idle(void);

aeron_subscription_t *add_subscription(peer_t *peer, const char *channel, int32_t stream_id);
aeron_exclusive_publication_t *add_publication(peer_t *peer, const char *channel, int32_t stream_id);
int64_t offer_many(peer_t *peer, aeron_exclusive_publication_t *publication, int64_t messages);
int64_t poll_many(peer_t *peer, aeron_subscription_t *subscription, int64_t messages);

void record(peer_t *peer);
void replay(peer_t *peer);

#endif
