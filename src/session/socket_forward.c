/* streamlocal-forward@openssh.com (OpenSSH's PROTOCOL, section 2.4): sshd makes the socket with the
 * user's rights and listens there. Ours makes its file, which stays as sshd's does; nobody listens. */
#include "session/connection.h"

#include <string.h>

enum { GROUPS_MAX = 31 };

/* The rest of the list, from this path on; empty: it is not among them. */
static struct span find(const struct session_connection *c, struct span path)
{
    struct span rest = buffer_span(&c->sockets);
    while (rest.len > 0) {
        ptrdiff_t end = span_find(rest, 0, 0);
        if (span_equal(span_slice(rest, 0, (size_t)end), path))
            return rest;
        rest = span_slice(rest, (size_t)end + 1, rest.len);
    }
    return rest;
}

/* COMPAT: a path of no length is a name of NULs that no file has (unix(7), "abstract"). */
static bool make(struct session_connection *c, struct span path)
{
    uint32_t groups[GROUPS_MAX];
    const struct session_account *account = &c->account;
    const struct kernel_spawn user = {
        .uid = account->uid,
        .gid = account->gid,
        .groups = groups,
        .group_count = session_account_groups(c->host->config.image, account, groups, GROUPS_MAX),
    };
    return path.len == 0 ||
           (session_have_kernel(c) && kernel_make_socket(c->kernel, &user, path) == 0);
}

static bool forward(struct session_connection *c, struct span path)
{
    if (path.len > SESSION_SOCKET_PATH || find(c, path).len > 0 ||
        buffer_room(&c->sockets) <= path.len)
        return false;
    return make(c, path) && buffer_put(&c->sockets, path) == 0 &&
           buffer_put_u8(&c->sockets, 0) == 0;
}

/* What stands behind it moves up. */
static bool cancel(struct session_connection *c, struct span path)
{
    struct span rest = find(c, path);
    if (rest.len == 0)
        return false;
    size_t len = buffer_len(&c->sockets), behind = rest.len - path.len - 1;
    uint8_t *at = (uint8_t *)rest.data;
    memmove(at, at + path.len + 1, behind);
    buffer_truncate(&c->sockets, len - path.len - 1);
    return true;
}

void session_socket_forward(struct session_connection *c, const struct ssh_event_global *global)
{
    bool stops = span_starts_with(global->name, span_z("cancel-"));
    ssh_global_answer(c->ssh, stops ? cancel(c, global->address) : forward(c, global->address));
}
