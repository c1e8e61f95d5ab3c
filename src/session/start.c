#include "session/start.h"

#include "base/arena.h"
#include "base/error.h"
#include "persona/image.h"
#include "persona/past.h"
#include "ssh/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { GROUPS_MAX = 31 }; /* supplementary ones of an account */

struct environment {
    struct span vars[SESSION_START_ENV_MAX]; /* NAME=value */
    size_t count;
    struct arena arena;
    int error; /* the first */
};

/* ---- The environment ---- */

static struct span name_of(struct span var)
{
    ptrdiff_t equals = span_find(var, '=', 0);
    return equals < 0 ? var : span_slice(var, 0, (size_t)equals);
}

/* Sets NAME=value; one that is there keeps its place and gets the new value, as in sshd. */
static void env_put(struct environment *env, struct span var)
{
    struct span copy = arena_copy(&env->arena, var);
    if (copy.data == NULL) {
        env->error = ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < env->count; i++) {
        if (span_equal(name_of(env->vars[i]), name_of(var))) {
            env->vars[i] = copy;
            return;
        }
    }
    if (env->count < SESSION_START_ENV_MAX)
        env->vars[env->count++] = copy;
}

__attribute__((format(printf, 2, 3))) static void env_set(struct environment *env,
                                                          const char *format_z, ...)
{
    struct buffer text;
    buffer_init(&text, SESSION_START_ARENA_BYTES);
    va_list args;
    va_start(args, format_z);
    int rc = buffer_vprintf(&text, format_z, args);
    va_end(args);
    if (rc < 0)
        env->error = rc;
    else
        env_put(env, buffer_span(&text));
    buffer_fini(&text);
}

/* pam_env: the NAME=value lines of a file. */
static void env_file(struct environment *env, const struct persona_image *image, const char *path_z)
{
    struct span text = session_account_file(image, path_z), line;
    while (session_account_line(&text, &line)) {
        if (line.len > 0 && line.data[0] != '#' && span_find(line, '=', 0) > 0)
            env_put(env, line);
    }
}

#define SPAN_ARGS(s) (int)(s).len, (const char *)(s).data

/* ---- What both set ---- */

static void env_locale(struct environment *env, const struct session_start *start)
{
    env_file(env, start->image, "/etc/default/locale");
}

static void env_user(struct environment *env, const struct session_start *start)
{
    const struct session_account *account = start->account;
    env_set(env, "USER=%.*s", SPAN_ARGS(account->name));
    env_set(env, "LOGNAME=%.*s", SPAN_ARGS(account->name));
    env_set(env, "HOME=%.*s", SPAN_ARGS(account->home));
}

static void env_path(struct environment *env, const struct session_start *start)
{
    env_set(env, "PATH=%s",
            start->account->uid == 0 ? start->profile->path_root_z : start->profile->path_z);
}

static void env_shell(struct environment *env, const struct session_start *start)
{
    env_set(env, "SHELL=%.*s", SPAN_ARGS(start->account->shell));
}

static void env_term(struct environment *env, const struct session_start *start)
{
    if (start->terminal != NULL)
        env_set(env, "TERM=%.*s", SPAN_ARGS(start->terminal->term));
}

static void env_tty(struct environment *env, const struct session_start *start)
{
    if (start->terminal != NULL)
        env_set(env, "SSH_TTY=/dev/pts/%u", start->terminal_number);
}

static void env_client(struct environment *env, const struct session_start *start)
{
    const struct session_peer *peer = start->peer;
    env_set(env, "SSH_CLIENT=%.*s %u %u", SPAN_ARGS(peer->src_ip), peer->src_port, peer->dst_port);
}

static void env_connection(struct environment *env, const struct session_start *start)
{
    const struct session_peer *peer = start->peer;
    env_set(env, "SSH_CONNECTION=%.*s %u %.*s %u", SPAN_ARGS(peer->src_ip), peer->src_port,
            SPAN_ARGS(peer->dst_ip), peer->dst_port);
}

/* ---- sshd ---- */

static void env_pam(struct environment *env, const struct session_start *start)
{
    env_set(env, "XDG_SESSION_ID=%u", start->login_number);
    env_set(env, "XDG_RUNTIME_DIR=/run/user/%u", start->account->uid);
    env_set(env, "XDG_SESSION_TYPE=tty");
    env_set(env, "XDG_SESSION_CLASS=user");
    env_set(env, "MOTD_SHOWN=pam");
    env_file(env, start->image, "/etc/environment");
    env_locale(env, start);
}

static void env_display(struct environment *env, const struct session_start *start)
{
    if (start->display != 0)
        env_set(env, "DISPLAY=localhost:%u.%u", start->display, start->screen);
}

static void env_agent(struct environment *env, const struct session_start *start)
{
    if (start->agent.len > 0)
        env_set(env, "SSH_AUTH_SOCK=%.*s", SPAN_ARGS(start->agent));
}

static void env_sshd(struct environment *env, const struct session_start *start)
{
    env_user(env, start);
    env_path(env, start);
    env_shell(env, start);
    env_term(env, start);
    env_display(env, start);
    env_agent(env, start);
    env_pam(env, start);
    env_client(env, start);
    env_connection(env, start);
    env_tty(env, start);
}

