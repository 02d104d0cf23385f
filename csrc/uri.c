#include "shim.h"

#include <string.h>

#include "uri/aeron_uri.h"
#include "uri/aeron_uri_string_builder.h"
#include "util/aeron_parse_util.h"

int shim_uri_format(const char *uri, char *text, size_t capacity)
{
    aeron_uri_t parsed;

    memset(&parsed, 0, sizeof(parsed));
    if (aeron_uri_parse(strlen(uri), uri, &parsed) < 0)
    {
        return -1;
    }
    const int length = aeron_uri_sprint(&parsed, text, capacity);
    aeron_uri_close(&parsed);
    return length;
}

int shim_uri_parameter(const char *uri, const char *key, char *text, size_t capacity)
{
    aeron_uri_string_builder_t builder;

    if (aeron_uri_string_builder_init_on_string(&builder, uri) < 0)
    {
        return -1;
    }

    const char *value = aeron_uri_string_builder_get(&builder, key);
    const int found = NULL != value && strlen(value) < capacity;
    if (found)
    {
        memcpy(text, value, strlen(value) + 1);
    }
    aeron_uri_string_builder_close(&builder);
    return found;
}

int shim_uri_size(const char *text, uint64_t *bytes)
{
    return aeron_parse_size64(text, bytes);
}

int shim_uri_duration(const char *text, uint64_t *nanoseconds)
{
    return aeron_parse_duration_ns(text, nanoseconds);
}
