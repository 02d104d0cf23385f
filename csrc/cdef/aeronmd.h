/* What Python calls of Aeron's media driver, as aeronmd.h declares it: every setting of a plain type. */

typedef struct aeron_driver_context_stct aeron_driver_context_t;
typedef struct aeron_driver_stct aeron_driver_t;

typedef enum aeron_threading_mode_enum
{
    AERON_THREADING_MODE_DEDICATED,
    AERON_THREADING_MODE_SHARED_NETWORK,
    AERON_THREADING_MODE_SHARED,
    AERON_THREADING_MODE_INVOKER
}
aeron_threading_mode_t;

typedef enum aeron_inferable_boolean_enum
{
    AERON_FORCE_FALSE,
    AERON_FORCE_TRUE,
    AERON_INFER
}
aeron_inferable_boolean_t;

int aeron_driver_context_init(aeron_driver_context_t **context);
int aeron_driver_context_close(aeron_driver_context_t *context);
int aeron_driver_init(aeron_driver_t **driver, aeron_driver_context_t *context);
int aeron_driver_start(aeron_driver_t *driver, bool manual_main_loop);
int aeron_driver_close(aeron_driver_t *driver);

int aeron_driver_context_set_dir(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_dir_warn_if_exists(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_threading_mode(aeron_driver_context_t *context, aeron_threading_mode_t mode);
int aeron_driver_context_set_dir_delete_on_start(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_dir_delete_on_shutdown(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_to_conductor_buffer_length(aeron_driver_context_t *context, size_t length);
int aeron_driver_context_set_to_clients_buffer_length(aeron_driver_context_t *context, size_t length);
int aeron_driver_context_set_counters_buffer_length(aeron_driver_context_t *context, size_t length);
int aeron_driver_context_set_error_buffer_length(aeron_driver_context_t *context, size_t length);
int aeron_driver_context_set_client_liveness_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_term_buffer_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_ipc_term_buffer_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_term_buffer_sparse_file(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_perform_storage_checks(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_low_file_store_warning_threshold(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_spies_simulate_connection(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_file_page_size(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_mtu_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_ipc_mtu_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_ipc_publication_term_window_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_publication_term_window_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_publication_linger_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_socket_so_rcvbuf(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_socket_so_sndbuf(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_socket_multicast_ttl(aeron_driver_context_t *context, uint8_t value);
int aeron_driver_context_set_send_to_status_poll_ratio(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_rcv_status_message_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_image_liveness_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_rcv_initial_window_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_loss_report_buffer_length(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_publication_unblock_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_publication_connection_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_timer_interval_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_sender_idle_strategy(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_conductor_idle_strategy(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_receiver_idle_strategy(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_sharednetwork_idle_strategy(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_shared_idle_strategy(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_sender_idle_strategy_init_args(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_conductor_idle_strategy_init_args(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_receiver_idle_strategy_init_args(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_sharednetwork_idle_strategy_init_args(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_shared_idle_strategy_init_args(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_native_resource_agent_idle_strategy(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_native_resource_agent_idle_strategy_init_args(
    aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_counters_free_to_reuse_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_flow_control_receiver_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_flow_control_group_tag(aeron_driver_context_t *context, int64_t value);
int aeron_driver_context_set_flow_control_group_min_size(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_receiver_group_tag(aeron_driver_context_t *context, bool is_present, int64_t value);
int aeron_driver_context_set_print_configuration(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_reliable_stream(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_tether_subscriptions(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_untethered_window_limit_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_untethered_linger_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_untethered_resting_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_driver_timeout_ms(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_nak_multicast_group_size(aeron_driver_context_t *context, size_t value);
int aeron_driver_context_set_nak_multicast_max_backoff_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_nak_unicast_delay_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_nak_unicast_retry_delay_ratio(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_max_resend(aeron_driver_context_t *context, uint32_t value);
int aeron_driver_context_set_retransmit_unicast_delay_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_retransmit_unicast_linger_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_receiver_group_consideration(
    aeron_driver_context_t *context, aeron_inferable_boolean_t value);
int aeron_driver_context_set_rejoin_stream(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_connect_enabled(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_publication_reserved_session_id_low(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_publication_reserved_session_id_high(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_resolver_name(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_resolver_interface(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_resolver_bootstrap_neighbor(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_name_resolver_init_args(aeron_driver_context_t *context, const char *value);
int aeron_driver_context_set_resolver_neighbor_timeout_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_self_resolution_interval_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_resolver_neighbor_resolution_interval_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_resolver_bootstrap_neighbor_resolution_interval_ns(
    aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_re_resolution_check_interval_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_sender_wildcard_port_range(
    aeron_driver_context_t *context, uint16_t low_port, uint16_t high_port);
int aeron_driver_context_set_receiver_wildcard_port_range(
    aeron_driver_context_t *context, uint16_t low_port, uint16_t high_port);
int64_t aeron_driver_context_set_conductor_cycle_threshold_ns(aeron_driver_context_t *context, uint64_t value);
int64_t aeron_driver_context_set_sender_cycle_threshold_ns(aeron_driver_context_t *context, uint64_t value);
int64_t aeron_driver_context_set_receiver_cycle_threshold_ns(aeron_driver_context_t *context, uint64_t value);
int64_t aeron_driver_context_set_name_resolver_threshold_ns(aeron_driver_context_t *context, uint64_t value);
int aeron_driver_context_set_receiver_io_vector_capacity(aeron_driver_context_t *context, uint32_t value);
int aeron_driver_context_set_sender_io_vector_capacity(aeron_driver_context_t *context, uint32_t value);
int aeron_driver_context_set_network_publication_max_messages_per_send(aeron_driver_context_t *context, uint32_t value);
int aeron_driver_context_set_resource_free_limit(aeron_driver_context_t *context, uint32_t value);
int aeron_driver_context_set_conductor_cpu_affinity(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_receiver_cpu_affinity(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_sender_cpu_affinity(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_native_resource_agent_cpu_affinity(aeron_driver_context_t *context, int32_t value);
int aeron_driver_context_set_cpuset_affinity(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_cpuset_warnings_as_errors(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_enable_experimental_features(aeron_driver_context_t *context, bool value);
int aeron_driver_context_set_stream_session_limit(aeron_driver_context_t *context, int32_t value);
