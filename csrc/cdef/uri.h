/* What Aeron's own parser makes of a channel: for tests of ours. Each returns 0 or more, or -1 when C refuses it. */

/* Take the channel apart, put it together again: the length of the text. */
int shim_uri_format(const char *uri, char *text, size_t capacity);

/* Whether the channel has a parameter of that key: 1 and its text, or 0. */
int shim_uri_parameter(const char *uri, const char *key, char *text, size_t capacity);

/* What a length, and what a duration, means to the driver: bytes, nanoseconds. */
int shim_uri_size(const char *text, uint64_t *bytes);
int shim_uri_duration(const char *text, uint64_t *nanoseconds);
