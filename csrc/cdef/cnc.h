/* The command and control file: copies of the driver's error log and of its loss report, all of it in one call. */

typedef struct shim_error_entry_stct
{
    int64_t first_time;    /* milliseconds since 1970 */
    int64_t last_time;
    int32_t observations;
    int32_t length;        /* of the text, which follows; the next entry begins at a multiple of 8 bytes */
}
shim_error_entry_t;

/* The errors last seen at or after a time: the bytes they take, which can be more than fit; then all that fit whole. */
int64_t shim_cnc_errors(aeron_cnc_t *cnc, int64_t since, uint8_t *buffer, size_t capacity);

typedef struct shim_loss_entry_stct
{
    int64_t first_time;    /* milliseconds since 1970 */
    int64_t last_time;
    int64_t observations;
    int64_t bytes_lost;
    int32_t session_id;
    int32_t stream_id;
    int32_t channel_length; /* of the text, which follows; after it comes the source's */
    int32_t source_length;
}
shim_loss_entry_t;

/* The same of the loss report; -1 when it can't be read. */
int64_t shim_cnc_losses(aeron_cnc_t *cnc, uint8_t *buffer, size_t capacity);
