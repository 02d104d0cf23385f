#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "concurrent/aeron_counters_manager.h"
#include "util/aeron_error.h"

#include "c/aeron_archive_client/challenge.h"
#include "c/aeron_archive_client/controlResponse.h"
#include "c/aeron_archive_client/messageHeader.h"
#include "c/aeron_archive_client/recordingDescriptor.h"
#include "c/aeron_archive_client/recordingSignalEvent.h"
#include "c/aeron_archive_client/recordingSubscriptionDescriptor.h"

#define REC_POS_TYPE_ID 100

/* Each message begins behind the header, with the lengths and version that its sender had. */
#define WRAP(name, codec) \
    (NULL != aeron_archive_client_##name##_wrap_for_decode( \
                 &(codec), (char *)buffer, aeron_archive_client_messageHeader_encoded_length(), \
                 aeron_archive_client_messageHeader_blockLength(header), \
                 aeron_archive_client_messageHeader_version(header), length))

static void on_response(
    shim_control_t *control, struct aeron_archive_client_messageHeader *header, const uint8_t *buffer, size_t length)
{
    struct aeron_archive_client_controlResponse response;
    if (!WRAP(controlResponse, response))
    {
        return;
    }

    const int64_t session_id = aeron_archive_client_controlResponse_controlSessionId(&response);
    const int64_t correlation_id = aeron_archive_client_controlResponse_correlationId(&response);
    const int64_t relevant_id = aeron_archive_client_controlResponse_relevantId(&response);
    enum aeron_archive_client_controlResponseCode code;
    if (aeron_archive_client_controlResponse_code(&response, &code))
    {
        const struct aeron_archive_client_controlResponse_string_view text =
            aeron_archive_client_controlResponse_get_errorMessage_as_string_view(&response);
        control_on_response(control, correlation_id, relevant_id, (int32_t)code, text.data, text.length, session_id);
    }
}

static void on_challenge(
    shim_control_t *control, struct aeron_archive_client_messageHeader *header, const uint8_t *buffer, size_t length)
{
    struct aeron_archive_client_challenge challenge;
    if (WRAP(challenge, challenge))
    {
        const int64_t session_id = aeron_archive_client_challenge_controlSessionId(&challenge);
        const int64_t correlation_id = aeron_archive_client_challenge_correlationId(&challenge);
        const struct aeron_archive_client_challenge_string_view data =
            aeron_archive_client_challenge_get_encodedChallenge_as_string_view(&challenge);
        control_on_challenge(control, correlation_id, session_id, (const uint8_t *)data.data, data.length);
    }
}

static void on_recording(
    shim_control_t *control, struct aeron_archive_client_messageHeader *header, const uint8_t *buffer, size_t length)
{
    struct aeron_archive_client_recordingDescriptor descriptor;
    if (!WRAP(recordingDescriptor, descriptor) ||
        aeron_archive_client_recordingDescriptor_controlSessionId(&descriptor) != atomic_load(&control->session_id))
    {
        return;
    }

    const int64_t correlation_id = aeron_archive_client_recordingDescriptor_correlationId(&descriptor);
    shim_recording_t recording = {
        .recording_id = aeron_archive_client_recordingDescriptor_recordingId(&descriptor),
        .start_timestamp = aeron_archive_client_recordingDescriptor_startTimestamp(&descriptor),
        .stop_timestamp = aeron_archive_client_recordingDescriptor_stopTimestamp(&descriptor),
        .start_position = aeron_archive_client_recordingDescriptor_startPosition(&descriptor),
        .stop_position = aeron_archive_client_recordingDescriptor_stopPosition(&descriptor),
        .initial_term_id = aeron_archive_client_recordingDescriptor_initialTermId(&descriptor),
        .segment_file_length = aeron_archive_client_recordingDescriptor_segmentFileLength(&descriptor),
        .term_buffer_length = aeron_archive_client_recordingDescriptor_termBufferLength(&descriptor),
        .mtu_length = aeron_archive_client_recordingDescriptor_mtuLength(&descriptor),
        .session_id = aeron_archive_client_recordingDescriptor_sessionId(&descriptor),
        .stream_id = aeron_archive_client_recordingDescriptor_streamId(&descriptor) };

    const struct aeron_archive_client_recordingDescriptor_string_view stripped =
        aeron_archive_client_recordingDescriptor_get_strippedChannel_as_string_view(&descriptor);
    const struct aeron_archive_client_recordingDescriptor_string_view original =
        aeron_archive_client_recordingDescriptor_get_originalChannel_as_string_view(&descriptor);
    const struct aeron_archive_client_recordingDescriptor_string_view source =
        aeron_archive_client_recordingDescriptor_get_sourceIdentity_as_string_view(&descriptor);

    const size_t strings_length = stripped.length + original.length + source.length;
    uint8_t *data = strings_length <= length ? malloc(sizeof(recording) + strings_length) : NULL;
    if (NULL == data)
    {
        return;
    }

    recording.stripped_channel_length = (uint32_t)stripped.length;
    recording.original_channel_length = (uint32_t)original.length;
    recording.source_identity_length = (uint32_t)source.length;

    uint8_t *end = data + sizeof(recording);
    memcpy(data, &recording, sizeof(recording));
    memcpy(end, stripped.data, stripped.length);
    memcpy(end + stripped.length, original.data, original.length);
    memcpy(end + stripped.length + original.length, source.data, source.length);

    const shim_event_t event = {
        .type = SHIM_EVENT_ARCHIVE_RECORDING,
        .id = correlation_id,
        .relevant_id = recording.recording_id,
        .data = data,
        .length = sizeof(recording) + strings_length };
    shim_events_push(control->events, &event);
    free(data);
}