/* ---- dropbear: LANG is what systemd gives its services ---- */

static void env_dropbear(struct environment *env, const struct session_start *start)
{
    env_user(env, start);
    env_shell(env, start);
    env_path(env, start);
    env_locale(env, start);
    env_term(env, start);
    env_tty(env, start);
    env_connection(env, start);
    env_client(env, start);
    env_agent(env, start);
}

/* ---- The program ---- */

static struct span base_name(struct span path)
{
    size_t from = path.len;
    while (from > 0 && path.data[from - 1] != '/')
        from--;
    return span_slice(path, from, path.len);
}

static int spawn(struct kernel *k, const struct session_start *start, struct environment *env)
{
    const struct session_account *account = start->account;
    struct span shell = account->shell.len > 0 ? account->shell : span_z("/bin/sh");
    struct span name = base_name(shell);
    char dashed_z[PERSONA_NAME_MAX + 2];
    (void)snprintf(dashed_z, sizeof(dashed_z), "-%.*s", SPAN_ARGS(name));
    bool login = start->kind == SESSION_START_SHELL;
    const struct span argv[] = {login ? span_z(dashed_z) : name, span_z("-c"), start->command};
    uint32_t groups[GROUPS_MAX];
    const struct kernel_spawn program = {
        .argv = argv,
        .argc = login ? 1 : ARRAY_LEN(argv),
        .path = shell,
        .env = env->vars,
        .envc = env->count,
        .cwd = account->home,
        .uid = account->uid,
        .gid = account->gid,
        .groups = groups,
        .group_count = session_account_groups(start->group, account, groups, GROUPS_MAX),
        .terminal = start->terminal,
        .login = start->login,
    };
    return kernel_spawn(k, &program);
}

int session_start(struct kernel *k, const struct session_start *start)
{
    struct environment env = {.count = 0};
    arena_init(&env.arena, SESSION_START_ARENA_BYTES);
    for (size_t i = 0; i < start->client_envc; i++)
        env_put(&env, start->client_env[i]);
    if (start->profile->pam)
        env_sshd(&env, start);
    else
        env_dropbear(&env, start);
    int rc = env.error < 0 ? env.error : spawn(k, start, &env);
    arena_fini(&env.arena);
    return rc;
}

/* ---- The greeting ---- */

static int put_lines(struct span text, bool cr, struct buffer *out)
{
    struct span line;
    int rc = 0;
    while (rc == 0 && session_account_line(&text, &line)) {
        rc = buffer_put(out, line);
        if (rc == 0)
            rc = buffer_put_z(out, cr ? "\r\n" : "\n");
    }
    return rc;
}

/* "Linux HOST release ...": pam_motd shows what uname said at boot. */
static int put_uname(struct span text, struct span hostname, bool cr, struct buffer *out)
{
    ptrdiff_t from = span_find(text, ' ', 0);
    ptrdiff_t to = from < 0 ? -1 : span_find(text, ' ', (size_t)from + 1);
    if (to < 0)
        return put_lines(text, cr, out);
    int rc = buffer_put(out, span_slice(text, 0, (size_t)from + 1));
    if (rc == 0)
        rc = buffer_put(out, hostname);
    if (rc == 0)
        rc = put_lines(span_slice(text, (size_t)to, text.len), cr, out);
    return rc;
}

/* sshd ends the line with CR LF, and the terminal makes two of the LF. */
static int put_last_login(const struct session_start *start, struct buffer *out)
{
    char last_z[PERSONA_LAST_SIZE];
    const struct session_last *last = start->last;
    if (last != NULL && last->at_ms != 0 && last->uid == start->account->uid) {
        persona_say_login(last->at_ms, span_z(last->from_z), last_z);
        return buffer_printf(out, "Last login: %s\r\r\n", last_z);
    }
    if (start->identity == NULL ||
        !persona_last_login(start->identity, start->now_ms, start->account->name, last_z))
        return 0;
    return buffer_printf(out, "Last login: %s\r\r\n", last_z);
}

static bool is_hushed(const struct session_start *start)
{
    char path_z[512];
    int n = snprintf(path_z, sizeof(path_z), "%.*s/.hushlogin", SPAN_ARGS(start->account->home));
    return n > 0 && (size_t)n < sizeof(path_z) &&
           persona_image_lookup(start->image, span_z(path_z)) != 0;
}

int session_start_greeting(const struct session_start *start, struct span hostname,
                           struct buffer *out)
{
    bool pam = start->profile->pam, cr = start->terminal != NULL;
    int rc = 0;
    if (is_hushed(start) || (!pam && !cr))
        return 0;
    if (pam)
        rc = put_uname(session_account_file(start->image, "/run/motd.dynamic"), hostname, cr, out);
    if (rc == 0)
        rc = put_lines(session_account_file(start->image, "/etc/motd"), cr, out);
    if (rc == 0 && pam && cr) /* sshd knows of no last login where there is no terminal */
        rc = put_last_login(start, out);
    return rc;
}
