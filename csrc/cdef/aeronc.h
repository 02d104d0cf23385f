/* What Python calls of Aeron's client, as aeronc.h declares it. Structs whose members Python doesn't read are opaque. */

#define AERON_NULL_VALUE ...
#define AERON_NULL_COUNTER_ID ...
#define AERON_COUNTER_MAX_CLIENT_NAME_LENGTH ...

typedef struct aeron_context_stct aeron_context_t;
typedef struct aeron_stct aeron_t;
typedef struct aeron_publication_stct aeron_publication_t;
typedef struct aeron_exclusive_publication_stct aeron_exclusive_publication_t;
typedef struct aeron_header_stct aeron_header_t;
typedef struct aeron_subscription_stct aeron_subscription_t;
typedef struct aeron_image_stct aeron_image_t;
typedef struct aeron_counter_stct aeron_counter_t;
typedef struct aeron_counters_reader_stct aeron_counters_reader_t;
typedef struct aeron_cnc_stct aeron_cnc_t;

typedef struct aeron_client_registering_resource_stct aeron_async_add_publication_t;
typedef struct aeron_client_registering_resource_stct aeron_async_add_exclusive_publication_t;
typedef struct aeron_client_registering_resource_stct aeron_async_add_subscription_t;
typedef struct aeron_client_registering_resource_stct aeron_async_add_counter_t;
typedef struct aeron_client_registering_resource_stct aeron_async_destination_t;
typedef struct aeron_client_registering_resource_stct aeron_async_get_next_available_session_id_t;

typedef enum aeron_controlled_fragment_handler_action_en
{
    AERON_ACTION_ABORT = 1,
    AERON_ACTION_BREAK = 2,
    AERON_ACTION_COMMIT = 3,
    AERON_ACTION_CONTINUE = 4
}
aeron_controlled_fragment_handler_action_t;

typedef aeron_controlled_fragment_handler_action_t (*aeron_controlled_fragment_handler_t)(
    void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header);
typedef void (*aeron_notification_t)(void *clientd);

int aeron_errcode(void);
const char *aeron_errmsg(void);
const char *aeron_version_text(void);
int aeron_default_path(char *path, size_t path_length);

int aeron_context_init(aeron_context_t **context);
int aeron_context_close(aeron_context_t *context);
int aeron_context_set_dir(aeron_context_t *context, const char *value);
int aeron_context_set_driver_timeout_ms(aeron_context_t *context, uint64_t value);
int aeron_context_set_keepalive_interval_ns(aeron_context_t *context, uint64_t value);
int aeron_context_set_resource_linger_duration_ns(aeron_context_t *context, uint64_t value);
int aeron_context_set_idle_sleep_duration_ns(aeron_context_t *context, uint64_t value);
int aeron_context_set_idle_strategy_init_args(aeron_context_t *context, const char *value);
int aeron_context_set_idle_strategy(aeron_context_t *context, const char *value);
int aeron_context_set_pre_touch_mapped_memory(aeron_context_t *context, bool value);
int aeron_context_set_client_name(aeron_context_t *context, const char *value);

int aeron_init(aeron_t **client, aeron_context_t *context);
int aeron_start(aeron_t *client);
int aeron_close(aeron_t *client);
bool aeron_is_closed(aeron_t *client);
int64_t aeron_client_id(aeron_t *client);
int64_t aeron_next_correlation_id(aeron_t *client);

int aeron_async_next_session_id(
    aeron_async_get_next_available_session_id_t **async, aeron_t *client, int32_t stream_id);
int aeron_async_next_session_id_poll(int32_t *next_session_id, aeron_async_get_next_available_session_id_t *async);

int aeron_async_add_publication(
    aeron_async_add_publication_t **async, aeron_t *client, const char *uri, int32_t stream_id);
int aeron_async_add_publication_poll(aeron_publication_t **publication, aeron_async_add_publication_t *async);
int aeron_async_add_publication_cancel(aeron_t *client, aeron_async_add_publication_t *async);
int64_t aeron_async_add_publication_get_registration_id(aeron_async_add_publication_t *add_publication);

