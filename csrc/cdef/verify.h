/* Verify: every frame of a recording judged by itself, and what comes after a bad one found again. Memory and place are
 * those of a walk. Nothing here waits, allocates or writes to data. */

typedef enum shim_verify_fault_en
{
    SHIM_VERIFY_SOUND = 0,     /* no fault: all in memory is judged, or the frame at `offset` goes on after it */
    SHIM_VERIFY_UNWRITTEN = 1, /* there is no frame: its length is zero */
    SHIM_VERIFY_LENGTH = 2,    /* shorter than a header, longer than the term or, with data, than the MTU */
    SHIM_VERIFY_PLACE = 3,     /* its term id or term offset are not those of where it lies */
    SHIM_VERIFY_STREAM = 4,    /* of another stream */
    SHIM_VERIFY_HEADER = 5,    /* a version, type or flag that there is not */
    SHIM_VERIFY_SESSION = 6,   /* of a session that neither the frames before nor those after have */
    SHIM_VERIFY_CHECKSUM = 7   /* its checksum is not that of its payload */
}
shim_verify_fault_t;

typedef enum shim_verify_kind_en
{
    SHIM_VERIFY_NONE = 0,      /* not known yet */
    SHIM_VERIFY_PLAIN = 1,     /* the session id stands where it belongs */
    SHIM_VERIFY_CRC32 = 2,     /* the payload's CRC-32 stands there */
    SHIM_VERIFY_CRC32C = 4     /* the payload's CRC-32C does */
}
shim_verify_kind_t;

typedef struct shim_verify_stct
{
    shim_walk_t walk;          /* counts, too: `dropped` are fragments without a begin or an end */
    int32_t mtu_length;
    int32_t last_session_id;   /* of the recording's descriptor: of the session that was recorded last */
    int32_t session_id;        /* of the frames before */
    int32_t kind;              /* shim_verify_kind_t, of the frames before */
    int32_t kinds;             /* all kinds that were met, together */
    int32_t fault;             /* shim_verify_fault_t, why the last run ended */
    int32_t final;             /* 1: what comes after memory, if anything, can not be looked at together with it */
    int32_t sessions;          /* how many, as far as frames tell */
    int64_t fragments;         /* of the message that has begun, 0 when none has */
    int64_t open_payload;      /* bytes of those */
}
shim_verify_t;

/* Judge the frames from `offset` on: stops at the first bad one or where memory ends. */
void shim_verify_run(shim_verify_t *verify);

/* Pass the bad frame that ended the last run, alone when its length can be trusted: as shim_verify_find goes on. */
int shim_verify_pass(shim_verify_t *verify);

/* To the first place from `offset` on where a sound frame begins: 1, or 0 where memory ends. */
int shim_verify_find(shim_verify_t *verify);

/* The checksum of an archive: CRC-32 or CRC-32C. */
uint32_t shim_checksum(int kind, const uint8_t *data, int64_t length);
