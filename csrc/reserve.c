#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/aeron_error.h"

/* Not posix_fallocate: where the file system can't, that one reads bytes and writes them back. */
int shim_reserve(const char *path)
{
    struct stat status;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
    {
        if (ENOENT == errno)
        {
            return 0;
        }
        AERON_SET_ERR(errno, "%s: %s", path, strerror(errno));
        return -1;
    }

    int failure = fstat(fd, &status) < 0 ? errno : 0;
    if (0 == failure && status.st_size > 0)
    {
        do
        {
            failure = fallocate(fd, 0, 0, status.st_size) < 0 ? errno : 0;
        }
        while (EINTR == failure);
    }
    close(fd);

    if (0 != failure && EOPNOTSUPP != failure && ENOSYS != failure)
    {
        AERON_SET_ERR(failure, "%s: %s", path, strerror(failure));
        return -1;
    }
    return 0;
}