int aeron_async_add_exclusive_publication(
    aeron_async_add_exclusive_publication_t **async, aeron_t *client, const char *uri, int32_t stream_id);
int aeron_async_add_exclusive_publication_poll(
    aeron_exclusive_publication_t **publication, aeron_async_add_exclusive_publication_t *async);
int aeron_async_add_exclusive_publication_cancel(aeron_t *client, aeron_async_add_exclusive_publication_t *async);

int aeron_async_add_subscription_poll(aeron_subscription_t **subscription, aeron_async_add_subscription_t *async);

int aeron_async_add_counter(
    aeron_async_add_counter_t **async,
    aeron_t *client,
    int32_t type_id,
    const uint8_t *key_buffer,
    size_t key_buffer_length,
    const char *label_buffer,
    size_t label_buffer_length);
int aeron_async_add_static_counter(
    aeron_async_add_counter_t **async,
    aeron_t *client,
    int32_t type_id,
    const uint8_t *key_buffer,
    size_t key_buffer_length,
    const char *label_buffer,
    size_t label_buffer_length,
    int64_t registration_id);
int aeron_async_add_counter_poll(aeron_counter_t **counter, aeron_async_add_counter_t *async);
int aeron_async_add_counter_cancel(aeron_t *client, aeron_async_add_counter_t *async);

typedef struct aeron_publication_constants_stct
{
    const char *channel;
    int64_t original_registration_id;
    int64_t registration_id;
    int64_t max_possible_position;
    size_t position_bits_to_shift;
    size_t term_buffer_length;
    size_t max_message_length;
    size_t max_payload_length;
    int32_t stream_id;
    int32_t session_id;
    int32_t initial_term_id;
    int32_t publication_limit_counter_id;
    int32_t channel_status_indicator_id;
}
aeron_publication_constants_t;

int64_t aeron_publication_channel_status(aeron_publication_t *publication);
bool aeron_publication_is_closed(aeron_publication_t *publication);
bool aeron_publication_is_connected(aeron_publication_t *publication);
int aeron_publication_constants(aeron_publication_t *publication, aeron_publication_constants_t *constants);
int64_t aeron_publication_position(aeron_publication_t *publication);
int64_t aeron_publication_position_limit(aeron_publication_t *publication);
int aeron_publication_async_add_destination(
    aeron_async_destination_t **async, aeron_t *client, aeron_publication_t *publication, const char *uri);
int aeron_publication_async_remove_destination(
    aeron_async_destination_t **async, aeron_t *client, aeron_publication_t *publication, const char *uri);
int aeron_publication_async_destination_poll(aeron_async_destination_t *async);
int aeron_publication_close(
    aeron_publication_t *publication, aeron_notification_t on_close_complete, void *on_close_complete_clientd);

int64_t aeron_exclusive_publication_channel_status(aeron_exclusive_publication_t *publication);
bool aeron_exclusive_publication_is_closed(aeron_exclusive_publication_t *publication);
bool aeron_exclusive_publication_is_connected(aeron_exclusive_publication_t *publication);
int aeron_exclusive_publication_constants(
    aeron_exclusive_publication_t *publication, aeron_publication_constants_t *constants);
int64_t aeron_exclusive_publication_position(aeron_exclusive_publication_t *publication);
int64_t aeron_exclusive_publication_position_limit(aeron_exclusive_publication_t *publication);
int aeron_exclusive_publication_async_add_destination(
    aeron_async_destination_t **async, aeron_t *client, aeron_exclusive_publication_t *publication, const char *uri);
int aeron_exclusive_publication_async_remove_destination(
    aeron_async_destination_t **async, aeron_t *client, aeron_exclusive_publication_t *publication, const char *uri);
int aeron_exclusive_publication_async_destination_poll(aeron_async_destination_t *async);
int aeron_exclusive_publication_close(
    aeron_exclusive_publication_t *publication, aeron_notification_t on_close_complete, void *on_close_complete_clientd);
int aeron_exclusive_publication_revoke(
    aeron_exclusive_publication_t *publication, aeron_notification_t on_close_complete, void *on_close_complete_clientd);

