#include "kernel/program.h"

#include "kernel/capability.h"
#include "kernel/exec.h"
#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/hardware.h"
#include "kernel/login.h"
#include "kernel/pipe.h"
#include "kernel/socket.h"
#include "kernel/tty.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

enum {
    OPEN_FILES_SOFT = 1024, /* as sshd's children have them on Debian 12 */
    OPEN_FILES_HARD = 1048576,
    STACK_SOFT = 8 << 20,
    MESSAGE_QUEUES = 819200,
};

/* ---- Starting ---- */

static void default_limits(const struct hardware *h, struct rlimit64 limits[RLIM_NLIMITS])
{
    for (int i = 0; i < RLIM_NLIMITS; i++)
        limits[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
    limits[RLIMIT_STACK].rlim_cur = STACK_SOFT;
    limits[RLIMIT_CORE].rlim_cur = 0;
    limits[RLIMIT_NOFILE] = (struct rlimit64){OPEN_FILES_SOFT, OPEN_FILES_HARD};
    limits[RLIMIT_MEMLOCK] = (struct rlimit64){h->max_locked, h->max_locked};
    limits[RLIMIT_MSGQUEUE] = (struct rlimit64){MESSAGE_QUEUES, MESSAGE_QUEUES};
    limits[RLIMIT_NICE] = limits[RLIMIT_RTPRIO] = (struct rlimit64){0, 0};
    /* What a machine of this size allows; kernel_limits.processes is met before it. */
    limits[RLIMIT_NPROC] = limits[RLIMIT_SIGPENDING] =
        (struct rlimit64){h->max_processes, h->max_processes};
}

bool program_has_default_limits(const struct process *p)
{
    struct rlimit64 limits[RLIM_NLIMITS];
    default_limits(&p->kernel->hardware, limits);
    return memcmp(limits, p->limits, sizeof(limits)) == 0;
}

void program_creds(const struct kernel_spawn *spawn, struct creds *c)
{
    uint32_t uid = spawn->uid, gid = spawn->gid;
    const uint64_t all = CAPABILITY_ALL;
    c->uid = c->euid = c->suid = c->fsuid = uid;
    c->gid = c->egid = c->sgid = c->fsgid = gid;
    c->groups[c->group_count++] = gid;
    for (size_t i = 0; i < spawn->group_count && c->group_count < TASK_GROUPS_MAX; i++)
        c->groups[c->group_count++] = spawn->groups[i];
    c->cap_bounding = all;
    c->cap_permitted = c->cap_effective = uid == 0 ? all : 0;
}

struct task *program_new_leader(struct kernel *k, const struct kernel_spawn *spawn, int32_t pid)
{
    struct process *p = process_new(k, NULL);
    if (p == NULL)
        return NULL;
    struct task *t = NULL;
    if (pid != 0)
        p->pid = pid;
    p->pgid = p->pid;
    p->exit_signal = SIGCHLD;
    p->session = session_new(p->pid);
    p->actions = signal_table_new();
    default_limits(&k->hardware, p->limits);
    if (p->session != NULL && p->actions != NULL)
        t = task_new(p, p->pid);
    if (t == NULL) {
        process_free(p);
        return NULL;
    }
    program_creds(spawn, &t->creds);
    t->signals.stack_flags = SS_DISABLE;
    t->files = fd_table_new();
    t->fs = fs_context_new(k->vfs);
    if (t->files == NULL || t->fs == NULL) {
        task_free(t);
        process_free(p);
        return NULL;
    }
    return t;
}

/* One that the visitor's sshd seems to have started: getppid tells it. */
static struct task *new_leader(struct kernel *k, const struct kernel_spawn *spawn)
{
    int32_t server = kernel_server_pid(k);
    if (spawn->login > 0)
        server = login_at(k, spawn->login - 1)->worker;
    struct task *t = program_new_leader(k, spawn, 0);
    if (t != NULL)
        t->process->outer_ppid = server;
    return t;
}

/* ---- Doors ---- */

static void doors_close(struct program *program)
{
    if (program->tty != NULL)
        tty_close_line(program->tty);
    pipe_door_close(program->in);
    pipe_door_close(program->out);
    pipe_door_close(program->err);
    program_close_socket(program);
    program->tty = NULL;
    program->in = program->out = program->err = NULL;
}

static int install(struct task *t, struct file *f, int fd)
{
    int got = fd_table_set(t->files, f, fd, OPEN_FILES_SOFT, false);
    return got < 0 ? got : 0;
}

static int open_pipes(struct kernel *k, struct program *program, struct task *t)
{
    struct file *in = NULL, *out = NULL, *err = NULL;
    int error = pipe_door_in(k->vfs, &program->in, &in);
    if (error == 0)
        error = install(t, in, KERNEL_STDIN);
    if (error == 0)
        error = pipe_door_out(k->vfs, k->limits.stream_bytes, &program->out, &out);
    if (error == 0)
        error = install(t, out, KERNEL_STDOUT);
    if (error == 0)
        error = pipe_door_out(k->vfs, k->limits.stream_bytes, &program->err, &err);
    if (error == 0)
        error = install(t, err, KERNEL_STDERR);
    return error;
}

static int open_terminal(struct kernel *k, struct program *program, struct task *t,
                         const struct kernel_terminal *terminal)
{
    int error = 0;
    program->tty = tty_new(k->vfs, k->limits.stream_bytes, &error);
    if (program->tty == NULL)
        return error;
    tty_set_owner(program->tty, t->creds.uid);
    tty_modes_decode(tty_modes(program->tty), terminal->modes, !terminal->keeps_speed);
    tty_resize(program->tty, terminal->columns, terminal->rows);
    struct file *f = tty_open(program->tty, O_RDWR, &error);
    if (f == NULL)
        return error;
    for (int fd = KERNEL_STDIN; fd <= KERNEL_STDERR && error == 0; fd++)
        error = install(t, fd == KERNEL_STDIN ? f : file_hold(f), fd);
    t->process->session->tty = program->tty;
    tty_set_session(program->tty, t->process->session->sid, t->process->pgid);
    return error;
}

/* ---- kernel_spawn ---- */

static bool names_term(const struct kernel_spawn *spawn)
{
    for (size_t i = 0; i < spawn->envc; i++)
        if (span_starts_with(spawn->env[i], span_z("TERM=")))
            return true;
    return false;
}

int program_exec(struct task *t, const struct kernel_spawn *spawn)
{
    struct exec x = {.task = t, .path = spawn->path};
    struct vfs_at at = {.fs = t->fs, .cred = &t->creds, .task = t};
    int error = 0;
    for (size_t i = 0; i < spawn->argc && error == 0; i++)
        error = exec_strings_add(&x.args, spawn->argv[i]);
    for (size_t i = 0; i < spawn->envc && error == 0; i++)
        error = exec_strings_add(&x.env, spawn->env[i]);
    if (error == 0 && spawn->terminal != NULL && spawn->terminal->term.len > 0 &&
        !names_term(spawn)) {
        char term_z[64];
        snprintf(term_z, sizeof(term_z), "TERM=%.*s", (int)spawn->terminal->term.len,
                 (const char *)spawn->terminal->term.data);
        error = exec_strings_add(&x.env, span_z(term_z));
    }
    if (error == 0 && x.args.len + x.env.len > exec_strings_limit(t))
        error = -E2BIG;
    if (error == 0)
        error = vfs_open_exec(&at, spawn->path, true, &x.file);
    if (error == 0)
        error = exec_run(&x);
    exec_strings_free(&x.args);
    exec_strings_free(&x.env);
    return error;
}

static int lowest_free(const struct kernel *k)
{
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++)
        if (k->programs[i] == NULL)
            return i;
    return -EAGAIN;
}

