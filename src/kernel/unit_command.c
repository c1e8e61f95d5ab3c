/* A command of a unit file becomes a program (systemd.exec(5)). */
#include "kernel/daemon.h"
#include "kernel/identity.h"
#include "kernel/livelog.h"
#include "kernel/log_stream.h"
#include "kernel/machine.h"
#include "kernel/task.h"
#include "kernel/unit.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    ENV_MAX = 64,      /* variables */
    ENV_BYTES = 16384, /* of all of them */
    ENV_FILES_MAX = 8, /* files that tell them */
    FILES_MAX = 65536, /* of /etc/passwd */
    PATH_SIZE = UNIT_VALUE_MAX,
    FAILED_CHDIR = 200, /* what systemd's child ends with */
    FAILED_EXEC = 203,
    FAILED_USER = 217,
    INVOCATION_BYTES = 16,
    PROCESS_TEXT = 48,
    BYTE_COST = 5, /* instructions for each byte of a file that is looked through */
};

enum { NS_PER_US = 1000 };

#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Of whom it is, as passwd(5) says it. */
struct owner {
    uint32_t uid, gid;
    char name_z[BUS_NAME_MAX], home_z[BUS_PATH_MAX], shell_z[BUS_PATH_MAX];
};

/* ---- Files of the machine ---- */

static int read_file(struct kernel *k, const char *path_z, struct buffer *out)
{
    buffer_init(out, FILES_MAX);
    int rc = kernel_read_file(k, path_z, out);
    kernel_charge(k, (uint64_t)BYTE_COST * buffer_len(out));
    return rc;
}

static struct span take(struct span *rest, char end)
{
    ptrdiff_t at = rest->len > 0 ? span_find(*rest, (uint8_t)end, 0) : -1;
    struct span part = span_slice(*rest, 0, at < 0 ? rest->len : (size_t)at);
    *rest = span_slice(*rest, part.len + 1, rest->len);
    return part;
}

static uint32_t number_of(struct span digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.len && i < 9; i++)
        value = value * 10 + (uint32_t)(digits.data[i] - '0');
    return value;
}

/* By name or number. False: there is no such account. */
static bool find_owner(struct kernel *k, const char *who_z, struct owner *out)
{
    enum { NAME, SECRET, UID, GID, NOTE, HOME, SHELL, FIELDS };
    struct buffer text;
    bool found = false;
    if (read_file(k, "/etc/passwd", &text) == 0)
        for (struct span rest = buffer_span(&text); rest.len > 0 && !found;) {
            struct span line = take(&rest, '\n'), field[FIELDS];
            for (size_t i = 0; i < FIELDS; i++)
                field[i] = take(&line, ':');
            found = span_equal_z(field[NAME], who_z) || span_equal_z(field[UID], who_z);
            out->uid = number_of(field[UID]);
            out->gid = number_of(field[GID]);
            (void)span_copy_z(field[NAME], out->name_z, sizeof(out->name_z));
            (void)span_copy_z(field[HOME], out->home_z, sizeof(out->home_z));
            (void)span_copy_z(field[SHELL], out->shell_z, sizeof(out->shell_z));
        }
    buffer_fini(&text);
    return found;
}

/* ---- Variables: systemd.exec(5), "Environment variables in spawned processes" ---- */

struct environment {
    struct buffer bytes; /* NAME=value, each with its NUL */
};

static void set(struct environment *env, const char *name_z, const char *value_z)
{
    if (buffer_printf(&env->bytes, "%s=%s", name_z, value_z) == 0)
        (void)buffer_put_u8(&env->bytes, 0);
}

static bool is_variable(struct span word)
{
    return word.len > 0 && word.data[0] != '#' && span_find(word, '=', 0) > 0;
}

static void set_word(struct environment *env, struct span word)
{
    if (is_variable(word) && buffer_put(&env->bytes, word) == 0)
        (void)buffer_put_u8(&env->bytes, 0);
}

/* EnvironmentFile=: lines, whose values may be quoted. */
static void set_file(struct kernel *k, struct environment *env, const char *path_z)
{
    struct buffer text;
    if (read_file(k, path_z, &text) == 0)
        for (struct span rest = buffer_span(&text); rest.len > 0;) {
            struct span line = take(&rest, '\n'), name = take(&line, '=');
            if (line.len > 1 && (line.data[0] == '"' || line.data[0] == '\'') &&
                line.data[line.len - 1] == line.data[0])
                line = span_slice(line, 1, line.len - 1);
            char name_z[BUS_NAME_MAX], value_z[UNIT_VALUE_MAX];
            (void)span_copy_z(name, name_z, sizeof(name_z));
            (void)span_copy_z(line, value_z, sizeof(value_z));
            if (name_z[0] != '\0' && name_z[0] != '#')
                set(env, name_z, value_z);
        }
    buffer_fini(&text);
}

