/* Behind the login. */
#include "audit/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct audit_answer *given(const struct audit_seen *seen, enum audit_question question)
{
    const struct audit_answer *answer = &seen->facts->answers[question];
    return answer->asked ? answer : NULL;
}

static bool number_of(const struct audit_seen *seen, enum audit_question question, int64_t *out)
{
    return given(seen, question) != NULL && audit_number(audit_answer(seen->facts, question), out);
}

/* ---- Shell ---- */

bool audit_has_wrong_status(const struct audit_seen *seen)
{
    enum { ASKED = 37 };
    const struct audit_answer *answer = given(seen, AUDIT_EXIT);
    if (answer == NULL || answer->status == ASKED)
        return false;
    audit_tell(seen, "%d for exit %d", answer->status, ASKED);
    return true;
}

bool audit_mixes_streams(const struct audit_seen *seen)
{
    const struct audit_answer *answer = given(seen, AUDIT_STREAMS);
    return answer != NULL && (!span_equal_z(buffer_span(&answer->out), "out\n") ||
                              !span_equal_z(buffer_span(&answer->err), "err\n"));
}

bool audit_misses_not_found(const struct audit_seen *seen)
{
    enum { NOT_THERE = 127 };
    const struct audit_answer *answer = given(seen, AUDIT_NOT_FOUND);
    return answer != NULL &&
           (answer->status != NOT_THERE || !audit_has(buffer_span(&answer->err), "not found"));
}

/* ---- Files ---- */

bool audit_repeats_randomness(const struct audit_seen *seen)
{
    struct span a = audit_answer(seen->facts, AUDIT_RANDOM);
    struct span b = audit_answer(seen->facts, AUDIT_RANDOM_AGAIN);
    audit_tell(seen, "%.*s", SPAN_ARGS(a));
    return a.len > 0 && span_equal(a, b);
}

bool audit_forgets_files(const struct audit_seen *seen)
{
    return seen->facts->kept_asked && !seen->facts->kept;
}

/* ---- Consistency ---- */

bool audit_contradicts_vendor(const struct audit_seen *seen)
{
    struct span model = audit_answer(seen->facts, AUDIT_CPU_MODEL);
    struct span vendor = audit_answer(seen->facts, AUDIT_CPU_VENDOR);
    audit_tell(seen, "%.*s; %.*s", SPAN_ARGS(vendor), SPAN_ARGS(model));
    bool intel = audit_has(model, "Intel") || audit_has(model, "Xeon");
    bool amd = audit_has(model, "AMD") || audit_has(model, "EPYC") || audit_has(model, "Ryzen");
    return vendor.len > 0 && ((intel && !span_equal_z(vendor, "GenuineIntel")) ||
                              (amd && !span_equal_z(vendor, "AuthenticAMD")));
}

/* A kernel for x86-64 runs on nothing without long mode, a floating-point unit and SSE2. */
bool audit_contradicts_flags(const struct audit_seen *seen)
{
    int64_t count = 0;
    return span_equal_z(audit_answer(seen->facts, AUDIT_MACHINE), "x86_64") &&
           number_of(seen, AUDIT_CPU_FLAGS, &count) && count != 3;
}

bool audit_has_wrong_clock(const struct audit_seen *seen)
{
    enum { SLACK_S = 120 };
    int64_t said = 0;
    if (!number_of(seen, AUDIT_CLOCK, &said))
        return false;
    int64_t off = said - seen->facts->answers[AUDIT_CLOCK].now_s;
    audit_tell(seen, "%" PRId64 " seconds off", off);
    return off > SLACK_S || off < -SLACK_S;
}

bool audit_has_just_started(const struct audit_seen *seen)
{
    enum { LEAST_S = 300 };
    int64_t up = 0;
    if (!number_of(seen, AUDIT_UPTIME, &up))
        return false;
    audit_tell(seen, "up %" PRId64 " seconds", up);
    return up < LEAST_S;
}