/* A start that failed leaves nothing behind. */
static void undo(struct kernel *k, struct program *program, struct task *t)
{
    struct process *p = t->process;
    p->session->tty = NULL;
    task_free(t);
    process_free(p);
    k->programs[program->number] = NULL;
    doors_close(program);
    free(program);
}

int program_of_socket(struct kernel *k, struct socket *s)
{
    int number = lowest_free(k);
    struct program *program = number >= 0 ? calloc(1, sizeof(*program)) : NULL;
    if (program == NULL)
        return number < 0 ? number : -ENOMEM;
    *program = (struct program){.number = number, .socket = s, .login = LOGIN_OWN};
    k->programs[number] = program;
    return number;
}

int kernel_spawn(struct kernel *k, const struct kernel_spawn *spawn)
{
    int number = lowest_free(k);
    if (number < 0)
        return number;
    if (spawn->path.len == 0)
        return -ENOENT;
    if (k->over || k->process_count >= k->limits.processes || !login_is_on(k, spawn->login - 1))
        return -EAGAIN;
    struct program *program = calloc(1, sizeof(*program));
    struct task *t = program != NULL ? new_leader(k, spawn) : NULL;
    if (t == NULL) {
        free(program);
        return -ENOMEM;
    }
    program->number = number;
    program->process = t->process;
    program->login = spawn->login - 1;
    t->process->program = number;
    k->programs[number] = program;
    /* As sshd: where the home directory is not there, the program starts in "/". */
    if (spawn->cwd.len > 0)
        (void)fs_context_chdir(t->fs, &t->creds, spawn->cwd);
    int error = spawn->terminal != NULL ? open_terminal(k, program, t, spawn->terminal)
                                        : open_pipes(k, program, t);
    if (error == 0)
        error = program_exec(t, spawn);
    if (error != 0) {
        undo(k, program, t);
        return error;
    }
    if (program->tty != NULL)
        login_note_terminal(k, program->login, tty_number(program->tty));
    return number;
}

