/* What /proc shows of the descriptors of processes that seem to run: their sockets have
 * the numbers of /proc/net/tcp, by which ss, netstat, lsof and fuser tell whose they are. */
#include "kernel/kind.h"
#include "kernel/login.h"
#include "kernel/machine.h"
#include "kernel/net_sockets.h"
#include "kernel/procfs.h"
#include "kernel/program.h"
#include "kernel/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    STANDARD = 3,          /* descriptors that everybody has */
    CONNECTION = 4,        /* in sshd, of its visitor's */
    OUTPUT_INODES = 12900, /* of the sockets that lead to journald */
    FIRST_UNIX = 40,       /* descriptors of the first process: its sockets */
};

static const struct {
    int32_t pid, fd;
    const char *link_z;
} files[] = {
#define SERVICE_FILE(pid, fd, link) {pid, fd, link},
#include "kernel/service_files.def"
#undef SERVICE_FILE
};

static const struct {
    int32_t pid;
    unsigned ino;
} unix_sockets[] = {
#define LISTENER(pid, fd, family, type, port, backlog, ino, greeting)
#define UNIX_LISTENER(references, flags, type, state, ino, path) {1, ino},
#include "kernel/listeners.def"
#undef LISTENER
#undef UNIX_LISTENER
};

static bool is_shown(const struct vfs *vfs, const struct proc_view *view)
{
    return vfs->kernel != NULL && view->process == NULL && !view->is_kernel &&
           !vfs->hardware->kind->is_small;
}

/* The row's number of a service, whatever it has now; 0: it is one of a login. */
static int32_t table_pid(const struct vfs *vfs, const struct proc_view *view)
{
    int index = service_find(vfs->kernel, view->pid);
    return index >= 0 ? service_table(vfs->kernel)->row[index].pid : 0;
}

static int64_t put_socket(unsigned ino, char *out, size_t size)
{
    return snprintf(out, size, "socket:[%u]", ino);
}

static int64_t listener_link(const struct vfs *vfs, int32_t pid, int32_t fd, char *out, size_t size)
{
    const struct kind *m = vfs->hardware->kind;
    for (size_t i = 0; i < m->listener_count; i++)
        if (m->listeners[i].pid == pid && m->listeners[i].fd == fd)
            return put_socket(m->listeners[i].ino, out, size);
    size_t number = (size_t)(fd - FIRST_UNIX);
    if (fd >= FIRST_UNIX && number < ARRAY_LEN(unix_sockets) && unix_sockets[number].pid == pid)
        return put_socket(unix_sockets[number].ino, out, size);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (files[i].pid == pid && files[i].fd == fd)
            return snprintf(out, size, "%s", files[i].link_z);
    return -ENOENT;
}

int64_t proc_service_link(const struct vfs *vfs, const struct proc_view *view, int32_t fd,
                          char *out, size_t size)
{
    if (!is_shown(vfs, view))
        return -ENOENT;
    int32_t pid = table_pid(vfs, view);
    bool is_quiet = pid == 0 || pid == 1 || view->tty_nr != 0;
    if (fd >= 0 && fd < STANDARD && view->tty_nr != 0)
        return snprintf(out, size, "/dev/tty1");
    if (fd == 0 || (fd > 0 && fd < STANDARD && is_quiet))
        return snprintf(out, size, "/dev/null");
    if (fd > 0 && fd < STANDARD)
        return put_socket((unsigned)(OUTPUT_INODES + pid), out, size);
    if (pid != 0)
        return listener_link(vfs, pid, fd, out, size);
    enum login_process which;
    const struct login *l = login_find(vfs->kernel, view->pid, &which);
    if (l == NULL || fd != CONNECTION || (which != LOGIN_MONITOR && which != LOGIN_WORKER))
        return -ENOENT;
    const struct socket *s = program_socket(vfs->kernel, l->connection);
    return put_socket(s != NULL ? (unsigned)s->ino : NET_LOGIN_INODE, out, size);
}

int32_t proc_service_next(const struct vfs *vfs, const struct proc_view *view, int32_t from)
{
    enum { FDS = FIRST_UNIX + ARRAY_LEN(unix_sockets) };
    char link_z[64];
    for (int32_t fd = from; fd < FDS; fd++)
        if (proc_service_link(vfs, view, fd, link_z, sizeof(link_z)) >= 0)
            return fd;
    return -1;
}

/* A socket that can do nothing but be looked at. */
int proc_service_open(struct vfs *vfs, const struct proc_view *view, int32_t fd, struct file **out)
{
    static const char start_z[] = "socket:[";
    char link_z[64];
    int error = 0;
    int64_t n = proc_service_link(vfs, view, fd, link_z, sizeof(link_z));
    if (n < 0 || strncmp(link_z, start_z, strlen(start_z)) != 0)
        return -ENOENT;
    struct socket *s = socket_new(vfs, AF_UNIX, SOCK_STREAM, 0);
    if (s == NULL)
        return -ENOMEM;
    s->ino = strtoul(link_z + strlen(start_z), NULL, 10);
    *out = socket_open(s, 0, &error);
    return *out != NULL ? 0 : error;
}
