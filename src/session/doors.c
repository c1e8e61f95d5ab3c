/* What of a machine's files lets somebody in: passwords, accounts, public keys. */
#include "session/doors.h"
#include "base/error.h"
#include "session/authorized.h"
#include "session/connection.h"
#include "session/text.h"
#include "ssh/fingerprint.h"

#include <stdio.h>
#include <string.h>

enum {
    FIRST_USER = 1000,
    PATH_SIZE = 512,
    KEY_LINE_MAX = 65536,
    ACCOUNTS_MAX = 64, /* whose keys are looked at, though a visitor can make thousands ... */
    KEYS_MAX = 256,    /* ... and keys of all of them together */
};

int session_doors_public(const struct session_connection *c, struct span user, struct span blob,
                         uint8_t out[FRAME_VISIT_KEY])
{
    const struct span parts[] = {span_z("public"), user, blob};
    return session_visitor_key(c, parts, ARRAY_LEN(parts), out, FRAME_VISIT_KEY);
}

bool session_doors_has_public(const struct frame_visitor *visitor, struct span key)
{
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++)
        if (span_equal(key, span_of(visitor->publics[i], FRAME_VISIT_KEY)))
            return true;
    return false;
}

/* ---- Accounts and passwords ---- */

/* A file of it; without it, or when it is too long, that of the image. `store` is the caller's. */
static struct span file_of(const struct session_connection *c, struct kernel *machine,
                           const char *path_z, struct buffer *store)
{
    buffer_init(store, SESSION_VISITOR_FILE_MAX);
    return kernel_read_file(machine, path_z, store) == 0
               ? buffer_span(store)
               : session_account_file(c->host->config.image, path_z);
}

struct span session_doors_group(struct session_connection *c, struct buffer *store)
{
    if (c->kernel != NULL && (c->visitor.before.passwords || kernel_is_changed(c->kernel)))
        return file_of(c, c->kernel, "/etc/group", store);
    buffer_init(store, SESSION_VISITOR_FILE_MAX);
    return session_account_file(c->host->config.image, "/etc/group");
}

static bool copy_account(struct session_connection *c, const struct session_account *from,
                         struct session_account *to)
{
    *to = *from;
    to->name = arena_copy(&c->arena, from->name);
    to->home = arena_copy(&c->arena, from->home);
    to->shell = arena_copy(&c->arena, from->shell);
    return to->name.data != NULL && to->home.data != NULL && to->shell.data != NULL;
}

bool session_doors_account(struct session_connection *c, struct kernel *machine, struct span user,
                           struct session_account *account)
{
    struct buffer store;
    struct session_account found;
    struct span passwd = file_of(c, machine, "/etc/passwd", &store);
    bool there = session_account_find_in(passwd, user, &found) && copy_account(c, &found, account);
    buffer_fini(&store);
    return there;
}

/* A line of shadow(5) up to its hash and behind it: with the salt of the image it is no password of the visitor's
 * own, but the hash of the one that let him in (kernel/secret.h). */
static bool is_same_secret(struct span a, struct span b)
{
    enum { SALT_END = 3 };
    size_t at[2] = {0, 0};
    const struct span both[] = {a, b};
    if (span_equal(a, b))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        ptrdiff_t place = both[i].len > 0 ? span_find(both[i], '$', 0) : -1;
        for (int n = 0; n < SALT_END && place >= 0; n++)
            place = span_find(both[i], '$', (size_t)place + 1);
        if (place < 0)
            return false;
        at[i] = (size_t)place;
    }
    ptrdiff_t end_a = span_find(a, ':', at[0]), end_b = span_find(b, ':', at[1]);
    return end_a >= 0 && end_b >= 0 &&
           span_equal(span_slice(a, 0, at[0]), span_slice(b, 0, at[1])) &&
           span_equal(span_slice(a, (size_t)end_a, a.len), span_slice(b, (size_t)end_b, b.len));
}

static bool are_same_secrets(struct span a, struct span b)
{
    struct span line_a, line_b;
    bool same = true;
    while (same && a.len > 0 && b.len > 0) {
        (void)session_account_line(&a, &line_a);
        (void)session_account_line(&b, &line_b);
        same = is_same_secret(line_a, line_b);
    }
    return same && a.len == b.len;
}

bool session_doors_has_old_password(const struct session_connection *c, struct kernel *machine,
                                    struct span user)
{
    struct buffer store;
    struct span now = file_of(c, machine, "/etc/shadow", &store);
    struct span before = session_account_file(c->host->config.image, "/etc/shadow");
    bool same =
        is_same_secret(session_account_line_of(now, user), session_account_line_of(before, user));
    buffer_fini(&store);
    return same;
}

/* PAM's own helper: the password comes with a NUL, its exit status is the answer. Without
 * PermitEmptyPasswords sshd lets nobody in whose password is empty. */
int session_doors_start_check(struct kernel *machine, struct span user, struct span password)
{
    static const uint8_t nul = 0;
    const struct span argv[] = {span_z("unix_chkpwd"), user, span_z("nonull")};
    const struct kernel_spawn spawn = {
        .argv = argv, .argc = ARRAY_LEN(argv), .path = span_z("/usr/sbin/unix_chkpwd")};
    int program = kernel_spawn(machine, &spawn);
    if (program < 0)
        return program;
    (void)kernel_put(machine, program, password);
    (void)kernel_put(machine, program, span_of(&nul, 1));
    kernel_put_end(machine, program);
    return program;
}

/* ---- Keys ---- */

/* The files that sshd looks into by itself (AuthorizedKeysFile). */
static const char *const key_files[] = {"authorized_keys", "authorized_keys2"};