bool audit_idles_too_much(const struct audit_seen *seen)
{
    int64_t up = 0, idle = 0, cpus = 0;
    if (!number_of(seen, AUDIT_UPTIME, &up) || !number_of(seen, AUDIT_IDLE, &idle) ||
        !number_of(seen, AUDIT_CPUS_STAT, &cpus))
        return false;
    audit_tell(seen, "idle %" PRId64 " seconds, up %" PRId64, idle, up);
    return idle > (up + 60) * cpus;
}

/* "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10": the release of Debian is in it; of Ubuntu, the name. */
bool audit_contradicts_version_line(const struct audit_seen *seen)
{
    struct span system = audit_answer(seen->facts, AUDIT_SYSTEM);
    char line_z[128], expected_z[32];
    (void)span_copy_z(buffer_span(&seen->facts->version), line_z, sizeof(line_z));
    const char *debian_z = strstr(line_z, "+deb");
    unsigned release = 0;
    if (system.len == 0)
        return false;
    audit_tell(seen, "%.*s; %.90s", SPAN_ARGS(system), line_z);
    if (strstr(line_z, "Ubuntu") != NULL)
        return !span_starts_with(system, span_z("ubuntu"));
    if (debian_z == NULL || sscanf(debian_z, "+deb%2u", &release) != 1)
        return false;
    (void)snprintf(expected_z, sizeof(expected_z), "debian %u", release);
    return !span_equal_z(system, expected_z);
}

/* "1:9.2p1-2+deb12u10" of the package is "OpenSSH_9.2p1 Debian-2+deb12u10" in the version line. */
bool audit_contradicts_package(const struct audit_seen *seen)
{
    struct span package = audit_answer(seen->facts, AUDIT_SERVER);
    struct span line = buffer_span(&seen->facts->version);
    char package_z[64], upstream_z[80];
    (void)span_copy_z(package, package_z, sizeof(package_z));
    char *from_z = strchr(package_z, ':');
    from_z = from_z != NULL ? from_z + 1 : package_z;
    char *dash_z = strchr(from_z, '-');
    if (package.len == 0 || dash_z == NULL || !audit_has(line, "OpenSSH"))
        return false;
    *dash_z = '\0';
    (void)snprintf(upstream_z, sizeof(upstream_z), "OpenSSH_%s", from_z);
    audit_tell(seen, "%.*s; %.*s", SPAN_ARGS(package), SPAN_ARGS(line));
    bool vendor_named = audit_has(line, "Debian-") || audit_has(line, "Ubuntu-");
    return !audit_has(line, upstream_z) || (vendor_named && !audit_has(line, dash_z + 1));
}

bool audit_is_somebody_else(const struct audit_seen *seen)
{
    struct span user = audit_answer(seen->facts, AUDIT_USER);
    audit_tell(seen, "%.*s", SPAN_ARGS(user));
    return user.len > 0 && !span_equal_z(user, seen->facts->user_z);
}

/* Between us and the machine addresses may be translated: only what was not is compared. A port may be sent
 * on within it too, to where its sshd listens. */
bool audit_mistakes_connection(const struct audit_seen *seen)
{
    enum { SSH_PORT = 22 };
    char words_z[4][64], text_z[256];
    struct span text = audit_answer(seen->facts, AUDIT_CONNECTION);
    const struct audit_facts *f = seen->facts;
    if (given(seen, AUDIT_CONNECTION) == NULL)
        return false;
    (void)span_copy_z(text, text_z, sizeof(text_z));
    audit_tell(seen, "%.*s", SPAN_ARGS(text));
    unsigned from = 0, to = 0;
    if (sscanf(text_z, "%63s %63s %63s %63s", words_z[0], words_z[1], words_z[2], words_z[3]) !=
            4 ||
        sscanf(words_z[1], "%5u", &from) != 1 || sscanf(words_z[3], "%5u", &to) != 1)
        return true;
    return (strcmp(words_z[0], f->local_ip_z) == 0 && from != f->local_port) ||
           (strcmp(words_z[2], f->peer_ip_z) == 0 && to != f->peer_port && to != SSH_PORT);
}