static void on_subscription(
    shim_control_t *control, struct aeron_archive_client_messageHeader *header, const uint8_t *buffer, size_t length)
{
    struct aeron_archive_client_recordingSubscriptionDescriptor descriptor;
    if (!WRAP(recordingSubscriptionDescriptor, descriptor) ||
        aeron_archive_client_recordingSubscriptionDescriptor_controlSessionId(&descriptor) !=
            atomic_load(&control->session_id))
    {
        return;
    }

    shim_event_t event = {
        .type = SHIM_EVENT_ARCHIVE_SUBSCRIPTION,
        .id = aeron_archive_client_recordingSubscriptionDescriptor_correlationId(&descriptor),
        .relevant_id = aeron_archive_client_recordingSubscriptionDescriptor_subscriptionId(&descriptor),
        .stream_id = aeron_archive_client_recordingSubscriptionDescriptor_streamId(&descriptor) };
    const struct aeron_archive_client_recordingSubscriptionDescriptor_string_view channel =
        aeron_archive_client_recordingSubscriptionDescriptor_get_strippedChannel_as_string_view(&descriptor);

    event.data = (const uint8_t *)channel.data;
    event.length = channel.length;
    shim_events_push(control->events, &event);
}

static void on_signal(
    shim_control_t *control, struct aeron_archive_client_messageHeader *header, const uint8_t *buffer, size_t length)
{
    struct aeron_archive_client_recordingSignalEvent signal;
    enum aeron_archive_client_recordingSignal code;
    if (WRAP(recordingSignalEvent, signal) &&
        aeron_archive_client_recordingSignalEvent_controlSessionId(&signal) == atomic_load(&control->session_id) &&
        aeron_archive_client_recordingSignalEvent_signal(&signal, &code))
    {
        const int64_t correlation_id = aeron_archive_client_recordingSignalEvent_correlationId(&signal);
        const shim_event_t event = {
            .type = SHIM_EVENT_ARCHIVE_SIGNAL,
            .code = (int32_t)code,
            .data = (const uint8_t *)&correlation_id,
            .length = sizeof(correlation_id),
            .id = aeron_archive_client_recordingSignalEvent_recordingId(&signal),
            .relevant_id = aeron_archive_client_recordingSignalEvent_subscriptionId(&signal),
            .position = aeron_archive_client_recordingSignalEvent_position(&signal) };
        shim_events_push(control->events, &event);
    }
}

