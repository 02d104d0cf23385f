#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/aeron_error.h"

struct shim_source_stct
{
    shim_conductor_t *conductor;
    shim_events_t *events;
    shim_source_t *previous;
    shim_source_t *next;
};

struct shim_conductor_stct
{
    pthread_mutex_t lock;
    shim_events_t *events;
    shim_source_t *first;
};

int shim_conductor_create(shim_conductor_t **conductor)
{
    shim_conductor_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a client's events");
        return -1;
    }

    if (shim_events_create(&created->events) < 0)
    {
        free(created);
        return -1;
    }

    pthread_mutex_init(&created->lock, NULL);
    *conductor = created;
    return 0;
}

void shim_conductor_delete(shim_conductor_t *conductor)
{
    if (NULL == conductor)
    {
        return;
    }

    while (NULL != conductor->first)
    {
        shim_conductor_discard(conductor->first);
    }

    shim_events_delete(conductor->events);
    pthread_mutex_destroy(&conductor->lock);
    free(conductor);
}

shim_events_t *shim_conductor_events(const shim_conductor_t *conductor)
{
    return conductor->events;
}

shim_events_t *shim_source_events(const shim_source_t *source)
{
    return source->events;
}

static void on_error(void *clientd, int code, const char *message)
{
    shim_conductor_t *conductor = clientd;
    shim_event_t event = { .type = SHIM_EVENT_CLIENT_ERROR, .code = code };
    const shim_event_t nudge = { .type = SHIM_EVENT_CLIENT_ERROR, .code = code };

    event.data = (const uint8_t *)message;
    event.length = NULL == message ? 0 : strlen(message);
    shim_events_push(conductor->events, &event);

    if (AERON_CLIENT_ERROR_DRIVER_TIMEOUT == code || AERON_CLIENT_ERROR_CLIENT_TIMEOUT == code ||
        AERON_CLIENT_ERROR_CONDUCTOR_SERVICE_TIMEOUT == code)
    {
        event.type = SHIM_EVENT_CLIENT_CLOSED;
        shim_events_push(conductor->events, &event);
    }

    /* Whoever polls looks at its own source alone: let it know that the client has something to say. */
    pthread_mutex_lock(&conductor->lock);
    for (shim_source_t *source = conductor->first; NULL != source; source = source->next)
    {
        shim_events_push(source->events, &nudge);
    }
    pthread_mutex_unlock(&conductor->lock);
}

static void on_publication_error(void *clientd, aeron_publication_error_values_t *values)
{
    shim_conductor_t *conductor = clientd;
    const shim_event_t event = {
        .type = SHIM_EVENT_PUBLICATION_ERROR,
        .code = values->error_code,
        .id = values->registration_id,
        .session_id = values->session_id,
        .stream_id = values->stream_id,
        .length = values->error_message_length < 0 ? 0 : (size_t)values->error_message_length,
        .data = values->error_message,
    };

    shim_events_push(conductor->events, &event);
}

static void on_counter(shim_conductor_t *conductor, int32_t type, int64_t registration_id, int32_t counter_id)
{
    const shim_event_t event = { .type = type, .code = counter_id, .id = registration_id };

    shim_events_push(conductor->events, &event);
}

static void on_available_counter(
    void *clientd, aeron_counters_reader_t *reader, int64_t registration_id, int32_t counter_id)
{
    (void)reader;
    on_counter(clientd, SHIM_EVENT_AVAILABLE_COUNTER, registration_id, counter_id);
}

static void on_unavailable_counter(
    void *clientd, aeron_counters_reader_t *reader, int64_t registration_id, int32_t counter_id)
{
    (void)reader;
    on_counter(clientd, SHIM_EVENT_UNAVAILABLE_COUNTER, registration_id, counter_id);
}

static void on_registration(shim_conductor_t *conductor, const shim_event_t *event, const char *channel)
{
    shim_event_t with_channel = *event;

    with_channel.data = (const uint8_t *)channel;
    with_channel.length = strlen(channel);
    shim_events_push(conductor->events, &with_channel);
}

static void on_new_publication(
    void *clientd, const char *channel, int32_t stream_id, int32_t session_id, int64_t correlation_id)
{
    const shim_event_t event = {
        .type = SHIM_EVENT_NEW_PUBLICATION, .id = correlation_id, .session_id = session_id, .stream_id = stream_id };

    on_registration(clientd, &event, channel);
}

static void on_new_exclusive_publication(
    void *clientd, const char *channel, int32_t stream_id, int32_t session_id, int64_t correlation_id)
{
    const shim_event_t event = {
        .type = SHIM_EVENT_NEW_PUBLICATION,
        .code = 1,
        .id = correlation_id,
        .session_id = session_id,
        .stream_id = stream_id,
    };

    on_registration(clientd, &event, channel);
}

