/* Images: raw frames. */

/* Copy what the image has, whole frames with their headers, up to the length of the buffer: the bytes copied, or -1.
 * Never crosses the end of a term, and leaves the padding there out. */
int shim_image_block(
    aeron_image_t *image, uint8_t *buffer, size_t length, int32_t *session_id, int32_t *term_id);
