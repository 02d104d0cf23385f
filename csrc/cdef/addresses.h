/* The local addresses of what is sent and received over the network. */

typedef struct shim_address_stct
{
    char text[64]; /* 192.0.2.1:40123, ended by a NUL */
}
shim_address_t;

/* Each: how many there are, at most as many as asked for, or -1. */
int shim_publication_addresses(aeron_publication_t *publication, shim_address_t *addresses, int capacity);
int shim_exclusive_publication_addresses(
    aeron_exclusive_publication_t *publication, shim_address_t *addresses, int capacity);
int shim_subscription_addresses(aeron_subscription_t *subscription, shim_address_t *addresses, int capacity);