bool audit_has_other_host_key(const struct audit_seen *seen)
{
    struct span file = audit_answer(seen->facts, AUDIT_HOSTKEY);
    struct span signed_by = buffer_span(&seen->facts->hostkey);
    /* Of "ssh-ed25519", with its length, in base64. */
    static const struct span ED25519 = SPAN_LIT("AAAAC3NzaC1lZDI1NTE5");
    if (given(seen, AUDIT_HOSTKEY) == NULL || !span_starts_with(signed_by, ED25519))
        return false;
    audit_tell(seen, "%.*s", SPAN_ARGS(file));
    return !span_equal(file, signed_by);
}

/* ---- Defaults ---- */

bool audit_has_default_name(const struct audit_seen *seen)
{
    static const char *const NAMES_Z[] = {"svr03", "svr04", "nas3", "localhost", "cowrie", "kippo"};
    struct span name = audit_answer(seen->facts, AUDIT_NAME);
    audit_tell(seen, "%.*s", SPAN_ARGS(name));
    for (size_t i = 0; i < ARRAY_LEN(NAMES_Z); i++)
        if (span_equal_z(name, NAMES_Z[i]))
            return true;
    return false;
}

/* ---- Timing ---- */

bool audit_sleeps_wrongly(const struct audit_seen *seen)
{
    enum { LEAST_US = 990000 };
    const struct audit_answer *answer = given(seen, AUDIT_SLEEP);
    char text_z[64];
    int64_t from_ns = 0, to_ns = 0;
    (void)span_copy_z(audit_answer(seen->facts, AUDIT_SLEEP), text_z, sizeof(text_z));
    if (answer == NULL || sscanf(text_z, "%" SCNd64 " %" SCNd64, &from_ns, &to_ns) != 2)
        return false;
    int64_t inside_us = (to_ns - from_ns) / 1000;
    audit_tell(seen, "%" PRId64 " ms there, %" PRId64 " ms here", inside_us / 1000,
               answer->took_us / 1000);
    return inside_us < LEAST_US || answer->took_us < LEAST_US || inside_us > answer->took_us;
}

/* A shell does 1000 steps in a few milliseconds. */
bool audit_computes_slowly(const struct audit_seen *seen)
{
    enum { MOST_US = 250000 };
    const struct audit_answer *answer = given(seen, AUDIT_LOOP);
    if (answer == NULL)
        return false;
    audit_tell(seen, "%" PRId64 " ms", answer->took_us / 1000);
    return answer->took_us > MOST_US;
}

/* ---- Shared with another machine ---- */

static bool same(const struct audit_seen *seen, struct span a, struct span b)
{
    if (a.len == 0)
        return false;
    audit_tell(seen, "%.*s", SPAN_ARGS(a));
    return span_equal(a, b);
}

static bool same_answer(const struct audit_seen *seen, enum audit_question question)
{
    return seen->other != NULL &&
           same(seen, audit_answer(seen->facts, question), audit_answer(seen->other, question));
}

bool audit_shares_host_key(const struct audit_seen *seen)
{
    return seen->other != NULL &&
           same(seen, buffer_span(&seen->facts->hostkey), buffer_span(&seen->other->hostkey));
}

bool audit_shares_machine_id(const struct audit_seen *seen)
{
    return same_answer(seen, AUDIT_MACHINE_ID);
}

bool audit_shares_name(const struct audit_seen *seen)
{
    return same_answer(seen, AUDIT_NAME);
}

bool audit_shares_boot_id(const struct audit_seen *seen)
{
    return same_answer(seen, AUDIT_BOOT_ID);
}

bool audit_shares_boot(const struct audit_seen *seen)
{
    return same_answer(seen, AUDIT_BOOT);
}

bool audit_shares_card(const struct audit_seen *seen)
{
    return same_answer(seen, AUDIT_CARD);
}
