/* Events: what happens on Aeron's conductor thread and on the archive session's thread, queued for one reader.
 * No C thread ever enters the reader's language: it takes the events when it likes, or waits on the descriptor. */

typedef enum shim_event_type_en
{
    SHIM_EVENT_CLIENT_ERROR = 1,          /* code, data: message. The error handler of the Aeron client */
    SHIM_EVENT_CLIENT_CLOSED = 2,         /* the conductor closed the client: driver timeout, service timeout, close */
    SHIM_EVENT_AVAILABLE_IMAGE = 3,       /* id: subscription, relevant_id: image correlation id, session_id, position: join */
    SHIM_EVENT_UNAVAILABLE_IMAGE = 4,     /* the same, position: where the image ended */
    SHIM_EVENT_AVAILABLE_COUNTER = 5,     /* id: registration id, code: counter id */
    SHIM_EVENT_UNAVAILABLE_COUNTER = 6,
    SHIM_EVENT_NEW_PUBLICATION = 7,       /* id: correlation id, session_id, stream_id, data: channel; code 1 = exclusive */
    SHIM_EVENT_NEW_SUBSCRIPTION = 8,      /* id: correlation id, stream_id, data: channel */
    SHIM_EVENT_PUBLICATION_ERROR = 9,     /* id: registration id, session_id, stream_id, code, data: message: image rejected */
    SHIM_EVENT_ARCHIVE_CONNECTED = 20,    /* id: archive id, relevant_id: control session id */
    SHIM_EVENT_ARCHIVE_FAILED = 21,       /* code, data: message. The session could not be had, or is lost; relevant_id:
                                             the stage, position 1: the archive refused and the code is its own */
    SHIM_EVENT_ARCHIVE_RESPONSE = 22,     /* id: correlation id, relevant_id, code: ControlResponseCode, data: message */
    SHIM_EVENT_ARCHIVE_RECORDING = 23,    /* id: correlation id, relevant_id: recording id, data: shim_recording_t */
    SHIM_EVENT_ARCHIVE_SUBSCRIPTION = 24, /* id: correlation id, relevant_id: subscription id, stream_id, data: channel */
    SHIM_EVENT_ARCHIVE_SIGNAL = 25,       /* id: recording id, relevant_id: subscription id, position, code: signal */
    SHIM_EVENT_ARCHIVE_CHALLENGE = 26     /* data: the challenge to answer */
}
shim_event_type_t;

typedef struct shim_event_stct
{
    int32_t type;
    int32_t code;
    int64_t id;
    int64_t relevant_id;
    int64_t position;
    int32_t session_id;
    int32_t stream_id;
    size_t length;        /* bytes at data */
    const uint8_t *data;  /* taken events: valid until the next take */
}
shim_event_t;

typedef struct shim_events_stct shim_events_t;

int shim_events_create(shim_events_t **events);
void shim_events_delete(shim_events_t *events);

/* Queue a copy of the event and its data. Any thread. */
int shim_events_push(shim_events_t *events, const shim_event_t *event);

/* Take the oldest event: 1, or 0 when there is none. One reader at a time. */
int shim_events_take(shim_events_t *events, shim_event_t *event);

/* Wait until an event is there: 1, or 0 when the time is over. */
int shim_events_wait(shim_events_t *events, int64_t timeout_ns);

/* Readable as long as an event is there. */
int shim_events_fd(const shim_events_t *events);

/* Nonzero while an event is there: an address to look at without a call. */
const int32_t *shim_events_pending(const shim_events_t *events);

/* How many events were let go because the queue was full, since the last call. */
int64_t shim_events_dropped(shim_events_t *events);
