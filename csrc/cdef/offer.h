/* Offer: many messages in one call. */

/* What a publication of either kind takes: count messages, message i is buffer[offsets[i]] to buffer[offsets[i + 1]].
 * Stops at the first that does not go in, or at offsets that leave the buffer or go back (errno EINVAL, then *result is
 * AERON_PUBLICATION_ERROR). Turning to the next term (AERON_PUBLICATION_ADMIN_ACTION) is retried.
 * Returns how many went in; *result is the position after the last, or the reason why no more did.
 * reserved_values may be NULL, else one for each message; without them, stamps says whether each message gets the time. */
size_t shim_offer_block(
    void *publication,
    int exclusive,
    const uint8_t *buffer,
    size_t length,
    const int64_t *offsets,
    size_t count,
    const int64_t *reserved_values,
    int stamps,
    int64_t *result);
