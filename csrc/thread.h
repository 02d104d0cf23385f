/* Threads of the shim: none of them enters Python or handles a signal. */

#ifndef SHIM_THREAD_H
#define SHIM_THREAD_H

#include <pthread.h>

/* Starts one; -1 with Aeron's error set, which says what there is no thread for. */
int shim_thread_start(pthread_t *thread, void *(*run)(void *), void *argument, const char *what);

/* A condition that waits by the monotonic clock. */
void shim_thread_condition(pthread_cond_t *condition);

/* The calling thread does little, and that on time: others should not keep it waiting, as far as this process may say so. */
void shim_thread_be_prompt(void);

#endif
