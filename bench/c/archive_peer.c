#include "peer.h"

#include <sched.h>

#include "client/aeron_archive.h"

static aeron_archive_t *archive_connect(peer_t *peer)
{
    aeron_archive_context_t *context;
    aeron_archive_t *archive = NULL; /* or it returns garbage */
    if (aeron_archive_context_init(&context) < 0 ||
        aeron_archive_context_set_aeron(context, peer->aeron) < 0 ||
        aeron_archive_context_set_control_request_channel(context, peer->request_channel) < 0 ||
        aeron_archive_context_set_control_request_stream_id(context, peer->request_stream_id) < 0 ||
        aeron_archive_context_set_control_response_channel(context, "aeron:ipc?term-length=64k") < 0 ||
        aeron_archive_connect(&archive, context) < 0)
    {
        die("archive connect");
    }
    return archive; /* which uses the context until the process ends */
}

/* Offers to a stream that the archive records, until all of it is recorded. */
void record(peer_t *peer)
{
    char line[64];
    int64_t subscription_id;
    aeron_archive_t *archive = archive_connect(peer);
    if (aeron_archive_start_recording(
        &subscription_id, archive, peer->channel, peer->stream_id, AERON_ARCHIVE_SOURCE_LOCATION_LOCAL, true) < 0)
    {
        die("start_recording");
    }
    aeron_exclusive_publication_t *publication = add_publication(peer, peer->channel, peer->stream_id);
    aeron_counters_reader_t *counters = aeron_counters_reader(peer->aeron);
    aeron_publication_constants_t constants;
    aeron_exclusive_publication_constants(publication, &constants);
    int32_t counter_id;
    while (AERON_NULL_COUNTER_ID == (counter_id =
        aeron_archive_recording_pos_find_counter_id_by_session_id(counters, constants.session_id)))
    {
        idle();
    }
    while (!aeron_exclusive_publication_is_connected(publication))
    {
        idle();
    }
    printf("{\"ready\": true, \"recording_id\": %" PRId64 "}\n",
        aeron_archive_recording_pos_get_recording_id(counters, counter_id));
    int64_t *recorded = aeron_counters_reader_addr(counters, counter_id);
    while (next_line(line, sizeof(line)))
    {
        int64_t messages = strtoll(line, NULL, 10), start = now_ns();
        offer_many(peer, publication, messages);
        int64_t position = aeron_exclusive_publication_position(publication);
        while (*(volatile int64_t *)recorded < position)
        {
            sched_yield();
        }
        printf("{\"seconds\": %.9f, \"position\": %" PRId64 "}\n", (double)(now_ns() - start) / 1e9, position);
    }
    aeron_exclusive_publication_close(publication, NULL, NULL);
    aeron_archive_stop_recording_subscription(archive, subscription_id);
    aeron_archive_close(archive);
}

/* Each line is "RECORDING_ID LENGTH MESSAGES": replays so many bytes from the start and polls until all came. */
void replay(peer_t *peer)
{
    char line[128];
    aeron_archive_t *archive = archive_connect(peer);
    ready();
    while (next_line(line, sizeof(line)))
    {
        char *rest;
        int64_t recording_id = strtoll(line, &rest, 10);
        int64_t length = strtoll(rest, &rest, 10);
        int64_t messages = strtoll(rest, &rest, 10);
        aeron_archive_replay_params_t params;
        aeron_subscription_t *subscription;
        aeron_archive_replay_params_init(&params);
        params.position = 0;
        params.length = length;
        if (aeron_archive_replay(&subscription, archive, recording_id, peer->channel, peer->stream_id, &params) < 0)
        {
            die("replay");
        }
        printf("{\"seconds\": %.9f}\n", (double)poll_many(peer, subscription, messages) / 1e9);
        aeron_subscription_close(subscription, NULL, NULL);
    }
    aeron_archive_close(archive);
}