static void on_new_subscription(void *clientd, const char *channel, int32_t stream_id, int64_t correlation_id)
{
    const shim_event_t event = {
        .type = SHIM_EVENT_NEW_SUBSCRIPTION, .id = correlation_id, .stream_id = stream_id };

    on_registration(clientd, &event, channel);
}

int shim_conductor_attach(shim_conductor_t *conductor, aeron_context_t *context, int32_t interest)
{
    int result = aeron_context_set_error_handler(context, on_error, conductor);

    result |= aeron_context_set_publication_error_frame_handler(context, on_publication_error, conductor);

    if (interest & SHIM_CONDUCTOR_COUNTERS)
    {
        result |= aeron_context_set_on_available_counter(context, on_available_counter, conductor);
        result |= aeron_context_set_on_unavailable_counter(context, on_unavailable_counter, conductor);
    }

    if (interest & SHIM_CONDUCTOR_REGISTRATIONS)
    {
        result |= aeron_context_set_on_new_publication(context, on_new_publication, conductor);
        result |= aeron_context_set_on_new_exclusive_publication(context, on_new_exclusive_publication, conductor);
        result |= aeron_context_set_on_new_subscription(context, on_new_subscription, conductor);
    }

    return result;
}

static void on_image(shim_source_t *source, int32_t type, aeron_subscription_t *subscription, aeron_image_t *image)
{
    aeron_subscription_constants_t of_subscription;
    aeron_image_constants_t constants;

    if (aeron_subscription_constants(subscription, &of_subscription) < 0 ||
        aeron_image_constants(image, &constants) < 0)
    {
        return;
    }

    const shim_event_t event = {
        .type = type,
        .id = of_subscription.registration_id,
        .relevant_id = constants.correlation_id,
        .position = SHIM_EVENT_AVAILABLE_IMAGE == type ? constants.join_position : aeron_image_position(image),
        .session_id = constants.session_id,
        .stream_id = of_subscription.stream_id,
        .length = strlen(constants.source_identity),
        .data = (const uint8_t *)constants.source_identity,
    };

    shim_events_push(source->events, &event);
}

static void on_available_image(void *clientd, aeron_subscription_t *subscription, aeron_image_t *image)
{
    on_image(clientd, SHIM_EVENT_AVAILABLE_IMAGE, subscription, image);
}

static void on_unavailable_image(void *clientd, aeron_subscription_t *subscription, aeron_image_t *image)
{
    on_image(clientd, SHIM_EVENT_UNAVAILABLE_IMAGE, subscription, image);
}

static int source_create(shim_source_t **source, shim_conductor_t *conductor)
{
    shim_source_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a subscription's events");
        return -1;
    }

    if (shim_events_create(&created->events) < 0)
    {
        free(created);
        return -1;
    }

    created->conductor = conductor;
    pthread_mutex_lock(&conductor->lock);
    created->next = conductor->first;
    if (NULL != conductor->first)
    {
        conductor->first->previous = created;
    }
    conductor->first = created;
    pthread_mutex_unlock(&conductor->lock);

    *source = created;
    return 0;
}

void shim_conductor_discard(shim_source_t *source)
{
    if (NULL == source)
    {
        return;
    }

    shim_conductor_t *conductor = source->conductor;

    pthread_mutex_lock(&conductor->lock);
    if (NULL == source->previous)
    {
        conductor->first = source->next;
    }
    else
    {
        source->previous->next = source->next;
    }
    if (NULL != source->next)
    {
        source->next->previous = source->previous;
    }
    pthread_mutex_unlock(&conductor->lock);

    shim_events_delete(source->events);
    free(source);
}

static void on_subscription_gone(void *clientd)
{
    shim_conductor_discard(clientd);
}

int shim_conductor_add_subscription(
    shim_conductor_t *conductor,
    aeron_async_add_subscription_t **async,
    aeron_t *client,
    const char *uri,
    int32_t stream_id,
    bool with_source,
    shim_source_t **source)
{
    *source = NULL;
    if (with_source && source_create(source, conductor) < 0)
    {
        return -1;
    }

    if (aeron_async_add_subscription(
        async,
        client,
        uri,
        stream_id,
        with_source ? on_available_image : NULL,
        *source,
        with_source ? on_unavailable_image : NULL,
        *source) < 0)
    {
        shim_conductor_discard(*source);
        *source = NULL;
        return -1;
    }

    return 0;
}

int shim_conductor_cancel_subscription(
    aeron_t *client, aeron_async_add_subscription_t *async, shim_source_t *source)
{
    return aeron_async_remove_subscription(
        aeron_async_add_subscription_get_registration_id(async),
        client,
        NULL == source ? NULL : on_subscription_gone,
        source);
}

int shim_conductor_close_subscription(aeron_subscription_t *subscription, shim_source_t *source)
{
    return aeron_subscription_close(subscription, NULL == source ? NULL : on_subscription_gone, source);
}