static void set_own(struct kernel *k, const struct unit *u, struct environment *env)
{
    const struct unit_names names = {.name_z = u->name_z, .hostname_z = k->hostname_z};
    char value_z[UNIT_VALUE_MAX];
    for (size_t n = 0; n < ENV_MAX &&
                       unit_text_value(buffer_span(&u->text), "Service", "Environment", n, value_z);
         n++) {
        struct unit_words words;
        if (unit_text_words(value_z, &names, &words) == 0)
            for (size_t i = 0; i < words.count; i++)
                set_word(env, words.word[i]);
        unit_words_fini(&words);
    }
    for (size_t n = 0; n < ENV_FILES_MAX && unit_text_value(buffer_span(&u->text), "Service",
                                                            "EnvironmentFile", n, value_z);
         n++)
        set_file(k, env, value_z[0] == '-' ? value_z + 1 : value_z);
}

static void set_all(struct kernel *k, const struct unit *u, const struct owner *owner,
                    bool has_user, struct environment *env)
{
    uint8_t id[INVOCATION_BYTES];
    char id_z[2 * INVOCATION_BYTES + 1];
    buffer_init(&env->bytes, ENV_BYTES);
    set_file(k, env, "/etc/default/locale");
    set(env, "PATH", SEARCH_PATH);
    if (has_user) {
        set(env, "HOME", owner->home_z);
        set(env, "LOGNAME", owner->name_z);
        set(env, "USER", owner->name_z);
        set(env, "SHELL", owner->shell_z);
    }
    crypto_rng_bytes(&k->rng, id, sizeof(id));
    for (size_t i = 0; i < sizeof(id); i++)
        (void)snprintf(id_z + 2 * i, 3, "%02x", id[i]);
    set(env, "INVOCATION_ID", id_z);
    set_own(k, u, env);
}

/* What it can tell only of the process that is about to be: JOURNAL_STREAM is its standard output. */
static void set_process(struct environment *env, int32_t pid, struct file *out)
{
    struct file_stat st;
    char text_z[PROCESS_TEXT];
    if (out != NULL && file_stat(out, &st) == 0) {
        (void)snprintf(text_z, sizeof(text_z), "%llu:%llu", (unsigned long long)st.dev,
                       (unsigned long long)st.ino);
        set(env, "JOURNAL_STREAM", text_z);
    }
    (void)snprintf(text_z, sizeof(text_z), "%d", pid);
    set(env, "SYSTEMD_EXEC_PID", text_z);
}

static size_t list(const struct environment *env, struct span out[ENV_MAX])
{
    size_t count = 0;
    for (struct span rest = buffer_span(&env->bytes); rest.len > 0 && count < ENV_MAX;)
        out[count++] = take(&rest, '\0');
    return count;
}

/* ---- The program ---- */

/* A name without a slash is looked for. */
static void find_program(struct kernel *k, struct span word, char path_z[PATH_SIZE])
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    struct file_stat st;
    (void)span_copy_z(word, path_z, PATH_SIZE);
    bool found = span_find(word, '/', 0) >= 0;
    for (struct span rest = span_z(SEARCH_PATH); rest.len > 0 && !found && at.fs != NULL;) {
        struct span folder = take(&rest, ':');
        (void)snprintf(path_z, PATH_SIZE, "%.*s/%.*s", (int)folder.len, (const char *)folder.data,
                       (int)word.len, (const char *)word.data);
        found = vfs_stat(&at, span_z(path_z), true, &st) == 0;
    }
    if (!found)
        (void)span_copy_z(word, path_z, PATH_SIZE);
    if (at.fs != NULL)
        fs_context_drop(at.fs);
}

static struct span base_of(struct span path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.data[i - 1] == '/')
            return span_slice(path, i, path.len);
    return path;
}

/* Where it writes: the log, unless the unit says that nobody wants it. */
static struct file *open_out(struct kernel *k, const struct unit *u, const char *path_z)
{
    char value_z[UNIT_VALUE_MAX];
    int error;
    if (unit_text_last(buffer_span(&u->text), "Service", "StandardOutput", value_z) &&
        strcmp(value_z, "null") == 0)
        return NULL;
    return log_stream_open(k, base_of(span_z(path_z)), &error);
}

