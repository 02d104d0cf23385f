/* Disk space for all of a file, also where nothing was written yet; its content stays, whoever writes it meanwhile. 0
 * also when there is no such file or its file system can't; -1 when there is no room. */
int shim_reserve(const char *path);
