/* Placeholder until the whole of aeronc.h is declared here. */
typedef struct aeron_header_stct aeron_header_t;
typedef struct aeron_subscription_stct aeron_subscription_t;
typedef struct aeron_publication_stct aeron_publication_t;
typedef struct aeron_exclusive_publication_stct aeron_exclusive_publication_t;
typedef struct aeron_image_stct aeron_image_t;
typedef enum aeron_controlled_fragment_handler_action_en { ... } aeron_controlled_fragment_handler_action_t;
typedef aeron_controlled_fragment_handler_action_t (*aeron_controlled_fragment_handler_t)(
    void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header);
const char *aeron_version_full(void);
int aeron_errcode(void);
const char *aeron_errmsg(void);
