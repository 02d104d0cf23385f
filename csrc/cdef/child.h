/* A child process that dies with its parent, however the parent dies, and that is reaped as soon as it ends. */

typedef struct shim_child_stct shim_child_t;

/* Run argv[0] with exactly this environment. Standard output and error go to output_fd, standard input is empty; of all
 * other descriptors the child has only keep_fd (as descriptor 3), when that is not negative. It has a process group of
 * its own, so that a Ctrl-C on the terminal reaches the parent alone. */
int shim_child_start(
    shim_child_t **child, const char *const argv[], const char *const envp[], int output_fd, int keep_fd);

int64_t shim_child_pid(const shim_child_t *child);

/* Wait until it has ended: 1, or 0 when the time is over. status: its exit code, or minus the signal that ended it. */
int shim_child_wait(shim_child_t *child, int64_t timeout_ns, int32_t *status);

/* Send a signal: 1, or 0 when it has ended already. Never reaches another process that was given the same id. */
int shim_child_signal(shim_child_t *child, int signal);

/* Kill it if it still runs, reap it, forget it. */
void shim_child_delete(shim_child_t *child);
