#include "shim.h"

#include <string.h>

#define MOST (64)

static int vectors_of(aeron_iovec_t *vectors, shim_address_t *addresses, int capacity)
{
    const int count = capacity < MOST ? capacity : MOST;

    memset(addresses, 0, sizeof(*addresses) * (size_t)capacity);
    for (int i = 0; i < count; i++)
    {
        vectors[i].iov_base = (uint8_t *)addresses[i].text;
        vectors[i].iov_len = sizeof(addresses[i].text);
    }
    return count;
}

int shim_publication_addresses(aeron_publication_t *publication, shim_address_t *addresses, int capacity)
{
    aeron_iovec_t vectors[MOST];
    const int count = vectors_of(vectors, addresses, capacity);

    return aeron_publication_local_sockaddrs(publication, vectors, (size_t)count);
}

int shim_exclusive_publication_addresses(
    aeron_exclusive_publication_t *publication, shim_address_t *addresses, int capacity)
{
    aeron_iovec_t vectors[MOST];
    const int count = vectors_of(vectors, addresses, capacity);

    return aeron_exclusive_publication_local_sockaddrs(publication, vectors, (size_t)count);
}

int shim_subscription_addresses(aeron_subscription_t *subscription, shim_address_t *addresses, int capacity)
{
    aeron_iovec_t vectors[MOST];
    const int count = vectors_of(vectors, addresses, capacity);

    return aeron_subscription_local_sockaddrs(subscription, vectors, (size_t)count);
}