bool aeron_subscription_is_connected(aeron_subscription_t *subscription);
typedef struct aeron_subscription_constants_stct
{
    int64_t registration_id;
    ...;
}
aeron_subscription_constants_t;

int aeron_subscription_constants(aeron_subscription_t *subscription, aeron_subscription_constants_t *constants);
bool aeron_subscription_is_closed(aeron_subscription_t *subscription);
int64_t aeron_subscription_channel_status(aeron_subscription_t *subscription);
int aeron_subscription_image_count(aeron_subscription_t *subscription);
aeron_image_t *aeron_subscription_image_by_session_id(aeron_subscription_t *subscription, int32_t session_id);
aeron_image_t *aeron_subscription_image_at_index(aeron_subscription_t *subscription, size_t index);
int aeron_subscription_async_add_destination(
    aeron_async_destination_t **async, aeron_t *client, aeron_subscription_t *subscription, const char *uri);
int aeron_subscription_async_remove_destination(
    aeron_async_destination_t **async, aeron_t *client, aeron_subscription_t *subscription, const char *uri);
int aeron_subscription_async_destination_poll(aeron_async_destination_t *async);
int aeron_subscription_try_resolve_channel_endpoint_port(aeron_subscription_t *subscription, char *uri, size_t uri_len);

typedef struct aeron_image_constants_stct
{
    aeron_subscription_t *subscription;
    const char *source_identity;
    int64_t correlation_id;
    int64_t join_position;
    size_t position_bits_to_shift;
    size_t term_buffer_length;
    size_t mtu_length;
    int32_t session_id;
    int32_t initial_term_id;
    int32_t subscriber_position_id;
}
aeron_image_constants_t;

int aeron_image_constants(aeron_image_t *image, aeron_image_constants_t *constants);
int64_t aeron_image_position(aeron_image_t *image);
bool aeron_image_is_closed(aeron_image_t *image);
bool aeron_image_is_end_of_stream(aeron_image_t *image);
int64_t aeron_image_end_of_stream_position(aeron_image_t *image);
int aeron_image_active_transport_count(aeron_image_t *image);
bool aeron_image_is_publication_revoked(aeron_image_t *image);
int aeron_image_reject(aeron_image_t *image, const char *reason);
int aeron_image_release(aeron_image_t *image);

typedef struct aeron_counter_constants_stct
{
    int64_t correlation_id;
    int64_t registration_id;
    int32_t counter_id;
}
aeron_counter_constants_t;

int64_t *aeron_counter_addr(aeron_counter_t *counter);
int aeron_counter_constants(aeron_counter_t *counter, aeron_counter_constants_t *constants);
bool aeron_counter_is_closed(aeron_counter_t *counter);
int aeron_counter_close(
    aeron_counter_t *counter, aeron_notification_t on_close_complete, void *on_close_complete_clientd);

aeron_counters_reader_t *aeron_counters_reader(aeron_t *client);
int64_t *aeron_counters_reader_addr(aeron_counters_reader_t *reader, int32_t counter_id);

typedef struct aeron_cnc_constants_stct
{
    int32_t cnc_version;
    int32_t to_driver_buffer_length;
    int32_t to_clients_buffer_length;
    int32_t counter_metadata_buffer_length;
    int32_t counter_values_buffer_length;
    int32_t error_log_buffer_length;
    int64_t client_liveness_timeout;
    int64_t start_timestamp;
    int64_t pid;
    int32_t file_page_size;
    ...;
}
aeron_cnc_constants_t;

int aeron_cnc_init(aeron_cnc_t **aeron_cnc, const char *base_path, int64_t timeout_ms);
int aeron_cnc_constants(aeron_cnc_t *aeron_cnc, aeron_cnc_constants_t *constants);
int64_t aeron_cnc_to_driver_heartbeat(aeron_cnc_t *aeron_cnc);
aeron_counters_reader_t *aeron_cnc_counters_reader(aeron_cnc_t *aeron_cnc);
void aeron_cnc_close(aeron_cnc_t *aeron_cnc);
