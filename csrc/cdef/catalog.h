/* Catalog: entries of an archive's catalog in memory. A catalog keeps the entries of recordings that are gone, so that it has
 * far more of them than there are recordings. Nothing here waits, allocates or writes to data. */

typedef struct shim_catalog_entry_stct
{
    int64_t recording_id;
    uint64_t offset;   /* of its descriptor, in memory */
    int32_t length;    /* of its descriptor */
    int32_t checksum;
}
shim_catalog_entry_t;

typedef enum shim_catalog_result_en
{
    SHIM_CATALOG_MORE = 0,     /* the memory or the room is at its end: go on at `offset` */
    SHIM_CATALOG_END = 1,      /* there are no more entries */
    SHIM_CATALOG_DISORDER = 2  /* the entry at `offset` has the id of one before, or a lower one */
}
shim_catalog_result_t;

typedef struct shim_catalog_walk_stct
{
    int32_t alignment; /* of entries, a power of two */
    bool every;        /* also those that are gone */
    int64_t wanted;    /* the one recording that is looked for; negative for all */
    int64_t last_id;   /* of the entry before; negative at first */
    uint64_t offset;   /* where the next entry begins, in memory */
}
shim_catalog_walk_t;

/* The entries in so much memory, from `offset` on: how many were put into room for so many. */
int shim_catalog_walk(
    shim_catalog_walk_t *walk,
    const uint8_t *data,
    uint64_t length,
    shim_catalog_entry_t *entries,
    int capacity,
    int32_t *result);
