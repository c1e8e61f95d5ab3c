#include "lured/import.h"

#include "base/error.h"
#include "session/account.h"
#include "session/bait.h"
#include "session/policy.h"
#include "ssh/profile.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_SIZE = 4096, WHAT_SIZE = TEXT_SIZE + 64, SECTION_SIZE = 64 };

void import_init(struct import *m, FILE *report)
{
    m->report = report;
    m->taken = m->left = m->rules = m->items = 0;
    buffer_init(&m->passwords, SESSION_POLICY_TEXT_MAX);
    buffer_init(&m->files, SESSION_BAIT_TEXT_MAX);
}

void import_fini(struct import *m)
{
    buffer_fini(&m->passwords);
    buffer_fini(&m->files);
}

void import_take(struct import *m, const char *what_z, const char *as_z)
{
    m->taken++;
    (void)fprintf(m->report, "taken      %s: %s\n", what_z, as_z);
}

void import_leave(struct import *m, const char *what_z, const char *why_z)
{
    m->left++;
    (void)fprintf(m->report, "not taken  %s: %s\n", what_z, why_z);
}

static struct span trim(struct span text)
{
    while (text.len > 0 && isspace(text.data[0]))
        text = span_slice(text, 1, text.len);
    while (text.len > 0 && isspace(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* ---- cowrie.cfg ---- */

static const struct key {
    const char *section_z, *key_z;
    const char *ours_z; /* NULL: `why_z` says why there is none */
    const char *why_z;
} KEYS[] = {
    {"honeypot", "hostname", "hostname", NULL},
    {"honeypot", "sensor_name", "sensor", NULL},
    {"honeypot", "authentication_timeout", "limits.login_s", NULL},
    {"honeypot", "interactive_timeout", "limits.idle_s", NULL},
    {"honeypot", "idle_timeout", "limits.idle_s", NULL},
    {"ssh", "listen_endpoints", "ssh.endpoint", NULL},
    {"telnet", "listen_endpoints", "telnet.endpoint", NULL},
    {"honeypot", "timezone", NULL, "the machine's own clock is UTC"},
    {"honeypot", "auth_class", NULL, "see visitors.one_password and limits.refused_passwords"},
    {"honeypot", "contents_path", NULL, "the folder honeyfs is read"},
    {"honeypot", "data_path", NULL, "see the key data"},
    {"honeypot", "state_path", NULL, "see the key data"},
    {"honeypot", "log_path", NULL, "see the key data"},
    {"honeypot", "download_path", NULL, "artefacts stand in the data directory"},
    {"honeypot", "ttylog", NULL, "terminals are always recorded"},
    {"shell", "filesystem", NULL, "the machine has the files of its image; see docs/personas.md"},
    {"shell", "processes", NULL, "the machine has processes of its own"},
    {"shell", "arch", NULL, "the machine is x86-64; see foreign_programs"},
    {"shell", "kernel_version", NULL, "the machine has the kernel of its image"},
    {"shell", "kernel_build_string", NULL, "the machine has the kernel of its image"},
    {"shell", "hardware_platform", NULL, "the machine is x86-64"},
};

/* A version line that one of our servers shows. */
static void take_version(struct import *m, const char *value_z)
{
    char names_z[512], *rest_z = names_z, *name_z = NULL;
    (void)snprintf(names_z, sizeof(names_z), "%s", ssh_profile_names_z);
    while ((name_z = strsep(&rest_z, " ,")) != NULL) {
        const struct ssh_profile *profile = ssh_profile_find(span_z(name_z));
        char why_z[CONFIG_WHY_SIZE];
        if (profile == NULL || strcmp(profile->version_z, value_z) != 0)
            continue;
        (void)config_set(&m->config, "ssh.profile", name_z, why_z);
        import_take(m, "[ssh] version", name_z);
        return;
    }
    import_leave(m, "[ssh] version", "no server of ours shows it; see ssh.profile");
}

static const struct key *find_key(const char *what_z)
{
    char each_z[SECTION_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        (void)snprintf(each_z, sizeof(each_z), "[%s] %s", KEYS[i].section_z, KEYS[i].key_z);
        if (strcmp(each_z, what_z) == 0)
            return &KEYS[i];
    }
    return NULL;
}

/* `what_z`: "[section] key". */
static void take_key(struct import *m, const char *what_z, const char *value_z)
{
    char why_z[CONFIG_WHY_SIZE];
    const struct key *k = find_key(what_z);
    if (strcmp(what_z, "[ssh] version") == 0)
        take_version(m, value_z);
    else if (k == NULL)
        import_leave(m, what_z,
                     strncmp(what_z, "[output_", 8) == 0 ? "this version has no outputs"
                                                         : "there is nothing like it");
    else if (k->ours_z == NULL)
        import_leave(m, what_z, k->why_z);
    else if (config_set(&m->config, k->ours_z, value_z, why_z) < 0)
        import_leave(m, what_z, why_z);
    else
        import_take(m, what_z, k->ours_z);
}

static void take_line(struct import *m, const char *section_z, struct span line)
{
    char what_z[WHAT_SIZE], value_z[TEXT_SIZE];
    ptrdiff_t equals = span_find(line, '=', 0);
    if (equals < 0 || isspace(line.data[0])) {
        import_leave(m, "cowrie.cfg", "a line that goes on, or is no key");
        return;
    }
    struct span key = trim(span_slice(line, 0, (size_t)equals));
    struct span value = trim(span_slice(line, (size_t)equals + 1, line.len));
    if (value.len >= sizeof(value_z) || key.len >= TEXT_SIZE || span_find(line, 0, 0) >= 0) {
        import_leave(m, "cowrie.cfg", "a line that is too long, or no text");
        return;
    }
    (void)snprintf(what_z, sizeof(what_z), "[%s] %.*s", section_z, (int)key.len,
                   (const char *)key.data);
    (void)span_copy_z(value, value_z, sizeof(value_z));
    take_key(m, what_z, value_z);
}

void import_config(struct import *m, struct span text)
{
    char section_z[SECTION_SIZE] = "";
    struct span line;
    while (session_account_line(&text, &line)) {
        struct span inner = trim(line);
        if (inner.len == 0 || inner.data[0] == '#' || inner.data[0] == ';')
            continue;
        if (inner.data[0] != '[' || inner.data[inner.len - 1] != ']')
            take_line(m, section_z, line);
        else
            (void)span_copy_z(span_slice(inner, 1, inner.len - 1), section_z, sizeof(section_z));
    }
}

/* ---- userdb.txt ---- */

static int put_pattern(struct buffer *out, struct span text)
{
    int rc = 0;
    bool any = span_equal_z(text, "*");
    for (size_t i = 0; i < text.len && rc == 0; i++) {
        uint8_t c = text.data[i];
        if (!any && (c == '*' || c == '\\' || c == ':'))
            rc = buffer_put_u8(out, '\\');
        if (rc == 0)
            rc = buffer_put_u8(out, c);
    }
    return rc;
}

/* A line of the list, or nothing of it: it has a bound. */
static int put_rule(struct import *m, struct span user, struct span password)
{
    struct buffer *out = &m->passwords;
    size_t before = buffer_len(out);
    bool refuses = password.len > 0 && password.data[0] == '!';
    int rc = m->rules < SESSION_POLICY_RULES_MAX ? put_pattern(out, user) : ERR_FULL;
    if (rc == 0)
        rc = buffer_put_z(out, refuses ? ":!" : ":");
    if (rc == 0)
        rc = put_pattern(out, span_slice(password, refuses, password.len));
    if (rc == 0)
        rc = buffer_put_u8(out, '\n');
    if (rc < 0)
        buffer_truncate(out, before);
    m->rules += rc == 0;
    return rc;
}

/* NULL: it is taken. */
static const char *judge_rule(struct span line, struct span *user, struct span *password)
{
    ptrdiff_t first = span_find(line, ':', 0);
    ptrdiff_t second = first > 0 ? span_find(line, ':', (size_t)first + 1) : -1;
    if (second < 0 || span_find(line, 0, 0) >= 0)
        return "not USER:x:PASSWORD";
    *user = span_slice(line, 0, (size_t)first);
    *password = span_slice(line, (size_t)second + 1, line.len);
    size_t slash = password->len > 0 && password->data[0] == '!';
    bool is_pattern = password->len > slash && password->data[slash] == '/';
    return is_pattern || user->data[0] == '/' ? "regular expressions have no counterpart" : NULL;
}

int import_userdb(struct import *m, struct span text)
{
    struct span line, user, password;
    for (unsigned number = 1; session_account_line(&text, &line); number++) {
        char what_z[WHAT_SIZE];
        while (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0 || line.data[0] == '#')
            continue;
        const char *why_z = judge_rule(line, &user, &password);
        int rc = why_z == NULL ? put_rule(m, user, password) : 0;
        if (rc == ERR_NOMEM)
            return rc;
        if (rc == ERR_FULL)
            why_z = "more than a list of passwords may have";
        (void)snprintf(what_z, sizeof(what_z), "userdb.txt:%u", number);
        m->taken += why_z == NULL;
        if (why_z != NULL)
            import_leave(m, what_z, why_z);
    }
    return 0;
}

/* ---- honeyfs: `put` lines ---- */

int import_file(struct import *m, const char *inside_z, mode_t mode, const char *source_z)
{
    size_t len = strlen(inside_z);
    if (!S_ISREG(mode) || len < 2 || inside_z[0] != '/' || inside_z[len - 1] == '/' ||
        strpbrk(inside_z, " \t\r\n#") != NULL || strpbrk(source_z, " \t\r\n#") != NULL) {
        import_leave(m, inside_z, "not a plain file with a plain name");
        return 0;
    }
    int rc = m->items < SESSION_BAIT_MAX ? buffer_printf(&m->files, "put %s %04o root %s\n",
                                                         inside_z, mode & 0777, source_z)
                                         : ERR_FULL;
    if (rc == ERR_FULL)
        import_leave(m, inside_z, "more than a list of files may have");
    m->taken += rc == 0;
    m->items += rc == 0;
    return rc == ERR_FULL ? 0 : rc;
}
