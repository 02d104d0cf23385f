#include "bell.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char prefix[] = "aeron-py-bell-";

/* An abstract name: nothing in the file system, gone with the socket. By hand: a publisher rings in the middle of an
 * offer, and after a pause formatted output takes longer than the rest. */
static socklen_t bell_address(struct sockaddr_un *address, uint64_t name)
{
    char *to = address->sun_path;

    address->sun_family = AF_UNIX;
    *to++ = '\0';
    memcpy(to, prefix, sizeof(prefix) - 1);
    to += sizeof(prefix) - 1;
    for (int shift = 60; shift >= 0; shift -= 4)
    {
        *to++ = "0123456789abcdef"[(name >> shift) & 0xf];
    }
    return (socklen_t)(to - (char *)address);
}

int shim_bell_open(uint64_t *name)
{
    struct sockaddr_un address;
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
    {
        return -1;
    }

    *name = 0;
    while (0 == *name)
    {
        if (getrandom(name, sizeof(*name), 0) < 0 && EINTR != errno)
        {
            close(fd);
            return -1;
        }
    }

    const socklen_t length = bell_address(&address, *name);
    if (bind(fd, (struct sockaddr *)&address, length) < 0)
    {
        const int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

void shim_bell_send(int fd, uint64_t name)
{
    struct sockaddr_un address;
    const socklen_t length = bell_address(&address, name);
    /* A full socket has been woken already, one that is gone needs no wake. */
    (void)sendto(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, length);
}

bool shim_bell_drain(int fd)
{
    char byte;
    return recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) > 0;
}

void shim_bell_ring_all(shim_bell_t *bell)
{
    static _Atomic int ringer = -1;
    int fd = atomic_load(&ringer);
    if (fd < 0)
    {
        int none = -1;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
        {
            return;
        }
        if (!atomic_compare_exchange_strong(&ringer, &none, fd))
        {
            close(fd);
            fd = none;
        }
    }

    atomic_store(&bell->armed, 0);
    for (int i = 0; i < SHIM_BELL_WAITERS; i++)
    {
        const uint64_t name = atomic_exchange(&bell->waiters[i], 0);
        if (0 != name)
        {
            shim_bell_send(fd, name);
        }
    }
}

shim_bell_t *shim_bell_arm(aeron_logbuffer_metadata_t *metadata, uint64_t name)
{
    shim_bell_t *bell = shim_bell_of(metadata);
    if (SHIM_BELL_RINGS != atomic_load_explicit(&bell->rings, memory_order_relaxed))
    {
        return NULL;
    }

    for (int i = 0; i < SHIM_BELL_WAITERS; i++)
    {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&bell->waiters[i], &none, name))
        {
            atomic_store(&bell->armed, 1);
            return bell;
        }
    }

    /* Names of waiters that were killed are taken out by the next ring. */
    atomic_store(&bell->armed, 1);
    return NULL;
}

void shim_bell_disarm(shim_bell_t *bell, uint64_t name)
{
    for (int i = 0; i < SHIM_BELL_WAITERS; i++)
    {
        uint64_t mine = name;
        if (atomic_compare_exchange_strong(&bell->waiters[i], &mine, 0))
        {
            return;
        }
    }
}
