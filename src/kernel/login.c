#include "kernel/login.h"

#include "kernel/kind.h"
#include "kernel/livelog.h"
#include "kernel/program.h"
#include "kernel/socket.h"
#include "kernel/tty_line.h"
#include "kernel/vfs.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MANAGER_AFTER =
        3, /* numbers between the first sshd and systemd --user: it checks the password */
    WORKER_AFTER = 9, /* and from there to the second: generators and scripts of the login */
    TTY_BITS = 64,
    LINE_SIZE = 256, /* of the log */
};

/* ---- Which there are ---- */

struct login *login_at(const struct kernel *k, int number)
{
    assert(k != NULL);
    if (number == LOGIN_OWN)
        return (struct login *)&k->login;
    bool is_there = number >= 0 && number < KERNEL_LOGINS_MAX && k->inner != NULL;
    return is_there && k->inner[number].monitor != 0 ? &k->inner[number] : NULL;
}

bool login_is_on(const struct kernel *k, int number)
{
    const struct login *l = login_at(k, number);
    return l != NULL && l->until_ns == 0;
}

int32_t login_pid(const struct kernel *k, const struct login *l, enum login_process which)
{
    const int32_t pids[LOGIN_PROCESSES] = {l->monitor, l->manager, l->own_pam, l->worker};
    bool is_there = which == LOGIN_WORKER || k->hardware.kind->login.has_systemd;
    return l->until_ns == 0 && l->monitor != 0 && is_there ? pids[which] : 0;
}

const struct login *login_find(const struct kernel *k, int32_t pid, enum login_process *which)
{
    for (int number = LOGIN_OWN; number < KERNEL_LOGINS_MAX; number++) {
        const struct login *l = login_at(k, number);
        for (int i = 0; l != NULL && i < LOGIN_PROCESSES; i++) {
            *which = (enum login_process)i;
            if (pid > 0 && login_pid(k, l, *which) == pid)
                return l;
        }
    }
    return NULL;
}

const struct login *login_of(const struct kernel *k, const struct process *p)
{
    while (p->parent != NULL)
        p = p->parent;
    enum login_process which;
    const struct login *l = login_find(k, p->outer_ppid, &which);
    return l != NULL ? l : &k->login;
}

/* ---- Coming ---- */

/* systemd starts a manager for the first login of a user. */
static bool has_manager(const struct kernel *k, uint32_t uid)
{
    for (int number = LOGIN_OWN; number < KERNEL_LOGINS_MAX; number++) {
        const struct login *l = login_at(k, number);
        if (l != NULL && l->uid == uid && login_pid(k, l, LOGIN_MANAGER) != 0)
            return true;
    }
    return false;
}

static void begin(struct kernel *k, struct login *l, int32_t monitor)
{
    bool is_first = !has_manager(k, l->uid);
    l->at_ns = k->now_ns;
    l->monitor = monitor;
    k->last_pid += MANAGER_AFTER;
    l->manager = is_first ? kernel_new_pid(k) : 0;
    l->own_pam = is_first ? kernel_new_pid(k) : 0;
    k->last_pid += is_first ? WORKER_AFTER : 0;
    l->worker = kernel_new_pid(k);
}

/* The processes that seem to stand above the visitor's first program: made with it. */
int32_t kernel_server_pid(struct kernel *k)
{
    if (k->login.monitor == 0)
        begin(k, &k->login, kernel_new_pid(k));
    return k->login.worker;
}

/* A place that nobody had, or whoever has been gone for the longest time. -1: all are on. */
static int free_place(const struct kernel *k)
{
    int oldest = -1;
    for (int i = 0; i < KERNEL_LOGINS_MAX; i++) {
        const struct login *l = &k->inner[i];
        if (l->monitor == 0)
            return i;
        if (l->until_ns != 0 && (oldest < 0 || l->until_ns < k->inner[oldest].until_ns))
            oldest = i;
    }
    return oldest;
}

static void caller_of(const struct socket_name *name, struct kernel_caller *out)
{
    struct net_ip ip;
    *out = (struct kernel_caller){.port = 0};
    socket_ip_of(name, &ip, &out->port);
    out->address_z[net_ip_text(&ip, out->address_z)] = '\0';
}