void control_on_message(void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    (void)header;
    struct aeron_archive_client_messageHeader message;
    if (NULL == aeron_archive_client_messageHeader_wrap(
                    &message, (char *)buffer, 0, aeron_archive_client_messageHeader_sbe_schema_version(), length) ||
        aeron_archive_client_messageHeader_schemaId(&message) != aeron_archive_client_messageHeader_sbe_schema_id())
    {
        return;
    }

    switch (aeron_archive_client_messageHeader_templateId(&message))
    {
        case AERON_ARCHIVE_CLIENT_CONTROL_RESPONSE_SBE_TEMPLATE_ID:
            on_response(clientd, &message, buffer, length);
            break;

        case AERON_ARCHIVE_CLIENT_CHALLENGE_SBE_TEMPLATE_ID:
            on_challenge(clientd, &message, buffer, length);
            break;

        case AERON_ARCHIVE_CLIENT_RECORDING_DESCRIPTOR_SBE_TEMPLATE_ID:
            on_recording(clientd, &message, buffer, length);
            break;

        case AERON_ARCHIVE_CLIENT_RECORDING_SUBSCRIPTION_DESCRIPTOR_SBE_TEMPLATE_ID:
            on_subscription(clientd, &message, buffer, length);
            break;

        case AERON_ARCHIVE_CLIENT_RECORDING_SIGNAL_EVENT_SBE_TEMPLATE_ID:
            on_signal(clientd, &message, buffer, length);
            break;

        default: /* pings, which only see whether this client still reads */
            return;
    }
    ((shim_control_t *)clientd)->heard = true;
}

typedef struct rec_pos_stct
{
    aeron_counters_reader_t *reader;
    int64_t archive_id;
    int64_t recording_id;
    int64_t found_recording_id;
    int64_t position;
    int32_t session_id;
    int32_t stream_id;
    int found;
}
rec_pos_t;

/* Key: recording id, session id, length of the source identity, source identity, archive id. The stream id is in the
 * label alone: "rec-pos: <recording> <session> <stream> <channel>". */
static void on_counter(
    int64_t value, int32_t id, int32_t type_id, const uint8_t *key, size_t key_length, const char *label,
    size_t label_length, void *clientd)
{
    rec_pos_t *wanted = clientd;
    int64_t recording_id;
    int64_t archive_id;
    int32_t session_id;
    int32_t identity_length;

    if (REC_POS_TYPE_ID != type_id || key_length < 16)
    {
        return;
    }

    memcpy(&recording_id, key, sizeof(recording_id));
    memcpy(&session_id, key + 8, sizeof(session_id));
    memcpy(&identity_length, key + 12, sizeof(identity_length));
    if (identity_length < 0 || (size_t)identity_length + 24 > key_length)
    {
        return;
    }
    memcpy(&archive_id, key + 16 + identity_length, sizeof(archive_id));

    if (archive_id != wanted->archive_id)
    {
        return;
    }

    if (AERON_NULL_VALUE != wanted->recording_id)
    {
        if (recording_id != wanted->recording_id)
        {
            return;
        }
    }
    else
    {
        char text[AERON_COUNTERS_MANAGER_METADATA_LENGTH];
        const size_t length = label_length < sizeof(text) - 1 ? label_length : sizeof(text) - 1;
        long long label_recording = 0;
        int label_session = 0;
        int stream_id = 0;

        memcpy(text, label, length);
        text[length] = '\0';
        if (session_id != wanted->session_id ||
            3 != sscanf(text, "rec-pos: %lld %d %d", &label_recording, &label_session, &stream_id) ||
            stream_id != wanted->stream_id)
        {
            return;
        }
    }

    /* Slots are used again: the lower of a value read before the key and one read after it is of this key's counter. */
    const int64_t value_now = *aeron_counters_reader_addr(wanted->reader, id);
    const int64_t position = value_now < value ? value_now : value;
    if (0 == wanted->found || position > wanted->position)
    {
        wanted->found = 1;
        wanted->position = position;
        wanted->found_recording_id = recording_id;
    }
}

int shim_recorded_position(
    aeron_t *aeron, int64_t archive_id, int32_t session_id, int32_t stream_id, int64_t *recording_id, int64_t *position)
{
    rec_pos_t wanted = {
        .reader = aeron_counters_reader(aeron),
        .archive_id = archive_id,
        .recording_id = *recording_id,
        .session_id = session_id,
        .stream_id = stream_id };

    aeron_counters_reader_foreach_counter(wanted.reader, on_counter, &wanted);
    if (wanted.found)
    {
        *recording_id = wanted.found_recording_id;
        *position = wanted.position;
    }
    return wanted.found;
}
