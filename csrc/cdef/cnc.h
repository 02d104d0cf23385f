/* The command and control file: a copy of the driver's error log, all of it in one call. */

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
