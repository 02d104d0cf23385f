/* Counters: copies of what the driver's counters say, all of them in one call. */

typedef struct shim_counter_stct
{
    int64_t value;
    int64_t registration_id;
    int64_t owner_id;
    int64_t reference_id;
    int32_t id;
    int32_t type_id;
    int32_t label_length;
    uint8_t key[112];
    char label[380];
}
shim_counter_t;

/* Copy the counter: 1, or 0 when there is none of that id. */
int shim_counters_read(aeron_counters_reader_t *reader, int32_t id, shim_counter_t *counter);

/* Copy the counters of a type (all when negative) in the order of their ids: how many there are, which can be more than
 * fit. */
int shim_counters_scan(aeron_counters_reader_t *reader, int32_t type_id, shim_counter_t *counters, int capacity);

/* A counter's value alone, only while it still is the one of that registration: 1 and the value, or 0. */
int shim_counters_value(aeron_counters_reader_t *reader, int32_t id, int64_t registration_id, int64_t *value);

int64_t shim_counter_get(const int64_t *address);
void shim_counter_set(int64_t *address, int64_t value);

/* Returns the value before. */
int64_t shim_counter_add(int64_t *address, int64_t difference);

/* Set it if it is as expected: whether it was. */
bool shim_counter_compare_and_set(int64_t *address, int64_t expected, int64_t value);

typedef struct shim_counter_id_stct
{
    int64_t registration_id;
    int32_t id;
    int32_t type_id;
}
shim_counter_id_t;

/* Which counters of a type there are, without what they say: how many, which can be more than fit. */
int shim_counters_ids(aeron_counters_reader_t *reader, int32_t type_id, shim_counter_id_t *ids, int capacity);
