#include "shim.h"

#include <string.h>

#define ENTRY_LENGTH 32
#define STATE_VALID 1

/* What an entry begins with; its descriptor, which begins with three numbers, comes after ENTRY_LENGTH bytes. */
typedef struct entry_stct
{
    int32_t length;
    int32_t state;
    int32_t checksum;
}
entry_t;

typedef struct descriptor_stct
{
    int64_t control_session_id;
    int64_t correlation_id;
    int64_t recording_id;
}
descriptor_t;

int shim_catalog_walk(
    shim_catalog_walk_t *walk,
    const uint8_t *data,
    uint64_t length,
    shim_catalog_entry_t *entries,
    int capacity,
    int32_t *result)
{
    const uint64_t alignment = (uint64_t)walk->alignment;
    int found = 0;

    *result = SHIM_CATALOG_MORE;
    while (found < capacity && walk->offset + ENTRY_LENGTH <= length)
    {
        entry_t entry;
        memcpy(&entry, data + walk->offset, sizeof(entry));
        if (entry.length <= 0)
        {
            *result = SHIM_CATALOG_END;
            break;
        }

        const uint64_t taken = ENTRY_LENGTH + (uint64_t)entry.length;
        descriptor_t descriptor = { 0 };
        if (taken > length - walk->offset)
        {
            break;
        }
        memcpy(
            &descriptor,
            data + walk->offset + ENTRY_LENGTH,
            (size_t)entry.length < sizeof(descriptor) ? (size_t)entry.length : sizeof(descriptor));
        if (descriptor.recording_id <= walk->last_id)
        {
            *result = SHIM_CATALOG_DISORDER;
            break;
        }

        const bool is_wanted = walk->wanted < 0 || walk->wanted == descriptor.recording_id;
        if (is_wanted && (walk->every || STATE_VALID == entry.state))
        {
            entries[found++] = (shim_catalog_entry_t){
                .recording_id = descriptor.recording_id,
                .offset = walk->offset + ENTRY_LENGTH,
                .length = entry.length,
                .checksum = entry.checksum,
            };
        }
        walk->last_id = descriptor.recording_id;
        walk->offset += (taken + alignment - 1) & ~(alignment - 1);
        if (walk->wanted >= 0 && walk->wanted <= walk->last_id)
        {
            *result = SHIM_CATALOG_END;
            break;
        }
    }
    return found;
}
