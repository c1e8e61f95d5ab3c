/* Sockets of the machine that are held from outside, as the sshd of the visitor's login holds those of
 * his forwards. They have no description: whoever holds the number gives them back. */
#include "kernel/program.h"
#include "kernel/syssocket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 128 }; /* OpenSSH's SSH_LISTEN_BACKLOG */

/* Who acts: a user without a process of his own. */
struct actor {
    struct creds creds;
    struct vfs_at at;
    struct socket_name name; /* of the place that he means */
};

/* ---- Places ---- */

/* COMPAT: sshd gives the whole of sun_path, so that an empty path is a name of NULs alone. */
static int name_of_path(struct span path, struct socket_name *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.len >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    if (path.len > 0)
        memcpy(address.sun_path, path.data, path.len);
    *out = (struct socket_name){.len = sizeof(address)};
    memcpy(out->bytes, &address, sizeof(address));
    return 0;
}

static int name_of(const struct kernel_place *place, int *family, struct socket_name *out)
{
    struct net_ip ip;
    *family = AF_UNIX;
    if (place->is_path)
        return name_of_path(place->path, out);
    *family = net_ip4_parse(place->address, &ip) ? AF_INET : AF_INET6;
    if (*family == AF_INET6) {
        if (!span_equal_z(place->address, "::1"))
            return -EADDRNOTAVAIL;
        ip = (struct net_ip){{[NET_IP_BYTES - 1] = 1}};
    }
    socket_name_of(*family, &ip, place->port, out);
    return 0;
}

/* ---- Both ---- */

/* A socket of the user's, and he himself. 0 or -errno; finish is to follow. */
static int begin(struct kernel *k, const struct kernel_spawn *user,
                 const struct kernel_place *place, struct actor *a, struct socket **s)
{
    int family;
    *a = (struct actor){.at = {.cred = &a->creds}};
    int error = name_of(place, &family, &a->name);
    if (error != 0)
        return error;
    program_creds(user, &a->creds);
    a->at.fs = fs_context_new(k->vfs);
    int protocol = family == AF_UNIX ? 0 : IPPROTO_TCP;
    *s = a->at.fs != NULL ? socket_new(k->vfs, family, SOCK_STREAM, protocol) : NULL;
    if (*s == NULL)
        return -ENOMEM;
    (*s)->pid = kernel_server_pid(k);
    (*s)->uid = a->creds.uid;
    (*s)->gid = a->creds.gid;
    return 0;
}

/* The number of the socket, if there was no error until now. */
static int finish(struct kernel *k, struct actor *a, struct socket *s, int error)
{
    int number = error == 0 ? program_of_socket(k, s) : error;
    if (number < 0 && s != NULL)
        socket_free(s);
    if (a->at.fs != NULL)
        fs_context_drop(a->at.fs);
    return number;
}

/* ---- Listening ---- */

static struct span folder_of(struct span path)
{
    size_t end = path.len;
    while (end > 0 && path.data[end - 1] != '/')
        end--;
    return span_slice(path, 0, end > 0 ? end - 1 : 0);
}

static int bind_it(const struct actor *a, struct socket *s, const struct kernel_place *place,
                   uint16_t *port)
{
    enum { OWNER_ONLY = 0600, OWNER_FOLDER = 0700, ANY = 0777 };
    struct net_ip ip;
    int error = 0;
    *port = 0;
    if (place->is_private)
        error = vfs_make(&a->at, folder_of(place->path), S_IFDIR | OWNER_FOLDER, 0);
    if (error == 0 && s->family == AF_UNIX)
        error = sys_name_bind(&a->at, s, &a->name, place->is_private ? ANY : OWNER_ONLY);
    if (error != 0 || s->family == AF_UNIX)
        return error;
    error = socket_inet_bind(&a->creds, s, &a->name);
    if (error == 0)
        socket_ip_of(&s->name, &ip, port);
    return error;
}

int kernel_listen(struct kernel *k, const struct kernel_spawn *user,
                  const struct kernel_place *place, uint16_t *port)
{
    struct actor actor;
    struct socket *s = NULL;
    int number = begin(k, user, place, &actor, &s);
    if (number == 0)
        number = bind_it(&actor, s, place, port);
    if (number == 0) {
        s->listening = true;
        s->backlog = BACKLOG;
    }
    number = finish(k, &actor, s, number);
    if (number >= 0)
        k->programs[number]->is_private = place->is_private;
    return number;
}

static void remove_file(struct vfs *vfs, struct span path)
{
    const struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.fs = fs_context_new(vfs), .cred = &root};
    if (at.fs == NULL)
        return;
    (void)vfs_unlink(&at, path);
    (void)vfs_rmdir(&at, folder_of(path));
    fs_context_drop(at.fs);
}

void program_close_socket(struct program *program)
{
    struct socket *s = program->socket;
    program->socket = NULL;
    if (s == NULL)
        return;
    if (program->is_private) {
        char path_z[SOCKET_NAME_MAX] = "";
        memcpy(path_z, s->name.bytes + sizeof(sa_family_t), s->name.len - sizeof(sa_family_t));
        remove_file(s->vfs, span_z(path_z));
    }
    socket_free(s);
}

int kernel_accept(struct kernel *k, int listener, struct kernel_caller *caller)
{
    struct socket *s = program_socket(k, listener);
    struct net_ip ip;
    if (s == NULL || s->first_waiting == NULL)
        return -EAGAIN;
    int number = program_of_socket(k, s->first_waiting);
    if (number < 0)
        return number;
    const struct socket *accepted = socket_accept(s);
    *caller = (struct kernel_caller){.port = 0};
    if (socket_is_inet(accepted)) {
        socket_ip_of(&accepted->peer_name, &ip, &caller->port);
        caller->address_z[net_ip_text(&ip, caller->address_z)] = '\0';
    }
    return number;
}

/* ---- Connecting ---- */

static int connect_it(const struct actor *a, struct socket *s, const struct socket_name *name)
{
    struct socket *other = NULL;
    if (s->family != AF_UNIX)
        return socket_inet_connect_own(&a->creds, s, name);
    int error = sys_name_find(&a->at, s, name, &other);
    return error != 0 ? error : socket_connect(s, other);
}

int kernel_dial(struct kernel *k, const struct kernel_spawn *user, const struct kernel_place *place)
{
    struct actor actor;
    struct socket *s = NULL;
    int number = begin(k, user, place, &actor, &s);
    if (number == 0)
        number = connect_it(&actor, s, &actor.name);
    return finish(k, &actor, s, number);
}
