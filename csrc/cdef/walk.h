/* Walk: the frames of a recording, in memory, checked and listed. The memory is a piece of a segment file, read or mapped.
 * Nothing here waits, allocates or looks beyond `length`. */

typedef enum shim_walk_status_en
{
    SHIM_WALK_MORE = 0,       /* the columns are full, or a run ended: call again */
    SHIM_WALK_END = 1,        /* all is walked; `offset` may be past `length` where padding reaches further */
    SHIM_WALK_INCOMPLETE = 2, /* the frame or message at `offset` goes on after `length` */
    SHIM_WALK_UNWRITTEN = 3,  /* at `offset` there is no frame: its length is zero */
    SHIM_WALK_DAMAGED = 4     /* what is at `offset` can't be a frame of this recording */
}
shim_walk_status_t;

typedef struct shim_walk_stct
{
    uint8_t *data;           /* aligned to 8, begins with a frame */
    int64_t length;          /* bytes at data */
    int64_t offset;          /* where the walk stands */
    int64_t position;        /* stream position of data[0] */
    int32_t term_length;
    int32_t initial_term_id;
    int32_t stream_id;
    int32_t status;          /* shim_walk_status_t, why the last walk ended */
    int64_t frames;          /* data frames walked so far */
    int64_t padding;         /* padding frames walked so far */
    int64_t messages;        /* messages completed so far */
    int64_t payload;         /* bytes of those messages */
    int64_t dropped;         /* fragments of messages whose begin or end was never recorded */
}
shim_walk_t;

/* What is known of each message: arrays of `capacity` elements. */
typedef struct shim_walk_columns_stct
{
    int64_t capacity;
    int64_t *offsets;         /* of the payload, in data */
    int64_t *positions;       /* of the end of the message, as a subscriber sees it */
    int64_t *reserved_values;
    int32_t *lengths;         /* of the payload */
    int32_t *session_ids;     /* as in the file: with record checksums this is the checksum */
}
shim_walk_columns_t;

/* Fill data with `length` bytes of the file from file_offset on and stand at its begin: bytes read, less at the end of
 * the file, or -1. Releases nothing of the caller's; the caller owns data and has room for `length`. */
int64_t shim_walk_load(shim_walk_t *walk, int fd, int64_t file_offset, int64_t length);

/* List the next messages, at most `limit` and at most the capacity; how many. The fragments of a message are moved
 * together IN PLACE, so data must be writable and is walked once. */
int64_t shim_walk_messages(shim_walk_t *walk, shim_walk_columns_t *columns, int64_t limit);

/* Check and count every frame; messages are complete when begin and end are there. Never writes to data. */
int64_t shim_walk_count(shim_walk_t *walk);

/* Skip padding, then pass the longest row of whole messages of one length: how many, the first payload at *first.
 * *payload_length -1: that of the first message. 0 and SHIM_WALK_MORE: a message of another kind is at `offset`.
 * Never writes to data. */
int64_t shim_walk_run(shim_walk_t *walk, int32_t *payload_length, int64_t *first);

/* Pass the frames that end at or before a stream position: the aligned length of the frame at `offset` then, 0 with the
 * status set when there is no sound one. Never writes to data. */
int32_t shim_walk_seek(shim_walk_t *walk, int64_t position);

/* Copy the payloads of messages `from` to `to` one after the other to `out`; bytes copied. When `ends` is not NULL it gets
 * where each ends. */
int64_t shim_walk_pack(
    const uint8_t *data, const shim_walk_columns_t *columns, int64_t from, int64_t to, uint8_t *out, int32_t *ends);
