/* A disk that fills up: from the FULL_DISK_FROM-th write, sync, creation or renaming below FULL_DISK_BELOW on,
   all of them fail with FULL_DISK_ERROR. The first of them that is a write gets half of its bytes through. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long count;

static int below(const char *path) {
    const char *folder = getenv("FULL_DISK_BELOW");
    char absolute[PATH_MAX];
    if (!folder || !path) return 0;
    if (path[0] != '/') {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(absolute, sizeof absolute, "%.2000s/%.2000s", here, path);
        path = absolute;
    }
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int behind(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* how many calls there is no room for, this one included */
static long full(int concerned) {
    if (!concerned) return 0;
    const char *from = getenv("FULL_DISK_FROM");
    long beyond = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) - (from ? atol(from) : LONG_MAX) + 1;
    if (beyond > 0) errno = getenv("FULL_DISK_ERROR") ? atoi(getenv("FULL_DISK_ERROR")) : ENOSPC;
    return beyond > 0 ? beyond : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    long beyond = full(behind(fd));
    if (beyond == 1 && size > 1) return REAL(write)(fd, data, size / 2);
    return beyond ? -1 : REAL(write)(fd, data, size);
}

int fsync(int fd) { return full(behind(fd)) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return full(behind(fd)) ? -1 : REAL(fdatasync)(fd); }
int rename(const char *old, const char *new) { return full(below(new)) ? -1 : REAL(rename)(old, new); }
int mkdir(const char *path, mode_t mode) { return full(below(path)) ? -1 : REAL(mkdir)(path, mode); }

#define OPEN(name)                                                                          \
    int name(const char *path, int flags, ...) {                                            \
        va_list arguments;                                                                  \
        va_start(arguments, flags);                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                      \
        va_end(arguments);                                                                  \
        return flags & O_CREAT && full(below(path)) ? -1 : REAL(name)(path, flags, mode);   \
    }
OPEN(open)
OPEN(open64)
