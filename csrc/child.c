#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "thread.h"
#include "util/aeron_error.h"

#define KEPT_FD 3

/* The kernel sends the death signal when the thread that forked ends, not the process. So each child has a thread of
 * its own that forks, stays, and reaps. */
struct shim_child_stct
{
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *const *argv;
    const char *const *envp;
    int output_fd;
    int keep_fd;
    int started;
    int start_errno;
    int ended;
    int32_t status;
    pid_t parent;
    pid_t pid;
};

static void close_from(const unsigned int first)
{
#ifdef SYS_close_range
    if (0 == syscall(SYS_close_range, first, ~0U, 0U))
    {
        return;
    }
#endif
    const long limit = sysconf(_SC_OPEN_MAX);
    for (long fd = (long)first; fd < (limit > 0 ? limit : 65536); fd++)
    {
        close((int)fd);
    }
}

/* After the fork: only what is safe in a copy of a process with many threads. */
static void run_program(const shim_child_t *child, int report_fd)
{
    if (0 != prctl(PR_SET_PDEATHSIG, SIGKILL) || 0 != setpgid(0, 0))
    {
        goto failed;
    }

    if (getppid() != child->parent)
    {
        _exit(127);
    }

    for (int number = 1; number < NSIG; number++)
    {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    /* Out of the way of the numbers they will get, which may be their own today. */
    const int output_fd = fcntl(child->output_fd, F_DUPFD, 10);
    const int input_fd = fcntl(open("/dev/null", O_RDONLY), F_DUPFD, 10);
    const int keep_fd = child->keep_fd < 0 ? -1 : fcntl(child->keep_fd, F_DUPFD, 10);
    report_fd = fcntl(report_fd, F_DUPFD, 10);
    if (output_fd < 0 || input_fd < 0 || report_fd < 0 || (child->keep_fd >= 0 && keep_fd < 0))
    {
        goto failed;
    }

    const int next_fd = keep_fd < 0 ? KEPT_FD : KEPT_FD + 1;
    if (dup2(input_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0 ||
        (keep_fd >= 0 && dup2(keep_fd, KEPT_FD) < 0) || dup2(report_fd, next_fd) < 0 ||
        fcntl(next_fd, F_SETFD, FD_CLOEXEC) < 0)
    {
        goto failed;
    }
    report_fd = next_fd;
    close_from((unsigned int)next_fd + 1);

    execve(child->argv[0], (char *const *)child->argv, (char *const *)child->envp);

failed:;
    const int error = errno;
    const ssize_t written = write(report_fd, &error, sizeof(error));
    _exit(written < 0 ? 126 : 127);
}

/* The error of the failed start, 0 when the program runs. */
static int await_program(int fd)
{
    int error = 0;
    ssize_t result;
    do
    {
        result = read(fd, &error, sizeof(error));
    }
    while (result < 0 && EINTR == errno);

    return (ssize_t)sizeof(error) == result ? error : 0;
}

static void await_end(shim_child_t *child)
{
    siginfo_t info;
    int result;
    /* Looked at first and reaped under the lock: so the id can't be reused while a signal is on its way. */
    do
    {
        result = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT);
    }
    while (result < 0 && EINTR == errno);

    pthread_mutex_lock(&child->lock);
    if (0 == result)
    {
        int status;
        child->status = CLD_EXITED == info.si_code ? info.si_status : -info.si_status;
        (void)!waitpid(child->pid, &status, 0);
    }
    child->ended = 1;
    pthread_cond_broadcast(&child->changed);
    pthread_mutex_unlock(&child->lock);
}

static void *child_thread(void *arg)
{
    shim_child_t *child = arg;
    int report[2] = { -1, -1 };
    int error = 0;
    pid_t pid = -1;

    if (0 != pipe2(report, O_CLOEXEC) || (pid = fork()) < 0)
    {
        error = errno;
    }
    else if (0 == pid)
    {
        run_program(child, report[1]);
    }

    if (report[1] >= 0)
    {
        close(report[1]);
    }
    if (pid > 0)
    {
        error = await_program(report[0]);
    }
    if (report[0] >= 0)
    {
        close(report[0]);
    }

    pthread_mutex_lock(&child->lock);
    child->pid = pid;
    child->start_errno = error;
    child->started = 1;
    pthread_cond_broadcast(&child->changed);
    pthread_mutex_unlock(&child->lock);

    if (pid > 0)
    {
        await_end(child);
    }
    return NULL;
}

static void child_free(shim_child_t *child)
{
    pthread_cond_destroy(&child->changed);
    pthread_mutex_destroy(&child->lock);
    free(child);
}

int shim_child_start(
    shim_child_t **child, const char *const argv[], const char *const envp[], int output_fd, int keep_fd)
{
    shim_child_t *created = calloc(1, sizeof(*created));
    if (NULL == created)
    {
        AERON_SET_ERR(ENOMEM, "%s", "no memory for a child process");
        return -1;
    }

    created->argv = argv;
    created->envp = envp;
    created->output_fd = output_fd;
    created->keep_fd = keep_fd;
    created->parent = getpid();
    pthread_mutex_init(&created->lock, NULL);
    shim_thread_condition(&created->changed);

    if (shim_thread_start(&created->thread, child_thread, created, "a child process") < 0)
    {
        child_free(created);
        return -1;
    }

    pthread_mutex_lock(&created->lock);
    while (!created->started)
    {
        pthread_cond_wait(&created->changed, &created->lock);
    }
    const int error = created->start_errno;
    pthread_mutex_unlock(&created->lock);

    if (0 != error)
    {
        AERON_SET_ERR(error, "%s: could not be run", argv[0]);
        pthread_join(created->thread, NULL);
        child_free(created);
        return -1;
    }

    *child = created;
    return 0;
}

int64_t shim_child_pid(const shim_child_t *child)
{
    return child->pid;
}

int shim_child_wait(shim_child_t *child, int64_t timeout_ns, int32_t *status)
{
    const struct timespec until = clock_time(monotonic_ns() + timeout_ns);

    pthread_mutex_lock(&child->lock);
    int result = 0;
    while (!child->ended && 0 == result)
    {
        result = pthread_cond_timedwait(&child->changed, &child->lock, &until);
    }
    const int ended = child->ended;
    *status = child->status;
    pthread_mutex_unlock(&child->lock);
    return ended;
}

int shim_child_signal(shim_child_t *child, int signal)
{
    pthread_mutex_lock(&child->lock);
    const int running = !child->ended && 0 == kill(child->pid, signal);
    pthread_mutex_unlock(&child->lock);
    return running;
}

void shim_child_delete(shim_child_t *child)
{
    /* Not in a copy of this process, whose child it is not. */
    if (NULL != child && getpid() == child->parent)
    {
        shim_child_signal(child, SIGKILL);
        pthread_join(child->thread, NULL);
        child_free(child);
    }
}
