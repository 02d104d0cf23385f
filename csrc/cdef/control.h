/* Control: one session with an archive. A thread of its own connects, then drains the archive's responses for as long
 * as the session lives, into the queue of events.h. Requests go out from any thread and never wait. */

typedef enum shim_control_stage_en
{
    SHIM_CONTROL_ADDING = 0,       /* the driver sets up publication and subscription */
    SHIM_CONTROL_AWAITING_ARCHIVE, /* no archive listens on the request channel yet */
    SHIM_CONTROL_CONNECTING,       /* the connect request is out */
    SHIM_CONTROL_CHALLENGED,       /* the archive wants a challenge answered */
    SHIM_CONTROL_IDENTIFYING,      /* accepted: the archive is asked for its id */
    SHIM_CONTROL_CONNECTED,
    SHIM_CONTROL_FAILED
}
shim_control_stage_t;

typedef struct shim_control_settings_stct
{
    const char *request_channel;
    const char *response_channel;
    int32_t request_stream_id;
    int32_t response_stream_id;
    int32_t term_length;
    int32_t mtu_length;
    int32_t sparse;
    const char *client_name;
    const uint8_t *credentials;
    uint32_t credentials_length;
}
shim_control_settings_t;

/* What the data of a SHIM_EVENT_ARCHIVE_RECORDING begins with; the three strings follow, in this order. */
typedef struct shim_recording_stct
{
    int64_t recording_id;
    int64_t start_timestamp;
    int64_t stop_timestamp;
    int64_t start_position;
    int64_t stop_position;
    int32_t initial_term_id;
    int32_t segment_file_length;
    int32_t term_buffer_length;
    int32_t mtu_length;
    int32_t session_id;
    int32_t stream_id;
    uint32_t stripped_channel_length;
    uint32_t original_channel_length;
    uint32_t source_identity_length;
}
shim_recording_t;

typedef struct shim_control_stct shim_control_t;

/* Start the thread; the outcome is an event. The settings are copied. */
int shim_control_start(
    shim_control_t **control, aeron_t *aeron, const shim_control_settings_t *settings, shim_events_t *events);

/* End the session, if there is one, and free all. Waits for the thread. */
void shim_control_stop(shim_control_t *control);

int32_t shim_control_stage(const shim_control_t *control);
int64_t shim_control_session_id(const shim_control_t *control);

/* Answer a SHIM_EVENT_ARCHIVE_CHALLENGE. */
int shim_control_answer_challenge(shim_control_t *control, const uint8_t *data, uint32_t length);

/* The highest position in rec-pos counters of this archive: of the recording if its id is given, else of the session
 * and stream. 1 with the recording's id and position, or 0 when no such recording is active. */
int shim_recorded_position(
    aeron_t *aeron, int64_t archive_id, int32_t session_id, int32_t stream_id, int64_t *recording_id,
    int64_t *position);

/* The requests, named after aeron_archive_proxy's. Each returns 1 when sent, 0 when back pressured (call again), -1. */
int shim_control_start_recording(
    shim_control_t *control, int64_t correlation_id, const char *channel, int32_t stream_id, int32_t local,
    int32_t auto_stop);
int shim_control_extend_recording(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, const char *channel, int32_t stream_id,
    int32_t local, int32_t auto_stop);
int shim_control_stop_recording(
    shim_control_t *control, int64_t correlation_id, const char *channel, int32_t stream_id);
int shim_control_stop_recording_subscription(shim_control_t *control, int64_t correlation_id, int64_t subscription_id);
int shim_control_stop_recording_by_identity(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_get_recording_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_get_start_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_get_stop_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_get_max_recorded_position(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_find_last_matching_recording(
    shim_control_t *control, int64_t correlation_id, int64_t min_recording_id, const char *channel_fragment,
    int32_t stream_id, int32_t session_id);
int shim_control_list_recording(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_list_recordings(
    shim_control_t *control, int64_t correlation_id, int64_t from_recording_id, int32_t record_count);
int shim_control_list_recordings_for_uri(
    shim_control_t *control, int64_t correlation_id, int64_t from_recording_id, int32_t record_count,
    const char *channel_fragment, int32_t stream_id);
int shim_control_list_recording_subscriptions(
    shim_control_t *control, int64_t correlation_id, int32_t pseudo_index, int32_t subscription_count,
    const char *channel_fragment, int32_t stream_id, int32_t apply_stream_id);
int shim_control_replay(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, const char *channel, int32_t stream_id,
    const aeron_archive_replay_params_t *params);
/* The same over another publication to the archive: the one that a response channel answers. */
int shim_control_replay_over(
    shim_control_t *control, aeron_exclusive_publication_t *publication, int64_t correlation_id, int64_t recording_id,
    const char *channel, int32_t stream_id, const aeron_archive_replay_params_t *params);
int shim_control_request_replay_token(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_stop_replay(shim_control_t *control, int64_t correlation_id, int64_t replay_session_id);
int shim_control_stop_all_replays(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_truncate_recording(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, int64_t position);
int shim_control_purge_recording(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_detach_segments(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, int64_t new_start_position);
int shim_control_delete_detached_segments(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_purge_segments(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, int64_t new_start_position);
int shim_control_attach_segments(shim_control_t *control, int64_t correlation_id, int64_t recording_id);
int shim_control_migrate_segments(
    shim_control_t *control, int64_t correlation_id, int64_t source_recording_id, int64_t target_recording_id);
int shim_control_update_channel(
    shim_control_t *control, int64_t correlation_id, int64_t recording_id, const char *channel);
int shim_control_replicate(
    shim_control_t *control, int64_t correlation_id, int64_t source_recording_id, int32_t source_control_stream_id,
    const char *source_control_channel, aeron_archive_replication_params_t *params);
int shim_control_stop_replication(shim_control_t *control, int64_t correlation_id, int64_t replication_id);
