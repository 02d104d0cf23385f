/* Journal: the entries of the recorder's journal, which docs/journal-format.md describes. */

typedef enum shim_journal_kind_en
{
    SHIM_JOURNAL_OPENED = 1,
    SHIM_JOURNAL_CLOSED = 2,
    SHIM_JOURNAL_TICK = 3,
    SHIM_JOURNAL_IMAGE = 4
}
shim_journal_kind_t;

/* Where the streams of one journal stand, by stream index. */
typedef struct shim_journal_state_stct
{
    int64_t capacity;         /* of the arrays; streams of higher indexes are passed over */
    int64_t *previous;        /* where the stream stood before it moved last */
    int64_t *positions;       /* where it stands */
    int64_t time_ns;          /* of the entry applied last */
    int64_t entries;          /* applied so far */
    int32_t unsound;          /* an entry was not whole: nothing after it counts */
}
shim_journal_state_t;

/* CRC-32 as zlib has it. */
uint32_t shim_journal_checksum(const uint8_t *data, size_t length);

/* Apply the messages `from` to `to` of a walk, up to the last one of at most until_ns: how many were applied. Never reads
 * beyond a message. */
int64_t shim_journal_apply(
    shim_journal_state_t *state,
    const uint8_t *data,
    const shim_walk_columns_t *columns,
    int64_t from,
    int64_t to,
    int64_t until_ns);