void program_process_ended(struct kernel *k, struct process *p)
{
    struct program *program = p->program >= 0 ? k->programs[p->program] : NULL;
    if (program == NULL || program->process != p)
        return;
    struct kernel_event event = {.type = KERNEL_DONE,
                                 .program = program->number,
                                 .pid = p->pid,
                                 .ppid = process_ppid(p),
                                 .uid = p->uid,
                                 .status = p->status};
    program->process = NULL;
    kernel_emit(k, NULL, &event);
}

void program_free_all(struct kernel *k)
{
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++)
        kernel_release(k, i);
    login_end_all(k);
}

/* ---- The doors, from outside ---- */

static struct program *find(const struct kernel *k, int program)
{
    return program >= 0 && program < KERNEL_PROGRAMS_MAX ? k->programs[program] : NULL;
}

struct socket *program_socket(const struct kernel *k, int program)
{
    const struct program *p = find(k, program);
    return p != NULL ? p->socket : NULL;
}

static struct pipe *out_pipe(const struct program *program, enum kernel_stream stream)
{
    switch (stream) {
    case KERNEL_STDOUT: return program->out;
    case KERNEL_STDERR: return program->err;
    default: return NULL;
    }
}

static size_t put_socket(struct socket *s, struct span bytes)
{
    const struct socket_about about = {
        .from = s->name, .pid = s->pid, .uid = s->uid, .gid = s->gid};
    int64_t n = socket_send(s, bytes, &about);
    return n >= 0 ? (size_t)n : n == -EAGAIN || n == -ENOBUFS ? 0 : bytes.len;
}

size_t kernel_put(struct kernel *k, int program, struct span bytes)
{
    struct program *p = find(k, program);
    if (p == NULL)
        return bytes.len; /* nobody is there to read it */
    if (p->tty != NULL)
        return tty_put(p->tty, bytes);
    if (p->socket != NULL)
        return put_socket(p->socket, bytes);
    return p->in != NULL ? pipe_put(p->in, bytes) : bytes.len;
}

