#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uri/aeron_uri.h"
#include "uri/aeron_uri_string_builder.h"
#include "util/aeron_bitutil.h"
#include "util/aeron_error.h"

#define CONTROL_RESPONSE_OK 0

/* By which recorders know requests to whatever archive, and leave them out: credentials may be in them. */
#define REQUESTS_ALIAS "aeron-py/requests"

/* The driver keeps these for publications that do not name their session id. */
#define RESERVED_SESSION_ID_LOW (-1)
#define RESERVED_SESSION_ID_HIGH 1000

void control_on_response(
    shim_control_t *control, int64_t correlation_id, int64_t relevant_id, int32_t code, const char *text, size_t length,
    int64_t session_id)
{
    const int32_t stage = atomic_load(&control->stage);

    if (SHIM_CONTROL_CONNECTED == stage || correlation_id != control->correlation_id)
    {
        const shim_event_t event = {
            .type = SHIM_EVENT_ARCHIVE_RESPONSE,
            .code = code,
            .id = correlation_id,
            .relevant_id = relevant_id,
            .data = (const uint8_t *)text,
            .length = length };

        if (SHIM_CONTROL_CONNECTED == stage && session_id == atomic_load(&control->session_id))
        {
            shim_events_push(control->events, &event);
        }
        return;
    }

    if (CONTROL_RESPONSE_OK != code)
    {
        shim_event_t event = {
            .type = SHIM_EVENT_ARCHIVE_FAILED,
            .code = (int32_t)relevant_id,
            .id = correlation_id, /* nonzero position: the archive's own refusal, the code is an archive's */
            .relevant_id = stage,
            .position = 1,
            .data = (const uint8_t *)text,
            .length = length };

        atomic_store(&control->stage, SHIM_CONTROL_FAILED);
        shim_events_push(control->events, &event);
        return;
    }

    pthread_mutex_lock(&control->lock);
    atomic_store(&control->session_id, session_id);
    aeron_archive_proxy_set_control_session_id(&control->proxy, session_id);
    pthread_mutex_unlock(&control->lock);

    if (SHIM_CONTROL_IDENTIFYING == stage)
    {
        control->archive_id = relevant_id;
        const shim_event_t event = {
            .type = SHIM_EVENT_ARCHIVE_CONNECTED, .id = relevant_id, .relevant_id = session_id };

        atomic_store(&control->stage, SHIM_CONTROL_CONNECTED);
        shim_events_push(control->events, &event);
    }
    else
    {
        control->correlation_id = AERON_NULL_VALUE;
        atomic_store(&control->stage, SHIM_CONTROL_IDENTIFYING);
    }
}

void control_on_challenge(
    shim_control_t *control, int64_t correlation_id, int64_t session_id, const uint8_t *data, size_t length)
{
    if (SHIM_CONTROL_CONNECTING == atomic_load(&control->stage) && correlation_id == control->correlation_id)
    {
        const shim_event_t event = { .type = SHIM_EVENT_ARCHIVE_CHALLENGE, .data = data, .length = length };

        pthread_mutex_lock(&control->lock);
        atomic_store(&control->session_id, session_id);
        aeron_archive_proxy_set_control_session_id(&control->proxy, session_id);
        pthread_mutex_unlock(&control->lock);

        control->correlation_id = AERON_NULL_VALUE;
        atomic_store(&control->stage, SHIM_CONTROL_CHALLENGED);
        shim_events_push(control->events, &event);
    }
}

static int put_default(aeron_uri_string_builder_t *builder, const char *key, const char *value)
{
    return NULL == aeron_uri_string_builder_get(builder, key) ? aeron_uri_string_builder_put(builder, key, value) : 0;
}

/* The channel with what Aeron's archive client adds to it; a session id for both ways keeps sessions apart. */
static int complete_channel(
    char **channel, const char *uri, const shim_control_settings_t *settings, const char *alias,
    const char *session_id, int64_t response_correlation_id)
{
    char buffer[AERON_URI_MAX_LENGTH];
    char term_length[16];
    char mtu_length[16];
    aeron_uri_string_builder_t builder;

    if (aeron_uri_string_builder_init_on_string(&builder, uri) < 0)
    {
        AERON_APPEND_ERR("%s", "");
        return -1;
    }

    snprintf(term_length, sizeof(term_length), "%d", settings->term_length);
    snprintf(mtu_length, sizeof(mtu_length), "%d", settings->mtu_length);

    int result = -1;
    if (put_default(&builder, AERON_URI_TERM_LENGTH_KEY, term_length) >= 0 &&
        put_default(&builder, AERON_URI_MTU_LENGTH_KEY, mtu_length) >= 0 &&
        put_default(&builder, AERON_URI_SPARSE_TERM_KEY, settings->sparse ? "true" : "false") >= 0 &&
        (NULL == alias || put_default(&builder, AERON_URI_ALIAS_KEY, alias) >= 0) &&
        (NULL == session_id || put_default(&builder, AERON_URI_SESSION_ID_KEY, session_id) >= 0) &&
        (AERON_NULL_VALUE == response_correlation_id ||
         aeron_uri_string_builder_put_int64(&builder, AERON_URI_RESPONSE_CORRELATION_ID_KEY, response_correlation_id) >=
             0) &&
        aeron_uri_string_builder_sprint(&builder, buffer, sizeof(buffer)) >= 0)
    {
        *channel = strdup(buffer);
        result = NULL == *channel ? -1 : 0;
    }

    aeron_uri_string_builder_close(&builder);
    return result;
}

