/* lured audit */
#include "audit/audit.h"
#include "base/error.h"
#include "lured/command.h"
#include "session/account.h"
#include "session/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AUDIT_CONFIG, AUDIT_LOGIN, AUDIT_COMPARE, AUDIT_SHOW };

static const struct command_option OPTIONS[] = {
    [AUDIT_CONFIG] = {"config", "FILE", "configuration whose honeypot is asked; else the defaults"},
    [AUDIT_LOGIN] = {"login", "USER:PASSWORD",
                     "a login that works; else those of the configuration are tried"},
    [AUDIT_COMPARE] = {"compare", "HOST:PORT", "another machine, that must share nothing with it"},
    [AUDIT_SHOW] = {"show", NULL, "every question with its answer"},
    {0},
};

/* ---- Whom to ask ---- */

struct place {
    char host_z[256], port_z[8];
};

/* HOST:PORT, HOST, [IPv6]:PORT. */
static bool parse_place(const char *text_z, struct place *place)
{
    const char *colon_z = strrchr(text_z, ':');
    bool bracket = text_z[0] == '[' && strchr(text_z, ']') != NULL;
    size_t host_len = bracket           ? (size_t)(strchr(text_z, ']') - text_z) - 1
                      : colon_z != NULL ? (size_t)(colon_z - text_z)
                                        : strlen(text_z);
    struct span host = span_of(text_z + (bracket ? 1 : 0), host_len);
    bool has_port = colon_z != NULL && (!bracket || colon_z > strchr(text_z, ']'));
    const char *port_z = has_port ? colon_z + 1 : "22";
    return host.len > 0 && port_z[0] != '\0' && strspn(port_z, "0123456789") == strlen(port_z) &&
           span_copy_z(host, place->host_z, sizeof(place->host_z)) < sizeof(place->host_z) &&
           span_copy_z(span_z(port_z), place->port_z, sizeof(place->port_z)) <
               sizeof(place->port_z);
}

/* tcp:2222, tcp6:2222, tcp:2222:interface=192.0.2.1: where this computer reaches it. */
static bool place_of_endpoint(const char *endpoint_z, struct place *place)
{
    static const char INTERFACE_Z[] = "interface=";
    const char *port_z = strchr(endpoint_z, ':');
    const char *interface_z = strstr(endpoint_z, INTERFACE_Z);
    if (strncmp(endpoint_z, "tcp", 3) != 0 || port_z == NULL)
        return false;
    const char *host_z = interface_z != NULL ? interface_z + sizeof(INTERFACE_Z) - 1 : "127.0.0.1";
    if (strcmp(host_z, "0.0.0.0") == 0)
        host_z = "127.0.0.1";
    size_t digits = strspn(port_z + 1, "0123456789");
    (void)span_copy_z(span_of(port_z + 1, digits), place->port_z, sizeof(place->port_z));
    (void)span_copy_z(span_of(host_z, strcspn(host_z, ":")), place->host_z, sizeof(place->host_z));
    return digits > 0;
}

/* ---- With which logins ---- */

struct logins {
    struct audit_login list[AUDIT_LOGINS_MAX];
    size_t count;
    char *text_z; /* that they point into */
};

/* The rules of a policy that name one user and one password. */
static int read_logins(struct logins *logins, struct span text)
{
    struct span line;
    logins->text_z = malloc(text.len + 1);
    if (logins->text_z == NULL)
        return ERR_NOMEM;
    char *at_z = logins->text_z;
    while (logins->count < AUDIT_LOGINS_MAX && session_account_line(&text, &line)) {
        ptrdiff_t colon = span_find(line, ':', 0);
        bool literal = colon > 0 && line.data[0] != '#' && span_find(line, '*', 0) < 0 &&
                       span_find(line, '\\', 0) < 0 && span_find(line, '!', 0) < 0;
        if (!literal)
            continue;
        memcpy(at_z, line.data, line.len);
        at_z[colon] = at_z[line.len] = '\0';
        logins->list[logins->count++] = (struct audit_login){at_z, at_z + colon + 1};
        at_z += line.len + 1;
    }
    return 0;
}

static int open_logins(struct logins *logins, const struct config *config, const char *login_z)
{
    struct buffer text;
    buffer_init(&text, SESSION_POLICY_TEXT_MAX);
    int error = 0;
    if (login_z != NULL)
        error = buffer_put_z(&text, login_z);
    else if (config->passwords[0] != '\0')
        error = config_read_file(config->passwords, &text);
    else
        error = buffer_put_z(&text, session_policy_default_z);
    if (error == 0)
        error = read_logins(logins, buffer_span(&text));
    buffer_fini(&text);
    return error;
}

/* ---- What is said ---- */

static void on_step(const char *what_z)
{
    (void)fprintf(stderr, "asking: %s\n", what_z);
}

/* Answers are the machine's words: only printable text reaches the terminal. */
static void print_text(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '\n')
            (void)fputs(i + 1 < text.len ? "\n    " : "", stdout);
        else
            (void)putchar(c >= 0x20 && c < 0x7f ? c : '?');
    }
    (void)putchar('\n');
}

