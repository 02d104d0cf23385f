#include "shim.h"

#include <string.h>

_Static_assert(
    sizeof(((shim_counter_t *)NULL)->key) == sizeof(((aeron_counter_metadata_descriptor_t *)NULL)->key),
    "shim_counter_t holds a whole key");
_Static_assert(
    sizeof(((shim_counter_t *)NULL)->label) == sizeof(((aeron_counter_metadata_descriptor_t *)NULL)->label),
    "shim_counter_t holds a whole label");

typedef struct slot_stct
{
    aeron_counter_metadata_descriptor_t *metadata;
    aeron_counter_value_descriptor_t *values;
}
slot_t;

static int slots(aeron_counters_reader_t *reader, slot_t *first)
{
    aeron_counters_reader_buffers_t buffers;
    if (aeron_counters_reader_get_buffers(reader, &buffers) < 0)
    {
        return 0;
    }

    first->metadata = (aeron_counter_metadata_descriptor_t *)buffers.metadata;
    first->values = (aeron_counter_value_descriptor_t *)buffers.values;

    const size_t by_metadata = buffers.metadata_length / sizeof(*first->metadata);
    const size_t by_values = buffers.values_length / sizeof(*first->values);
    return (int)(by_metadata < by_values ? by_metadata : by_values);
}

static int32_t state_of(const slot_t *slot)
{
    return __atomic_load_n(&slot->metadata->state, __ATOMIC_ACQUIRE);
}

/* The slot may be freed and used again while it is copied: only what had the same registration throughout counts. */
static int copy(const slot_t *slot, int32_t id, shim_counter_t *counter)
{
    if (AERON_COUNTER_RECORD_ALLOCATED != state_of(slot))
    {
        return 0;
    }

    counter->registration_id = __atomic_load_n(&slot->values->registration_id, __ATOMIC_ACQUIRE);
    counter->value = __atomic_load_n(&slot->values->counter_value, __ATOMIC_ACQUIRE);
    counter->owner_id = slot->values->owner_id;
    counter->reference_id = slot->values->reference_id;
    counter->id = id;
    counter->type_id = slot->metadata->type_id;

    int32_t length = __atomic_load_n(&slot->metadata->label_length, __ATOMIC_ACQUIRE);
    length = length < 0 ? 0 : length;
    counter->label_length = length > (int32_t)sizeof(counter->label) ? (int32_t)sizeof(counter->label) : length;
    memcpy(counter->key, slot->metadata->key, sizeof(counter->key));
    memcpy(counter->label, slot->metadata->label, (size_t)counter->label_length);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return AERON_COUNTER_RECORD_ALLOCATED == state_of(slot) &&
        counter->registration_id == __atomic_load_n(&slot->values->registration_id, __ATOMIC_ACQUIRE);
}

int shim_counters_read(aeron_counters_reader_t *reader, int32_t id, shim_counter_t *counter)
{
    slot_t slot;

    if (id < 0 || id >= slots(reader, &slot))
    {
        return 0;
    }

    slot.metadata += id;
    slot.values += id;
    return copy(&slot, id, counter);
}

int shim_counters_scan(aeron_counters_reader_t *reader, int32_t type_id, shim_counter_t *counters, int capacity)
{
    slot_t slot;
    shim_counter_t unused;
    const int count = slots(reader, &slot);
    int found = 0;

    for (int id = 0; id < count; id++, slot.metadata++, slot.values++)
    {
        const int32_t state = state_of(&slot);

        if (AERON_COUNTER_RECORD_UNUSED == state)
        {
            break;
        }

        if (AERON_COUNTER_RECORD_ALLOCATED == state && (type_id < 0 || type_id == slot.metadata->type_id))
        {
            found += copy(&slot, id, found < capacity ? &counters[found] : &unused);
        }
    }

    return found;
}

int shim_counters_ids(aeron_counters_reader_t *reader, int32_t type_id, shim_counter_id_t *ids, int capacity)
{
    slot_t slot;
    const int count = slots(reader, &slot);
    int found = 0;

    for (int id = 0; id < count; id++, slot.metadata++, slot.values++)
    {
        const int32_t state = state_of(&slot);

        if (AERON_COUNTER_RECORD_UNUSED == state)
        {
            break;
        }

        if (AERON_COUNTER_RECORD_ALLOCATED == state && type_id == slot.metadata->type_id)
        {
            if (found < capacity)
            {
                ids[found].registration_id = __atomic_load_n(&slot.values->registration_id, __ATOMIC_ACQUIRE);
                ids[found].id = id;
                ids[found].type_id = type_id;
            }
            found++;
        }
    }

    return found;
}

int shim_counters_value(aeron_counters_reader_t *reader, int32_t id, int64_t registration_id, int64_t *value)
{
    slot_t slot;

    if (id < 0 || id >= slots(reader, &slot))
    {
        return 0;
    }

    slot.metadata += id;
    slot.values += id;
    *value = __atomic_load_n(&slot.values->counter_value, __ATOMIC_ACQUIRE);
    return AERON_COUNTER_RECORD_ALLOCATED == state_of(&slot) &&
        registration_id == __atomic_load_n(&slot.values->registration_id, __ATOMIC_ACQUIRE);
}

int64_t shim_counter_get(const int64_t *address)
{
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

void shim_counter_set(int64_t *address, int64_t value)
{
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

int64_t shim_counter_add(int64_t *address, int64_t difference)
{
    return __atomic_fetch_add(address, difference, __ATOMIC_SEQ_CST);
}

bool shim_counter_compare_and_set(int64_t *address, int64_t expected, int64_t value)
{
    return __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
