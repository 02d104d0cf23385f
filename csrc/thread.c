#include "thread.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/aeron_error.h"

#define PROMPT_NICE (-10)
#define PROMPT_SLACK_NS (1000)

int shim_thread_start(pthread_t *thread, void *(*run)(void *), void *argument, const char *what)
{
    sigset_t all;
    sigset_t before;

    /* Signals are for the threads of the program; a thread inherits the mask. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (0 != error)
    {
        AERON_SET_ERR(error, "no thread for %s", what);
        return -1;
    }
    return 0;
}

void shim_thread_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void shim_thread_be_prompt(void)
{
    prctl(PR_SET_TIMERSLACK, (unsigned long)PROMPT_SLACK_NS);
    /* Refused to users without the right to; then it is as it was. On Linux the priority is the thread's alone. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), PROMPT_NICE);
}
