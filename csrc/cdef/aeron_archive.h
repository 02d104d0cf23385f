/* What Python calls of Aeron's archive client, as aeron_archive.h declares it. */

#define ARCHIVE_REPLAY_ALL_AND_FOLLOW ...
#define ARCHIVE_REPLAY_ALL_AND_STOP ...
#define AERON_NULL_POSITION ...

typedef enum aeron_archive_source_location_en
{
    AERON_ARCHIVE_SOURCE_LOCATION_LOCAL,
    AERON_ARCHIVE_SOURCE_LOCATION_REMOTE,
    ...
}
aeron_archive_source_location_t;

typedef enum aeron_archive_client_recording_signal_en
{
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_START,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_STOP,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_EXTEND,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_REPLICATE,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_MERGE,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_SYNC,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_DELETE,
    AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_REPLICATE_END,
    ...
}
aeron_archive_client_recording_signal_t;

typedef struct aeron_archive_encoded_credentials_stct
{
    const char *data;
    uint32_t length;
}
aeron_archive_encoded_credentials_t;

typedef struct aeron_archive_replay_params_stct
{
    int32_t bounding_limit_counter_id;
    int32_t file_io_max_length;
    int64_t position;
    int64_t length;
    int64_t replay_token;
    int64_t subscription_registration_id;
}
aeron_archive_replay_params_t;

int aeron_archive_replay_params_init(aeron_archive_replay_params_t *params);

typedef struct aeron_archive_replication_params_stct
{
    int64_t stop_position;
    int64_t dst_recording_id;
    const char *live_destination;
    const char *replication_channel;
    const char *src_response_channel;
    int64_t channel_tag_id;
    int64_t subscription_tag_id;
    int32_t file_io_max_length;
    int32_t replication_session_id;
    aeron_archive_encoded_credentials_t *encoded_credentials;
}
aeron_archive_replication_params_t;

int aeron_archive_replication_params_init(aeron_archive_replication_params_t *params);

int64_t aeron_archive_segment_file_base_position(
    int64_t start_position, int64_t position, int32_t term_buffer_length, int32_t segment_file_length);
