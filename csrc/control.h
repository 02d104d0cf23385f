#ifndef AERON_PY_CONTROL_H
#define AERON_PY_CONTROL_H

#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>

#include "client/aeron_archive_proxy.h"

struct shim_control_stct
{
    aeron_t *aeron;
    shim_events_t *events;
    aeron_archive_context_t *context;
    aeron_async_add_subscription_t *adding_subscription;
    aeron_async_add_exclusive_publication_t *adding_publication;
    aeron_subscription_t *subscription;
    aeron_exclusive_publication_t *publication;
    aeron_fragment_assembler_t *assembler;
    char *request_channel;
    char *response_channel;
    int32_t request_stream_id;
    int32_t response_stream_id;
    uint8_t *credentials;
    uint32_t credentials_length;
    uint8_t *answer;
    uint32_t answer_length;
    int64_t correlation_id; /* of the connect, challenge or identify request that is out */
    int64_t archive_id;
    bool heard; /* anything but pings since the thread looked last */
    _Atomic int64_t session_id;
    _Atomic int32_t stage;
    _Atomic int32_t stop;
    _Atomic int32_t requests;
    pthread_mutex_t lock; /* the proxy's buffer, and the answer to a challenge */
    pthread_cond_t wake;
    pthread_t thread;
    aeron_archive_proxy_t proxy;
};

/* Ask the driver for the two channels. Runs on the caller's thread, so that a bad channel is told at once. */
int control_add(shim_control_t *control, const shim_control_settings_t *settings);

/* One step towards the session, on the session's thread. */
int control_step(shim_control_t *control);

/* The handler of assembled messages on the response channel; clientd is the control. */
void control_on_message(void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header);

/* What the connecting steps want to know of a response. */
void control_on_response(
    shim_control_t *control, int64_t correlation_id, int64_t relevant_id, int32_t code, const char *text, size_t length,
    int64_t session_id);
void control_on_challenge(
    shim_control_t *control, int64_t correlation_id, int64_t session_id, const uint8_t *data, size_t length);

#endif
