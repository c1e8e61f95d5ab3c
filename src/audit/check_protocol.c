/* Before the login. What is true of OpenSSH is held against servers that say that they are it. */
#include "audit/checks.h"
#include "ssh/names.h"

#include <stdio.h>

static struct span version(const struct audit_seen *seen)
{
    return buffer_span(&seen->facts->version);
}

/* The release of OpenSSH that the version line names, times 10: 92 for 9.2. 0: it is not OpenSSH. */
static unsigned openssh(const struct audit_seen *seen)
{
    char line_z[64];
    unsigned major = 0, minor = 0;
    (void)span_copy_z(version(seen), line_z, sizeof(line_z));
    return sscanf(line_z, "SSH-2.0-OpenSSH_%2u.%1u", &major, &minor) == 2 ? major * 10 + minor : 0;
}

bool audit_has_early_kexinit(const struct audit_seen *seen)
{
    return openssh(seen) > 0 && seen->facts->early_kexinit;
}

static bool is_any(struct span text, const char *const *texts_z, size_t count, bool whole)
{
    for (size_t i = 0; i < count; i++)
        if (whole ? span_equal_z(text, texts_z[i]) : audit_has(text, texts_z[i]))
            return true;
    return false;
}

bool audit_names_library(const struct audit_seen *seen)
{
    static const char *const NAMES_Z[] = {"Twisted",    "paramiko", "AsyncSSH", "libssh",
                                          "SSH-2.0-Go", "sshesame", "russh_",   "Erlang"};
    audit_tell(seen, "%.*s", SPAN_ARGS(version(seen)));
    return is_any(version(seen), NAMES_Z, ARRAY_LEN(NAMES_Z), false);
}

bool audit_has_default_version(const struct audit_seen *seen)
{
    /* Kippo; Cowrie, old and newer; Heralding; Kojoney. */
    static const char *const LINES_Z[] = {
        "SSH-2.0-OpenSSH_5.1p1 Debian-5",          "SSH-2.0-OpenSSH_6.0p1 Debian-4+deb7u2",
        "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",  "SSH-2.0-OpenSSH_6.6.1p1 Ubuntu-2ubuntu2.8",
        "SSH-2.0-OpenSSH_5.9p1 Debian-5ubuntu1.4", "SSH-2.0-OpenSSH_4.3"};
    audit_tell(seen, "%.*s", SPAN_ARGS(version(seen)));
    return is_any(version(seen), LINES_Z, ARRAY_LEN(LINES_Z), true);
}

/* ---- Algorithms, by the releases of OpenSSH that have them switched on ---- */

static const struct {
    enum audit_list list;
    const char *name_z;
    unsigned from, until; /* releases times 10; `until` 0: to this day */
} ALGORITHMS[] = {
    {AUDIT_KEX, "curve25519-sha256@libssh.org", 65, 0},
    {AUDIT_KEX, "curve25519-sha256", 74, 0},
    {AUDIT_KEX, "diffie-hellman-group16-sha512", 73, 0},
    {AUDIT_KEX, "sntrup761x25519-sha512@openssh.com", 90, 0},
    {AUDIT_KEX, "mlkem768x25519-sha256", 99, 0},
    {AUDIT_KEX, "diffie-hellman-group1-sha1", 0, 66},
    {AUDIT_HOSTKEYS, "ssh-ed25519", 65, 0},
    {AUDIT_HOSTKEYS, "rsa-sha2-512", 72, 0},
    {AUDIT_HOSTKEYS, "ssh-dss", 0, 69},
    {AUDIT_CIPHERS, "chacha20-poly1305@openssh.com", 65, 0},
    {AUDIT_CIPHERS, "aes256-gcm@openssh.com", 62, 0},
    {AUDIT_CIPHERS, "3des-cbc", 0, 66},
    {AUDIT_CIPHERS, "blowfish-cbc", 0, 66},
    {AUDIT_CIPHERS, "cast128-cbc", 0, 66},
    {AUDIT_CIPHERS, "aes128-cbc", 0, 66},
    {AUDIT_MACS, "umac-64-etm@openssh.com", 62, 0},
    {AUDIT_MACS, "hmac-sha2-256-etm@openssh.com", 62, 0},
    {AUDIT_MACS, "hmac-md5", 0, 66},
};