int kernel_log_in(struct kernel *k, int connection, const struct kernel_user *user)
{
    const struct socket *s = program_socket(k, connection);
    if (k->inner == NULL)
        k->inner = calloc(KERNEL_LOGINS_MAX, sizeof *k->inner);
    if (k->inner == NULL)
        return -ENOMEM;
    int place = s != NULL ? free_place(k) : -1;
    if (place < 0)
        return -EAGAIN;
    struct login *l = &k->inner[place];
    struct kernel_caller from;
    caller_of(&s->peer_name, &from);
    *l = (struct login){
        .uid = user->uid, .number = user->number, .connection = connection, .port = from.port};
    memcpy(l->from_z, from.address_z, sizeof(l->from_z));
    span_copy_z(user->name, l->user_z, sizeof(l->user_z));
    begin(k, l, k->programs[connection]->monitor);
    return place + 1;
}

/* ---- Connections that wait for an answer ---- */

int kernel_answer(struct kernel *k, struct kernel_caller *peer, struct kernel_caller *local)
{
    struct socket *oldest = NULL;
    for (struct socket *s = k->vfs->sockets; s != NULL; s = s->next) /* the newest is first */
        if (s->asks)
            oldest = s;
    if (oldest == NULL)
        return -EAGAIN;
    int number = program_of_socket(k, oldest);
    if (number < 0)
        return number;
    oldest->asks = false;
    k->programs[number]->monitor = kernel_new_pid(k);
    caller_of(&oldest->peer_name, peer);
    caller_of(&oldest->name, local);
    vfs_wake(k->vfs, oldest); /* who found the queue full */
    return number;
}

/* What sshd and its PAM say of a password that was wrong. */
void kernel_log_refusal(struct kernel *k, int connection, struct span name, bool is_valid)
{
    const struct socket *s = program_socket(k, connection);
    int index = service_named(k, span_z("sshd"));
    char text_z[LINE_SIZE];
    struct kernel_caller from;
    if (s == NULL || index < 0)
        return;
    caller_of(&s->peer_name, &from);
    int32_t pid = k->programs[connection]->monitor;
    int n = (int)(name.len < KERNEL_USER_MAX ? name.len : KERNEL_USER_MAX);
    (void)snprintf(text_z, sizeof(text_z),
                   "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh "
                   "ruser= rhost=%s %s%.*s",
                   from.address_z, is_valid ? " user=" : "", is_valid ? n : 0,
                   (const char *)name.data);
    livelog_service(k, (size_t)index, pid, text_z);
    (void)snprintf(text_z, sizeof(text_z), "Failed password for %s%.*s from %s port %u ssh2",
                   is_valid ? "" : "invalid user ", n, (const char *)name.data, from.address_z,
                   from.port);
    livelog_service(k, (size_t)index, pid, text_z);
}

uint32_t kernel_next_terminal(const struct kernel *k)
{
    uint32_t number = 0;
    while (tty_find(k->vfs, number) != NULL)
        number++;
    return number;
}

void login_note_terminal(struct kernel *k, int number, unsigned tty)
{
    struct login *l = login_at(k, number);
    if (l != NULL && tty < TTY_BITS)
        l->ttys |= UINT64_C(1) << tty;
}

/* ---- Going ---- */

void login_end(struct kernel *k, int connection)
{
    for (int i = 0; k->inner != NULL && i < KERNEL_LOGINS_MAX; i++) {
        struct login *l = &k->inner[i];
        if (l->monitor == 0 || l->until_ns != 0 || l->connection != connection)
            continue;
        l->until_ns = k->now_ns;
        l->connection = -1;
        for (struct process *p = k->processes; p != NULL; p = p->next)
            if (p->parent == NULL && p->outer_ppid == l->worker)
                p->outer_ppid = 1;
    }
}

void login_end_all(struct kernel *k)
{
    struct socket *next = k->vfs != NULL ? k->vfs->sockets : NULL;
    while (next != NULL) {
        struct socket *s = next;
        next = s->next;
        if (s->asks)
            socket_free(s);
    }
    free(k->inner);
    k->inner = NULL;
}