/* StrictModes, as Debian's sshd has them: nobody else may write there, but for the group that is the user's own. */
static bool is_strict(struct kernel *machine, const struct session_account *account,
                      const char *path_z)
{
    enum { OTHERS_WRITE = 02, GROUP_WRITES = 020 };
    struct kernel_owner owner;
    if (kernel_file_owner(machine, path_z, &owner) < 0)
        return false;
    return (owner.uid == 0 || owner.uid == account->uid) && (owner.mode & OTHERS_WRITE) == 0 &&
           ((owner.mode & GROUP_WRITES) == 0 || owner.gid == account->gid);
}

/* The file, and the directories from it up to the home. */
static bool is_strict_all(struct kernel *machine, const struct session_account *account,
                          char path_z[PATH_SIZE])
{
    for (;;) {
        if (!is_strict(machine, account, path_z))
            return false;
        char *slash = strrchr(path_z, '/');
        if (slash == NULL || (size_t)(slash - path_z) < account->home.len)
            return true;
        *slash = '\0';
    }
}

static struct span key_file(const struct session_connection *c, struct kernel *machine,
                            const struct session_account *account, const char *name_z,
                            struct buffer *store)
{
    char path_z[PATH_SIZE] = "";
    int n = snprintf(path_z, sizeof(path_z), "%.*s/.ssh/%s", (int)account->home.len,
                     (const char *)account->home.data, name_z);
    char up_z[PATH_SIZE];
    bool whole = n > 0 && (size_t)n < sizeof(path_z);
    memcpy(up_z, path_z, sizeof(up_z));
    if (whole && is_strict_all(machine, account, up_z))
        return file_of(c, machine, path_z, store);
    buffer_init(store, SESSION_VISITOR_FILE_MAX);
    return span_z("");
}

bool session_doors_has_key(struct session_connection *c, struct kernel *machine,
                           const struct session_account *account, struct span blob)
{
    struct buffer store, key;
    struct span type;
    bool found = false;
    buffer_init(&key, SESSION_AUTHORIZED_KEY_MAX);
    for (size_t i = 0; i < ARRAY_LEN(key_files) && !found; i++) {
        struct span text = key_file(c, machine, account, key_files[i], &store);
        while (!found && session_authorized_next(&text, &type, &key))
            found = span_equal(buffer_span(&key), blob);
        buffer_fini(&store);
    }
    buffer_fini(&key);
    return found;
}

/* ---- When he leaves ---- */

static bool is_changed_file(struct session_connection *c, const char *path_z)
{
    struct buffer store;
    struct span now = file_of(c, c->kernel, path_z, &store);
    bool changed = !are_same_secrets(now, session_account_file(c->host->config.image, path_z));
    buffer_fini(&store);
    return changed;
}

static void tell_public(struct session_connection *c, struct span user, struct span type,
                        struct span blob)
{
    char fingerprint_z[SSH_FINGERPRINT_SHA256_CHARS];
    struct buffer text;
    struct event e = session_event(c, EVENT_VISITOR_KEY);
    buffer_init(&text, KEY_LINE_MAX);
    ssh_fingerprint_sha256(blob, fingerprint_z);
    if (buffer_put(&text, type) == 0 && buffer_put_u8(&text, ' ') == 0)
        (void)session_text_base64(blob, &text);
    event_text(&e, FIELD_USERNAME, user);
    event_text_z(&e, FIELD_FINGERPRINT, fingerprint_z);
    event_text(&e, FIELD_KEY, buffer_span(&text));
    event_text(&e, FIELD_TYPE, type);
    session_put(c, &e);
    buffer_fini(&text);
}

/* The last keys of a file are the ones that a visitor has added. */
static void note_public(struct session_connection *c, struct span user, struct span type,
                        struct span blob)
{
    struct frame_visitor *keys = &c->visitor.keys;
    uint8_t key[FRAME_VISIT_KEY];
    if (session_doors_public(c, user, blob, key) < 0 ||
        session_doors_has_public(keys, span_of(key, sizeof(key))))
        return;
    memmove(keys->publics[1], keys->publics[0], (FRAME_VISIT_PUBLIC - 1) * FRAME_VISIT_KEY);
    memcpy(keys->publics[0], key, sizeof(key));
    if (!session_doors_has_public(&c->visitor.before, span_of(key, sizeof(key))))
        tell_public(c, user, type, blob);
}

/* How many there were; at most `max` are looked at. */
static size_t note_publics(struct session_connection *c, const struct session_account *account,
                           size_t max)
{
    size_t count = 0;
    struct buffer store, blob;
    struct span type;
    buffer_init(&blob, SESSION_AUTHORIZED_KEY_MAX);
    for (size_t i = 0; i < ARRAY_LEN(key_files); i++) {
        struct span text = key_file(c, c->kernel, account, key_files[i], &store);
        for (; count < max && session_authorized_next(&text, &type, &blob); count++)
            note_public(c, account->name, type, buffer_span(&blob));
        buffer_fini(&store);
    }
    buffer_fini(&blob);
    return count;
}

/* What lets him in the next time, besides the policy. */
void session_doors_note(struct session_connection *c)
{
    struct session_account account;
    struct buffer store;
    struct frame_visitor *keys = &c->visitor.keys;
    keys->passwords = is_changed_file(c, "/etc/shadow") || is_changed_file(c, "/etc/passwd");
    memset(keys->publics, 0, sizeof(keys->publics));
    struct span line, passwd = file_of(c, c->kernel, "/etc/passwd", &store);
    size_t accounts = 0, left = KEYS_MAX;
    while (accounts < ACCOUNTS_MAX && session_account_line(&passwd, &line)) {
        if (!session_account_parse(line, &account) ||
            (account.uid != 0 && account.uid < FIRST_USER))
            continue;
        accounts++;
        left -= note_publics(c, &account, left);
    }
    buffer_fini(&store);
}