static bool offers(const struct audit_seen *seen, size_t i)
{
    struct span list = buffer_span(&seen->facts->lists[ALGORITHMS[i].list]);
    return ssh_names_has(list, span_z(ALGORITHMS[i].name_z));
}

static bool has_lists(const struct audit_seen *seen)
{
    return openssh(seen) > 0 && buffer_len(&seen->facts->lists[AUDIT_KEX]) > 0;
}

bool audit_lacks_algorithms(const struct audit_seen *seen)
{
    unsigned release = openssh(seen);
    for (size_t i = 0; has_lists(seen) && i < ARRAY_LEN(ALGORITHMS); i++) {
        bool due = ALGORITHMS[i].until == 0 && release >= ALGORITHMS[i].from;
        audit_tell(seen, "%s", ALGORITHMS[i].name_z);
        if (due && !offers(seen, i))
            return true;
    }
    return false;
}

bool audit_has_foreign_algorithms(const struct audit_seen *seen)
{
    unsigned release = openssh(seen);
    for (size_t i = 0; has_lists(seen) && i < ARRAY_LEN(ALGORITHMS); i++) {
        bool gone = ALGORITHMS[i].until > 0 && release > ALGORITHMS[i].until;
        audit_tell(seen, "%s", ALGORITHMS[i].name_z);
        if ((gone || release < ALGORITHMS[i].from) && offers(seen, i))
            return true;
    }
    return false;
}

/* ---- What no client says ---- */

bool audit_answers_bad_version(const struct audit_seen *seen)
{
    const struct audit_reply *r = &seen->facts->bad_version;
    struct span said = buffer_span(&r->before);
    audit_tell(seen, "%.*s", SPAN_ARGS(said));
    const char *expected_z =
        openssh(seen) >= 74 ? "Invalid SSH identification string." : "Protocol mismatch.";
    /* OpenSSH 7.4 and 7.5 are known with either. */
    bool either = openssh(seen) < 76 && audit_has(said, "Protocol mismatch.");
    return r->asked && openssh(seen) > 0 && !either && !span_starts_with(said, span_z(expected_z));
}

/* OpenSSH hangs up without a word. */
static bool says_more(const struct audit_seen *seen, const struct audit_reply *r)
{
    struct span said = buffer_span(&r->after);
    audit_tell(seen, "%.*s", SPAN_ARGS(said));
    if (!r->asked || openssh(seen) < 75)
        return false;
    return !r->closed || !r->kexinit || said.len > 0;
}

bool audit_answers_bad_length(const struct audit_seen *seen)
{
    return says_more(seen, &seen->facts->bad_length);
}

bool audit_answers_no_common(const struct audit_seen *seen)
{
    return says_more(seen, &seen->facts->no_common);
}

/* ---- Authentication ---- */

bool audit_takes_any_password(const struct audit_seen *seen)
{
    return seen->facts->strangers > 0;
}

bool audit_takes_published_login(const struct audit_seen *seen)
{
    audit_tell(seen, "%s", seen->facts->published_z);
    return seen->facts->published_z[0] != '\0';
}

/* pam_unix asks for a pause of two seconds, a quarter more or less. */
bool audit_refuses_quickly(const struct audit_seen *seen)
{
    enum { LEAST_US = 1000000 };
    int64_t us = seen->facts->refusal_us;
    audit_tell(seen, "after %lld ms", (long long)us / 1000);
    return openssh(seen) > 0 && us > 0 && us < LEAST_US;
}

bool audit_takes_several_passwords(const struct audit_seen *seen)
{
    return seen->facts->passwords > 1;
}