static int is_response_mode(const char *uri)
{
    aeron_uri_string_builder_t builder;
    if (aeron_uri_string_builder_init_on_string(&builder, uri) < 0)
    {
        return -1;
    }

    const char *mode = aeron_uri_string_builder_get(&builder, AERON_UDP_CHANNEL_CONTROL_MODE_KEY);
    const int result = NULL != mode && 0 == strcmp(AERON_UDP_CHANNEL_CONTROL_MODE_RESPONSE_VALUE, mode);

    aeron_uri_string_builder_close(&builder);
    return result;
}

int control_add(shim_control_t *control, const shim_control_settings_t *settings)
{
    char session_id[16];
    int32_t id;

    do
    {
        id = aeron_randomised_int32();
    }
    while (id >= RESERVED_SESSION_ID_LOW && id <= RESERVED_SESSION_ID_HIGH);
    snprintf(session_id, sizeof(session_id), "%d", id);

    const int response_mode = is_response_mode(settings->response_channel);
    if (response_mode < 0 ||
        complete_channel(
            &control->response_channel, settings->response_channel, settings, NULL,
            response_mode ? NULL : session_id, AERON_NULL_VALUE) < 0 ||
        aeron_async_add_subscription(
            &control->adding_subscription, control->aeron, control->response_channel, settings->response_stream_id,
            NULL, NULL, NULL, NULL) < 0)
    {
        AERON_APPEND_ERR("%s", "response channel");
        return -1;
    }

    if (complete_channel(
            &control->request_channel, settings->request_channel, settings, REQUESTS_ALIAS,
            response_mode ? NULL : session_id,
            response_mode ? aeron_async_add_subscription_get_registration_id(control->adding_subscription)
                          : AERON_NULL_VALUE) < 0 ||
        aeron_async_add_exclusive_publication(
            &control->adding_publication, control->aeron, control->request_channel, settings->request_stream_id) < 0)
    {
        AERON_APPEND_ERR("%s", "request channel");
        return -1;
    }

    return 0;
}

static int await_added(shim_control_t *control)
{
    if (NULL == control->subscription)
    {
        const int result = aeron_async_add_subscription_poll(&control->subscription, control->adding_subscription);
        if (0 != result)
        {
            control->adding_subscription = NULL;
        }
        if (result < 0)
        {
            AERON_APPEND_ERR("%s", "response channel");
            return -1;
        }
    }

    if (NULL == control->publication)
    {
        const int result =
            aeron_async_add_exclusive_publication_poll(&control->publication, control->adding_publication);
        if (0 != result)
        {
            control->adding_publication = NULL;
        }
        if (result < 0)
        {
            AERON_APPEND_ERR("%s", "request channel");
            return -1;
        }
    }

    if (NULL != control->subscription && NULL != control->publication)
    {
        control->proxy.exclusive_publication = control->publication;
        atomic_store(&control->stage, SHIM_CONTROL_AWAITING_ARCHIVE);
    }
    return 0;
}

static int send_connect(shim_control_t *control)
{
    if (!aeron_exclusive_publication_is_connected(control->publication))
    {
        return 0;
    }

    /* A wildcard port becomes a real one when the driver has bound it. */
    char channel[AERON_URI_MAX_LENGTH];
    if (aeron_subscription_try_resolve_channel_endpoint_port(control->subscription, channel, sizeof(channel)) < 0)
    {
        AERON_APPEND_ERR("%s", "response channel");
        return -1;
    }

    if ('\0' != channel[0])
    {
        aeron_archive_encoded_credentials_t credentials = {
            .data = (const char *)control->credentials, .length = control->credentials_length };

        control->correlation_id = aeron_next_correlation_id(control->aeron);
        if (aeron_archive_proxy_try_connect(
                &control->proxy, channel, control->response_stream_id, &credentials, control->correlation_id))
        {
            atomic_store(&control->stage, SHIM_CONTROL_CONNECTING);
        }
    }
    return 0;
}

static void send_answer(shim_control_t *control)
{
    pthread_mutex_lock(&control->lock);
    if (NULL != control->answer)
    {
        aeron_archive_encoded_credentials_t answer = {
            .data = (const char *)control->answer, .length = control->answer_length };

        control->correlation_id = aeron_next_correlation_id(control->aeron);
        if (aeron_archive_proxy_challenge_response(&control->proxy, &answer, control->correlation_id))
        {
            free(control->answer);
            control->answer = NULL;
            atomic_store(&control->stage, SHIM_CONTROL_CONNECTING);
        }
    }
    pthread_mutex_unlock(&control->lock);
}

int control_step(shim_control_t *control)
{
    switch (atomic_load(&control->stage))
    {
        case SHIM_CONTROL_ADDING:
            return await_added(control);

        case SHIM_CONTROL_AWAITING_ARCHIVE:
            return send_connect(control);

        case SHIM_CONTROL_CHALLENGED:
            send_answer(control);
            return 0;

        case SHIM_CONTROL_IDENTIFYING:
            if (AERON_NULL_VALUE == control->correlation_id)
            {
                const int64_t correlation_id = aeron_next_correlation_id(control->aeron);
                if (aeron_archive_proxy_archive_id(&control->proxy, correlation_id))
                {
                    control->correlation_id = correlation_id;
                }
            }
            return 0;

        default:
            return 0;
    }
}
