#include "control.h"

#include <errno.h>

#include "util/aeron_error.h"

/* Aeron's proxy says with this number that the publication was back pressured. */
#define TOO_MANY_RETRIES (-1)

static int begin(shim_control_t *control)
{
    if (SHIM_CONTROL_CONNECTED != atomic_load(&control->stage))
    {
        AERON_SET_ERR(ENOTCONN, "%s", "the archive session is not connected");
        return -1;
    }
    pthread_mutex_lock(&control->lock);
    return 0;
}

static int end(shim_control_t *control, bool sent)
{
    if (sent)
    {
        atomic_fetch_add(&control->requests, 1);
        pthread_cond_signal(&control->wake);
    }
    pthread_mutex_unlock(&control->lock);
    return sent ? 1 : TOO_MANY_RETRIES == aeron_errcode() ? 0 : -1;
}

#define SEND(request) (begin(control) < 0 ? -1 : end(control, request))

int shim_control_start_recording(
    shim_control_t *control, int64_t correlation_id, const char *channel, int32_t stream_id, int32_t local,
    int32_t auto_stop)
{
    return SEND(aeron_archive_proxy_start_recording(
        &control->proxy, channel, stream_id, 0 != local, 0 != auto_stop, correlation_id));
}

int shim_control_extend_recording(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, const char *channel, int32_t stream_id,
    int32_t local, int32_t auto_stop)
{
    return SEND(aeron_archive_proxy_extend_recording(
        &control->proxy, recording_id, channel, stream_id, 0 != local, 0 != auto_stop, correlation_id));
}

int shim_control_stop_recording(
    shim_control_t *control, int64_t correlation_id, const char *channel, int32_t stream_id)
{
    return SEND(aeron_archive_proxy_stop_recording(
        &control->proxy, correlation_id, channel, stream_id));
}

int shim_control_stop_recording_subscription(shim_control_t *control, int64_t correlation_id, int64_t subscription_id)
{
    return SEND(aeron_archive_proxy_stop_recording_subscription(
        &control->proxy, correlation_id, subscription_id));
}

int shim_control_stop_recording_by_identity(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_stop_recording_by_identity(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_get_recording_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_get_recording_position(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_get_start_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_get_start_position(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_get_stop_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_get_stop_position(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_get_max_recorded_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_get_max_recorded_position(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_find_last_matching_recording(
    shim_control_t *control, int64_t correlation_id, int64_t min_recording_id, const char *channel_fragment,
    int32_t stream_id, int32_t session_id)
{
    return SEND(aeron_archive_proxy_find_last_matching_recording(
        &control->proxy, correlation_id, min_recording_id, channel_fragment, stream_id, session_id));
}

int shim_control_list_recording(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_list_recording(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_list_recordings(
    shim_control_t *control, int64_t correlation_id, int64_t from_recording_id, int32_t record_count)
{
    return SEND(aeron_archive_proxy_list_recordings(
        &control->proxy, correlation_id, from_recording_id, record_count));
}

int shim_control_list_recordings_for_uri(
    shim_control_t *control, int64_t correlation_id, int64_t from_recording_id, int32_t record_count,
    const char *channel_fragment, int32_t stream_id)
{
    return SEND(aeron_archive_proxy_list_recordings_for_uri(
        &control->proxy, correlation_id, from_recording_id, record_count, channel_fragment, stream_id));
}

int shim_control_list_recording_subscriptions(
    shim_control_t *control, int64_t correlation_id, int32_t pseudo_index, int32_t subscription_count,
    const char *channel_fragment, int32_t stream_id, int32_t apply_stream_id)
{
    return SEND(aeron_archive_proxy_list_recording_subscriptions(
        &control->proxy, correlation_id, pseudo_index, subscription_count, channel_fragment, stream_id,
        0 != apply_stream_id));
}

int shim_control_replay(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, const char *channel, int32_t stream_id,
    const aeron_archive_replay_params_t *params)
{
    return SEND(aeron_archive_proxy_replay(
        &control->proxy, correlation_id, recording_id, channel, stream_id, (aeron_archive_replay_params_t *)params));
}

int shim_control_replay_over(
    shim_control_t *control, aeron_exclusive_publication_t *publication, int64_t correlation_id, int64_t recording_id,
    const char *channel, int32_t stream_id, const aeron_archive_replay_params_t *params)
{
    aeron_archive_proxy_t proxy;
    if (aeron_archive_proxy_init(&proxy, control->context, publication, 1) < 0)
    {
        AERON_APPEND_ERR("%s", "replay over a response channel");
        return -1;
    }

    aeron_archive_proxy_set_control_session_id(&proxy, atomic_load(&control->session_id));
    return SEND(aeron_archive_proxy_replay(
        &proxy, correlation_id, recording_id, channel, stream_id, (aeron_archive_replay_params_t *)params));
}

int shim_control_request_replay_token(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_request_replay_token(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_stop_replay(shim_control_t *control, int64_t correlation_id, int64_t replay_session_id)
{
    return SEND(aeron_archive_proxy_stop_replay(
        &control->proxy, correlation_id, replay_session_id));
}

int shim_control_stop_all_replays(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_stop_all_replays(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_truncate_recording(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, int64_t position)
{
    return SEND(aeron_archive_proxy_truncate_recording(
        &control->proxy, correlation_id, recording_id, position));
}

int shim_control_purge_recording(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_purge_recording(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_detach_segments(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, int64_t new_start_position)
{
    return SEND(aeron_archive_proxy_detach_segments(
        &control->proxy, correlation_id, recording_id, new_start_position));
}

int shim_control_delete_detached_segments(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_delete_detached_segments(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_purge_segments(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, int64_t new_start_position)
{
    return SEND(aeron_archive_proxy_purge_segments(
        &control->proxy, correlation_id, recording_id, new_start_position));
}

int shim_control_attach_segments(shim_control_t *control, int64_t correlation_id, int64_t recording_id)
{
    return SEND(aeron_archive_proxy_attach_segments(
        &control->proxy, correlation_id, recording_id));
}

int shim_control_migrate_segments(
    shim_control_t *control, int64_t correlation_id, int64_t source_recording_id, int64_t target_recording_id)
{
    return SEND(aeron_archive_proxy_migrate_segments(
        &control->proxy, correlation_id, source_recording_id, target_recording_id));
}

int shim_control_update_channel(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, const char *channel)
{
    return SEND(aeron_archive_proxy_update_channel(
        &control->proxy, correlation_id, recording_id, channel));
}

int shim_control_replicate(
    shim_control_t *control, int64_t correlation_id, int64_t source_recording_id, int32_t source_control_stream_id,
    const char *source_control_channel, aeron_archive_replication_params_t *params)
{
    return SEND(aeron_archive_proxy_replicate(
        &control->proxy, correlation_id, source_recording_id, source_control_stream_id, source_control_channel,
        params));
}

int shim_control_stop_replication(shim_control_t *control, int64_t correlation_id, int64_t replication_id)
{
    return SEND(aeron_archive_proxy_stop_replication(
        &control->proxy, correlation_id, replication_id));
}
