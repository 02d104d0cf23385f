#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "thread.h"
#include "util/aeron_error.h"

#define FRAGMENT_LIMIT 64
#define SHORTEST_WAIT_NS 50000
#define LONGEST_WAIT_NS 20000000
/* How much of the time that an answer takes may be lost by not looking when it comes: one part in so many. */
#define EAGERNESS 32

static void push_failure(shim_control_t *control, int32_t code, const char *message)
{
    const shim_event_t event = {
        .type = SHIM_EVENT_ARCHIVE_FAILED,
        .code = code,
        .id = control->archive_id,
        .relevant_id = atomic_load(&control->stage),
        .data = (const uint8_t *)message,
        .length = strlen(message) };

    atomic_store(&control->stage, SHIM_CONTROL_FAILED);
    shim_events_push(control->events, &event);
}

static void push_last_error(shim_control_t *control)
{
    push_failure(control, aeron_errcode(), aeron_errmsg());
}

/* An answer comes within a millisecond, or later: the longer it is awaited, the less it is looked for. A session of which
 * nobody asks anything costs next to nothing. */
static void idle(shim_control_t *control, int64_t asked_ns)
{
    const int64_t now = monotonic_ns();
    int64_t wait = (now - asked_ns) / EAGERNESS;
    wait = wait < SHORTEST_WAIT_NS ? SHORTEST_WAIT_NS : wait > LONGEST_WAIT_NS ? LONGEST_WAIT_NS : wait;
    const struct timespec until = clock_time(now + wait);

    pthread_mutex_lock(&control->lock);
    if (0 == atomic_load(&control->requests) && 0 == atomic_load(&control->stop))
    {
        pthread_cond_timedwait(&control->wake, &control->lock, &until);
    }
    pthread_mutex_unlock(&control->lock);
}

/* Whether the session can still work. The archive ends one by letting its response publication go. */
static int is_alive(shim_control_t *control)
{
    const int32_t stage = atomic_load(&control->stage);

    if (aeron_is_closed(control->aeron))
    {
        push_failure(control, 0, "the Aeron client was closed: the media driver is gone, or gave this client up");
        return 0;
    }

    if (SHIM_CONTROL_IDENTIFYING <= stage &&
        (aeron_exclusive_publication_is_closed(control->publication) ||
            !aeron_subscription_is_connected(control->subscription)))
    {
        push_failure(control, 0, "the archive ended the session, or is gone");
        return 0;
    }

    return SHIM_CONTROL_FAILED != stage;
}

static void *run(void *clientd)
{
    shim_control_t *control = clientd;
    int64_t asked_ns = monotonic_ns();

    while (0 == atomic_load(&control->stop) && SHIM_CONTROL_FAILED != atomic_load(&control->stage))
    {
        int work = 0;

        if (control_step(control) < 0)
        {
            push_last_error(control);
            break;
        }

        if (NULL != control->subscription)
        {
            work = aeron_subscription_poll(
                control->subscription, aeron_fragment_assembler_handler, control->assembler, FRAGMENT_LIMIT);
            if (work < 0)
            {
                push_last_error(control);
                break;
            }
        }

        if (0 == work && !is_alive(control))
        {
            break;
        }

        /* More of an answer comes soon after its begin. */
        if (atomic_exchange(&control->requests, 0) > 0 || control->heard)
        {
            control->heard = false;
            asked_ns = monotonic_ns();
        }
        if (0 == work)
        {
            idle(control, asked_ns);
        }
    }

    return NULL;
}

static void release(shim_control_t *control)
{
    /* A pending add that isn't cancelled stays with the client, which frees it. */
    const bool can_cancel = !aeron_is_closed(control->aeron);
    if (can_cancel && NULL != control->adding_subscription)
    {
        aeron_async_add_subscription_cancel(control->aeron, control->adding_subscription);
    }
    if (can_cancel && NULL != control->adding_publication)
    {
        aeron_async_add_exclusive_publication_cancel(control->aeron, control->adding_publication);
    }

    aeron_exclusive_publication_close(control->publication, NULL, NULL);
    aeron_subscription_close(control->subscription, NULL, NULL);

    if (NULL != control->assembler)
    {
        aeron_fragment_assembler_delete(control->assembler);
    }
    aeron_archive_context_close(control->context);
    free(control->request_channel);
    free(control->response_channel);
    free(control->credentials);
    free(control->answer);
    pthread_cond_destroy(&control->wake);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

static int prepare(shim_control_t *control, const shim_control_settings_t *settings)
{
    if (settings->credentials_length > 0)
    {
        control->credentials = malloc(settings->credentials_length);
        if (NULL == control->credentials)
        {
            AERON_SET_ERR(ENOMEM, "%s", "no memory for an archive session");
            return -1;
        }
        memcpy(control->credentials, settings->credentials, settings->credentials_length);
        control->credentials_length = settings->credentials_length;
    }

    /* One attempt: who sends waits by himself, where he can be interrupted. */
    if (aeron_archive_context_init(&control->context) < 0 ||
        aeron_archive_context_set_client_name(control->context, settings->client_name) < 0 ||
        aeron_archive_proxy_init(&control->proxy, control->context, NULL, 1) < 0 ||
        aeron_fragment_assembler_create(&control->assembler, control_on_message, control) < 0)
    {
        AERON_APPEND_ERR("%s", "archive session");
        return -1;
    }

    return control_add(control, settings);
}

int shim_control_start(
    shim_control_t **control, aeron_t *aeron, const shim_control_settings_t *settings, shim_events_t *events)
{
    shim_control_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for an archive session");
        return -1;
    }

    created->aeron = aeron;
    created->events = events;
    created->request_stream_id = settings->request_stream_id;
    created->response_stream_id = settings->response_stream_id;
    created->correlation_id = AERON_NULL_VALUE;
    created->archive_id = AERON_NULL_VALUE;

    shim_thread_condition(&created->wake);
    pthread_mutex_init(&created->lock, NULL);

    if (prepare(created, settings) < 0)
    {
        release(created);
        return -1;
    }

    if (shim_thread_start(&created->thread, run, created, "an archive session") < 0)
    {
        release(created);
        return -1;
    }

    *control = created;
    return 0;
}

void shim_control_stop(shim_control_t *control)
{
    if (NULL == control)
    {
        return;
    }

    pthread_mutex_lock(&control->lock);
    atomic_store(&control->stop, 1);
    pthread_cond_signal(&control->wake);
    pthread_mutex_unlock(&control->lock);
    pthread_join(control->thread, NULL);

    if (AERON_NULL_VALUE != control->archive_id && NULL != control->publication &&
        aeron_exclusive_publication_is_connected(control->publication))
    {
        aeron_archive_proxy_close_session(&control->proxy);
    }

    release(control);
}

int32_t shim_control_stage(const shim_control_t *control)
{
    return atomic_load(&control->stage);
}

int64_t shim_control_session_id(const shim_control_t *control)
{
    return atomic_load(&control->session_id);
}

int shim_control_answer_challenge(shim_control_t *control, const uint8_t *data, uint32_t length)
{
    uint8_t *answer = malloc((size_t)length + 1);
    if (NULL == answer)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for the answer to a challenge");
        return -1;
    }
    memcpy(answer, data, length);

    pthread_mutex_lock(&control->lock);
    free(control->answer);
    control->answer = answer;
    control->answer_length = length;
    pthread_cond_signal(&control->wake);
    pthread_mutex_unlock(&control->lock);
    return 0;
}