/* The child of systemd that was to become the program says why it cannot, and ends. */
static int fail(struct kernel *k, struct unit *u, enum unit_role role, int status,
                const char *path_z, int error)
{
    enum { STATUS_SHIFT = 8, TEXT_SIZE = UNIT_VALUE_MAX + BUS_NAME_MAX + 64 };
    static const struct {
        int status;
        const char *step_z, *what_z;
    } steps[] = {
        {FAILED_CHDIR, "CHDIR", "Changing to the requested working directory failed"},
        {FAILED_EXEC, "EXEC", "Failed to locate executable"},
        {FAILED_USER, "USER", "Failed to determine user credentials"},
    };
    char text_z[TEXT_SIZE];
    size_t i = 0;
    int32_t pid = kernel_new_pid(k);
    const char *why_z = error == -EACCES    ? "Permission denied"
                        : error == -ENOEXEC ? "Exec format error"
                        : error == -ESRCH   ? "No such process"
                        : error == -ENOTDIR ? "Not a directory"
                        : error == -ENOMEM  ? "Cannot allocate memory"
                        : error == -EAGAIN  ? "Resource temporarily unavailable"
                                            : "No such file or directory";
    while (steps[i].status != status)
        i++;
    bool is_found = status == FAILED_EXEC && error == -ENOEXEC;
    (void)snprintf(text_z, sizeof(text_z), "%s: %s%s%s: %s", u->name_z,
                   is_found ? "Failed to execute" : steps[i].what_z,
                   status == FAILED_EXEC ? " " : "", status == FAILED_EXEC ? path_z : "", why_z);
    livelog_child(k, pid, path_z, text_z);
    (void)snprintf(text_z, sizeof(text_z), "%s: Failed at step %s spawning %s: %s", u->name_z,
                   steps[i].step_z, path_z, why_z);
    livelog_child(k, pid, path_z, text_z);
    struct unit_end *end = role == UNIT_MAIN ? &u->main_end : &u->control_end;
    *end = (struct unit_end){true, status << STATUS_SHIFT};
    *(role == UNIT_MAIN ? &u->main : &u->control) = pid;
    u->touched = true;
    kernel_charge(k, (uint64_t)(UNIT_LEAST_NS / NS_PER_US) * KERNEL_INSTRUCTIONS_US);
    return -1;
}

static int start(struct kernel *k, struct unit *u, struct unit_words *words,
                 const struct owner *owner, struct environment *env, enum unit_role role)
{
    struct span argv[UNIT_WORDS_MAX], vars[ENV_MAX];
    char path_z[PATH_SIZE], cwd_z[UNIT_VALUE_MAX];
    size_t skipped = words->names_itself && words->count > 1 ? 1 : 0;
    find_program(k, words->word[0], path_z);
    for (size_t i = skipped; i < words->count; i++)
        argv[i - skipped] = words->word[i];
    if (!unit_text_last(buffer_span(&u->text), "Service", "WorkingDirectory", cwd_z))
        memcpy(cwd_z, "/", sizeof("/"));
    bool cwd_may_fail = cwd_z[0] == '-';
    const char *folder_z = strcmp(cwd_z, "~") == 0 ? owner->home_z : cwd_z + cwd_may_fail;
    struct file *out = open_out(k, u, path_z);
    int32_t number = kernel_new_pid(k);
    set_process(env, number, out);
    struct daemon d = {.pid = number,
                       .out = out,
                       .spawn = {.argv = argv,
                                 .argc = words->count - skipped,
                                 .path = span_z(path_z),
                                 .env = vars,
                                 .envc = list(env, vars),
                                 .cwd = span_z(folder_z),
                                 .uid = owner->uid,
                                 .gid = owner->gid},
                       .unit = u};
    int32_t pid = daemon_start(k, &d);
    if (pid == -ENOENT && strcmp(folder_z, "/") != 0) { /* of which of the two? */
        struct file_stat st;
        struct creds root = {.cap_effective = UINT64_MAX};
        struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
        bool is_there = at.fs != NULL && vfs_stat(&at, span_z(folder_z), true, &st) == 0;
        if (at.fs != NULL)
            fs_context_drop(at.fs);
        if (!is_there)
            return fail(k, u, role, FAILED_CHDIR, path_z, -ENOENT);
    }
    if (pid < 0)
        return fail(k, u, role, FAILED_EXEC, path_z, pid);
    *(role == UNIT_MAIN ? &u->main : &u->control) = pid;
    return 1;
}

int unit_run(struct kernel *k, struct unit *u, const char *key_z, size_t n, enum unit_role role)
{
    char line_z[UNIT_VALUE_MAX], user_z[UNIT_VALUE_MAX];
    struct owner owner = {.uid = 0, .name_z = "root", .home_z = "/root", .shell_z = "/bin/sh"};
    struct environment env;
    struct unit_words words;
    if (!unit_text_value(buffer_span(&u->text), "Service", key_z, n, line_z))
        return 0;
    bool has_user = unit_text_last(buffer_span(&u->text), "Service", "User", user_z);
    bool is_known = !has_user || find_owner(k, user_z, &owner);
    set_all(k, u, &owner, has_user, &env);
    const struct unit_names names = {
        .name_z = u->name_z, .hostname_z = k->hostname_z, .env = buffer_span(&env.bytes)};
    int rc = unit_text_words(line_z, &names, &words);
    bool *may_fail = role == UNIT_MAIN ? &u->main_may_fail : &u->control_may_fail;
    *may_fail = words.may_fail;
    if (rc < 0 || words.count == 0)
        rc = fail(k, u, role, FAILED_EXEC, line_z, -ENOENT);
    else if (!is_known)
        rc = fail(k, u, role, FAILED_USER, line_z, -ESRCH);
    else
        rc = start(k, u, &words, &owner, &env, role);
    unit_words_fini(&words);
    buffer_fini(&env.bytes);
    return rc;
}