static void show(const struct audit_facts *facts)
{
    (void)fputs("version\n    ", stdout);
    print_text(buffer_span(&facts->version));
    for (size_t i = 0; i < AUDIT_QUESTIONS; i++) {
        const struct audit_answer *a = &facts->answers[i];
        if (!a->asked)
            continue;
        (void)printf("%s\n    ", audit_commands_z[i]);
        print_text(buffer_span(&a->out));
        if (buffer_len(&a->err) > 0) {
            (void)fputs("  ! ", stdout);
            print_text(buffer_span(&a->err));
        }
    }
}

static void print_finding(const struct audit_finding *f)
{
    (void)printf("%-14s %-20s %3u  %s%s%s%s\n", f->check->group_z, f->check->id_z, f->check->weight,
                 f->check->what_z, f->detail_z[0] != '\0' ? " (" : "", f->detail_z,
                 f->detail_z[0] != '\0' ? ")" : "");
}

/* Findings, then notes, then the score. The exit status. */
static int report(const struct audit_facts *facts, const struct audit_facts *other)
{
    const struct audit_check *checks;
    size_t checked = audit_checks(&checks), found = 0;
    struct audit_finding *findings = calloc(checked, sizeof(*findings));
    if (findings == NULL)
        return COMMAND_FAILED;
    size_t count = audit_judge(facts, other, findings);
    for (size_t i = 0; i < count; i++) {
        if (findings[i].check->weight > 0)
            print_finding(&findings[i]);
        found += findings[i].check->weight > 0;
    }
    for (size_t i = 0; i < count; i++)
        if (findings[i].check->weight == 0)
            (void)printf("note: %s: %s%s%s%s\n", findings[i].check->id_z, findings[i].check->what_z,
                         findings[i].detail_z[0] != '\0' ? " (" : "", findings[i].detail_z,
                         findings[i].detail_z[0] != '\0' ? ")" : "");
    if (!facts->logged_in)
        (void)puts("note: no login worked, so nothing behind it was asked; see --login");
    (void)printf("score %u of %d: %zu found, %zu checks\n", audit_score(findings, count),
                 AUDIT_SCORE_MAX, found, checked);
    free(findings);
    return found > 0 ? COMMAND_FOUND : COMMAND_OK;
}

/* ---- The command ---- */

static int collect(const struct place *place, const struct logins *logins, bool brief,
                   struct audit_facts *facts)
{
    char why_z[AUDIT_DETAIL_SIZE];
    const struct audit_target target = {.host_z = place->host_z,
                                        .port_z = place->port_z,
                                        .logins = logins->list,
                                        .login_count = logins->count,
                                        .brief = brief,
                                        .on_step = on_step};
    if (audit_collect(&target, facts, why_z) >= 0)
        return 0;
    (void)fprintf(stderr, "lured: audit: %s\n", why_z);
    return COMMAND_FAILED;
}

static int audit(const struct place *place, const struct place *other, const struct logins *logins,
                 bool showing)
{
    struct audit_facts *facts = calloc(2, sizeof(*facts));
    if (facts == NULL)
        return COMMAND_FAILED;
    audit_facts_init(&facts[0]);
    audit_facts_init(&facts[1]);
    int status = collect(place, logins, false, &facts[0]);
    if (status == 0 && other != NULL)
        status = collect(other, logins, true, &facts[1]);
    if (status == 0 && showing)
        show(&facts[0]);
    if (status == 0)
        status = report(&facts[0], other != NULL ? &facts[1] : NULL);
    audit_facts_fini(&facts[0]);
    audit_facts_fini(&facts[1]);
    free(facts);
    return status;
}

static int refuse(const char *what_z, const char *value_z)
{
    (void)fprintf(stderr, "lured: audit: %s: \"%s\"\n", what_z, value_z);
    return COMMAND_USAGE;
}

static int run(const struct command_line *line)
{
    struct config config;
    struct place place, other;
    struct logins logins = {.count = 0};
    const char *compare_z = line->values[AUDIT_COMPARE];
    int status = command_config(&config, line->values[AUDIT_CONFIG]);
    if (status != 0)
        return status;
    if (line->argument_z != NULL && !parse_place(line->argument_z, &place))
        status = refuse("expected HOST:PORT", line->argument_z);
    else if (line->argument_z == NULL && !place_of_endpoint(config.ssh_endpoint, &place))
        status = refuse("SSH is not answered at a TCP port; name HOST:PORT", config.ssh_endpoint);
    else if (compare_z != NULL && !parse_place(compare_z, &other))
        status = refuse("expected HOST:PORT", compare_z);
    int error = status == 0 ? open_logins(&logins, &config, line->values[AUDIT_LOGIN]) : 0;
    if (error < 0) {
        (void)fprintf(stderr, "lured: audit: %s: %s\n", config.passwords,
                      error > -1000 ? strerror(-error) : error_text(error));
        status = COMMAND_FAILED;
    }
    if (status == 0)
        status = audit(&place, compare_z != NULL ? &other : NULL, &logins,
                       line->values[AUDIT_SHOW] != NULL);
    free(logins.text_z);
    config_fini(&config);
    return status;
}

const struct command command_audit = {
    .name_z = "audit",
    .argument_z = "[HOST:PORT]",
    .what_z = "Asks a honeypot what detectors of honeypots ask, and says what gives it away.",
    .options = OPTIONS,
    .run = run,
};