void kernel_put_end(struct kernel *k, int program)
{
    struct program *p = find(k, program);
    if (p != NULL && p->in != NULL)
        pipe_put_end(p->in);
    if (p != NULL && p->socket != NULL)
        socket_shut_write(p->socket);
}

struct span kernel_out(struct kernel *k, int program, enum kernel_stream stream)
{
    static const struct span none = {NULL, 0};
    struct program *p = find(k, program);
    if (p == NULL)
        return none;
    if (p->tty != NULL)
        return stream == KERNEL_STDOUT ? tty_out(p->tty) : none;
    if (p->socket != NULL)
        return stream == KERNEL_STDOUT ? socket_waiting(p->socket) : none;
    struct pipe *pipe = out_pipe(p, stream);
    return pipe != NULL ? pipe_out(pipe) : none;
}

void kernel_sent(struct kernel *k, int program, enum kernel_stream stream, size_t n)
{
    struct program *p = find(k, program);
    if (p == NULL)
        return;
    struct pipe *pipe = out_pipe(p, stream);
    if (p->tty != NULL && stream == KERNEL_STDOUT)
        tty_sent(p->tty, n);
    else if (p->socket != NULL && stream == KERNEL_STDOUT)
        socket_taken(p->socket, n);
    else if (pipe != NULL)
        pipe_sent(pipe, n);
}

bool kernel_out_ended(struct kernel *k, int program, enum kernel_stream stream)
{
    struct program *p = find(k, program);
    if (p == NULL)
        return true;
    if (p->tty != NULL)
        return stream != KERNEL_STDOUT || (tty_is_ended(p->tty) && tty_out(p->tty).len == 0);
    if (p->socket != NULL)
        return stream != KERNEL_STDOUT || socket_is_ended(p->socket);
    struct pipe *pipe = out_pipe(p, stream);
    return pipe == NULL || (pipe_is_ended(pipe) && pipe_out(pipe).len == 0);
}

void kernel_close_out(struct kernel *k, int program)
{
    struct program *p = find(k, program);
    if (p == NULL || p->tty != NULL)
        return;
    pipe_door_close(p->out);
    p->out = NULL;
}

bool kernel_hides_input(struct kernel *k, int program)
{
    struct program *p = find(k, program);
    if (p == NULL || p->tty == NULL)
        return false;
    uint32_t lflag = tty_modes(p->tty)->lflag;
    return (lflag & ICANON) != 0 && (lflag & ECHO) == 0;
}

void kernel_resize(struct kernel *k, int program, uint16_t columns, uint16_t rows)
{
    struct program *p = find(k, program);
    if (p != NULL && p->tty != NULL)
        tty_resize(p->tty, columns, rows);
}

int kernel_signal(struct kernel *k, int program, int signo)
{
    struct program *p = find(k, program);
    if (signo < 1 || signo > SIGNAL_MAX)
        return -EINVAL;
    if (p == NULL || p->process == NULL)
        return -ESRCH;
    struct signal_info info = {.signo = signo, .code = SI_USER, .pid = p->process->outer_ppid};
    signal_send_process(p->process, &info);
    return 0;
}

void kernel_hangup(struct kernel *k, int program)
{
    struct program *p = find(k, program);
    if (p == NULL)
        return;
    if (p->tty != NULL) {
        tty_hangup(p->tty);
        return;
    }
    doors_close(p);
}

void kernel_release(struct kernel *k, int program)
{
    struct program *p = find(k, program);
    if (p == NULL)
        return;
    k->programs[program] = NULL;
    for (struct process *each = k->processes; each != NULL; each = each->next)
        if (each->program == program)
            each->program = -1;
    login_end(k, program);
    doors_close(p);
    free(p);
}
