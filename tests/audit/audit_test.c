/* A machine that gives nothing away, and the same machine with one fault planted: each check finds its
 * own. */
#include "audit/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1795341855 };

#define KEY        "AAAAC3NzaC1lZDI1NTE5AAAAIKv7ZQ7hS0q6dS0J1eQk0cQ0bq6zVb0s0bqkz1n0o2xP"
#define BUILD_LINE "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)\n"

static const char *const good_z[AUDIT_QUESTIONS] = {
    [AUDIT_LANGUAGE] = "a:2\n1-2-3-42 home/me xyz\n",
    [AUDIT_STATUS] = "37\n5\n1\n",
    [AUDIT_EXIT] = "",
    [AUDIT_STREAMS] = "out\n",
    [AUDIT_NOT_FOUND] = "",
    [AUDIT_PIPES] = " 1 a\n 2 b\n",
    [AUDIT_SCRIPT] = "ran now\n",
    [AUDIT_COPY] = "copied\n",
    [AUDIT_AWK] = "42\n",
    [AUDIT_MAGIC] = "7f454c46\n",
    [AUDIT_MODES] = "4751 2 0\n",
    [AUDIT_DIRECTORY] = "/tmp/.e/f\n0\n",
    [AUDIT_SUM] = "7987cf330ff5bb94015dfbb9eae5a99f\n",
    [AUDIT_SUM_PACKAGED] = "7987cf330ff5bb94015dfbb9eae5a99f\n",
    [AUDIT_RANDOM] = " ea 2b 47 47 58 e8 2e 21\n",
    [AUDIT_RANDOM_AGAIN] = " 22 ad bb 24 aa 49 58 37\n",
    [AUDIT_NAME] = "mon99\n",
    [AUDIT_NAME_FILE] = "mon99\n",
    [AUDIT_NAME_KERNEL] = "mon99\n",
    [AUDIT_KERNEL] = "6.1.0-56-amd64\n",
    [AUDIT_KERNEL_PROC] = "6.1.0-56-amd64\n",
    [AUDIT_KERNEL_MODULES] = "6.1.0-56-amd64\n",
    [AUDIT_VERSION] = BUILD_LINE,
    [AUDIT_VERSION_PROC] = BUILD_LINE,
    [AUDIT_CPUS] = "2\n",
    [AUDIT_CPUS_INFO] = "2\n",
    [AUDIT_CPUS_STAT] = "2\n",
    [AUDIT_CPUS_ALLOWED] = "2\n",
    [AUDIT_CPUS_SYS] = "2\n",
    [AUDIT_CPU_MODEL] = "AMD EPYC-Rome Processor\n",
    [AUDIT_CPU_LSCPU] = "AMD EPYC-Rome Processor\n",
    [AUDIT_CPU_VENDOR] = "AuthenticAMD\n",
    [AUDIT_CPU_FLAGS] = "3\n",
    [AUDIT_MACHINE] = "x86_64\n",
    [AUDIT_MEMORY] = "2014140\n",
    [AUDIT_MEMORY_PROC] = "2014140\n",
    [AUDIT_CLOCK] = "1795341855\n",
    [AUDIT_BOOT] = "1786540544\n",
    [AUDIT_BOOT_UPTIME] = "1786540545\n",
    [AUDIT_BOOT_WHO] = "1786540500\n",
    [AUDIT_UPTIME] = "8801311\n",
    [AUDIT_IDLE] = "17426594\n",
    [AUDIT_DISK] = "39941408\n",
    [AUDIT_DISK_STATFS] = "39941408\n",
    [AUDIT_DISK_SUM] = "1\n",
    [AUDIT_DISK_ID] = "a4f0be96-c035-4131-add6-a4ddd497c4fa\n",
    [AUDIT_DISK_ID_FSTAB] = "a4f0be96-c035-4131-add6-a4ddd497c4fa\n",
    [AUDIT_DEVICE] = "/dev/vda1\n",
    [AUDIT_DEVICE_MOUNT] = "/dev/vda1\n",
    [AUDIT_MACHINE_ID] = "7d1c4f0b5e2a4c8d9b63f1a07e5c2d94\n",
    [AUDIT_MACHINE_ID_BUS] = "7d1c4f0b5e2a4c8d9b63f1a07e5c2d94\n",
    [AUDIT_SYSTEM] = "debian 12\n",
    [AUDIT_SYSTEM_FILE] = "12\n",
    [AUDIT_SERVER] = "1:9.2p1-2+deb12u10",
    [AUDIT_USER] = "root\n",
    [AUDIT_HOME] = "/root\n",
    [AUDIT_HOME_FILE] = "/root\n",
    [AUDIT_PARENT] = "sshd\n",
    [AUDIT_SELF] = "listed\n",
    [AUDIT_PROCESSES] = "85\n",
    [AUDIT_PROCESSES_PS] = "86\n",
    [AUDIT_INIT] = "systemd\n",
    [AUDIT_CONNECTION] = "192.0.2.7 60688 203.0.113.87 22\n",
    [AUDIT_SOCKET] = "1\n",
    [AUDIT_CARD] = "52:54:00:73:0a:53\n",
    [AUDIT_CARD_LINK] = "52:54:00:73:0a:53\n",
    [AUDIT_BOOT_ID] = "dd581e02-5a05-4086-9468-f758884f26ac\n",
    [AUDIT_HOSTKEY] = KEY,
    [AUDIT_PASSWD] = "root:x:0:0:root:/root:/bin/bash\nadmin:x:1000:1000::/home/admin:/bin/bash\n",
    [AUDIT_SHADOW] = "root:$y$j9T$Zr8mVhQ2cWb0sYtLxPq6D/$G.5MFP4hEYhkK7v7n:20774:0:99999:7:::\n",
    [AUDIT_CPUINFO] = "processor\t: 0\nmodel name\t: AMD EPYC-Rome Processor\n",
    [AUDIT_UNAME] = "Linux mon99 6.1.0-56-amd64 #1 SMP x86_64 GNU/Linux\n",
    [AUDIT_MOUNTS] = "/dev/vda1 / ext4 rw,relatime,errors=remount-ro 0 0\n",
    [AUDIT_SLEEP] = "1795342512878335000\n1795342513880000000\n",
    [AUDIT_LOOP] = "2000\n",
};

static void set(struct buffer *b, const char *text_z)
{
    buffer_clear(b);
    assert_int_equal(buffer_put_z(b, text_z), 0);
}

static void answer(struct audit_facts *f, enum audit_question question, const char *out_z)
{
    struct audit_answer *a = &f->answers[question];
    set(&a->out, out_z);
    a->asked = true;
    a->status = 0;
    a->now_s = NOW_S;
    a->took_us = 5000;
}

static void hang_up(struct audit_reply *r, bool kexinit, const char *before_z)
{
    r->asked = r->closed = true;
    r->kexinit = kexinit;
    set(&r->before, before_z);
}

static void good(struct audit_facts *f)
{
    audit_facts_init(f);
    set(&f->version, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10");
    set(&f->lists[AUDIT_KEX],
        "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,"
        "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group16-sha512");
    set(&f->lists[AUDIT_HOSTKEYS], "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519");
    set(&f->lists[AUDIT_CIPHERS],
        "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com");
    set(&f->lists[AUDIT_MACS], "umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha1");
    hang_up(&f->bad_version, false, "Invalid SSH identification string.\r\n");
    hang_up(&f->bad_length, true, "");
    hang_up(&f->no_common, true, "");
    f->refusal_us = 2100000;
    f->passwords = 1;
    f->logged_in = f->kept_asked = f->kept = true;
    (void)snprintf(f->user_z, sizeof(f->user_z), "root");
    (void)snprintf(f->local_ip_z, sizeof(f->local_ip_z), "192.0.2.7");
    (void)snprintf(f->peer_ip_z, sizeof(f->peer_ip_z), "203.0.113.87");
    f->local_port = 60688;
    f->peer_port = 22;
    set(&f->hostkey, KEY);
    for (size_t i = 0; i < AUDIT_QUESTIONS; i++) {
        assert_non_null(good_z[i]); /* a new question needs a good answer */
        answer(f, (enum audit_question)i, good_z[i]);
    }
    f->answers[AUDIT_EXIT].status = 37;
    f->answers[AUDIT_NOT_FOUND].status = 127;
    set(&f->answers[AUDIT_NOT_FOUND].err, "bash: line 1: nosuchprogram: command not found\n");
    set(&f->answers[AUDIT_STREAMS].err, "err\n");
    f->answers[AUDIT_SLEEP].took_us = 1010000;
}

/* ---- Faults that are more than another answer ---- */

static void early(struct audit_facts *f)
{
    f->early_kexinit = true;
}

static void library(struct audit_facts *f)
{
    set(&f->version, "SSH-2.0-Twisted");
}

static void old_cowrie(struct audit_facts *f)
{
    set(&f->version, "SSH-2.0-OpenSSH_6.0p1 Debian-4+deb7u2");
}

static void no_curve(struct audit_facts *f)
{
    set(&f->lists[AUDIT_KEX], "diffie-hellman-group14-sha256");
}

static void old_ciphers(struct audit_facts *f)
{
    set(&f->lists[AUDIT_CIPHERS], "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,3des-cbc");
}

static void bad_version(struct audit_facts *f)
{
    set(&f->bad_version.before, "bad version SSH-1337");
}

static void bad_length(struct audit_facts *f)
{
    set(&f->bad_length.after, "bad packet length 168430090");
}

static void no_common(struct audit_facts *f)
{
    set(&f->no_common.after, "couldn't match all kex parts");
}

static void strangers(struct audit_facts *f)
{
    f->strangers = 1;
}

static void published(struct audit_facts *f)
{
    (void)snprintf(f->published_z, sizeof(f->published_z), "phil/phil");
}

static void quick(struct audit_facts *f)
{
    f->refusal_us = 3000;
}

static void several(struct audit_facts *f)
{
    f->passwords = 2;
}

static void lost_status(struct audit_facts *f)
{
    f->answers[AUDIT_EXIT].status = 0;
}

static void one_stream(struct audit_facts *f)
{
    answer(f, AUDIT_STREAMS, "out\nerr\n");
    set(&f->answers[AUDIT_STREAMS].err, "");
}

static void found_nothing(struct audit_facts *f)
{
    f->answers[AUDIT_NOT_FOUND].status = 0;
}

static void forgets(struct audit_facts *f)
{
    f->kept = false;
}

static void slow(struct audit_facts *f)
{
    f->answers[AUDIT_LOOP].took_us = 4000000;
}

static const struct plant {
    const char *id_z;
    void (*plant)(struct audit_facts *f); /* or */
    enum audit_question question;
    const char *out_z;
    bool shared; /* the other machine is this one */
} plants[] = {
    {"early-kexinit", early, 0, NULL, false},
    {"library-version", library, 0, NULL, false},
    {"default-version", old_cowrie, 0, NULL, false},
    {"missing-algorithms", no_curve, 0, NULL, false},
    {"foreign-algorithms", old_ciphers, 0, NULL, false},
    {"bad-version", bad_version, 0, NULL, false},
    {"bad-length", bad_length, 0, NULL, false},
    {"no-common-algorithm", no_common, 0, NULL, false},
    {"any-password", strangers, 0, NULL, false},
    {"published-login", published, 0, NULL, false},
    {"quick-refusal", quick, 0, NULL, false},
    {"several-passwords", several, 0, NULL, false},
    {"shell-language", NULL, AUDIT_LANGUAGE, "-bash: syntax error\n", false},
    {"exit-status", NULL, AUDIT_STATUS, "0\n0\n0\n", false},
    {"session-status", lost_status, 0, NULL, false},
    {"streams", one_stream, 0, NULL, false},
    {"not-found", found_nothing, 0, NULL, false},
    {"pipes", NULL, AUDIT_PIPES, "b\na\nb\n", false},
    {"scripts", NULL, AUDIT_SCRIPT, "-bash: ./.a: command not found\n", false},
    {"programs", NULL, AUDIT_COPY, "", false},
    {"languages", NULL, AUDIT_AWK, "awk: command not found\n", false},
    {"binary", NULL, AUDIT_MAGIC, "00000000\n", false},
    {"modes", NULL, AUDIT_MODES, "644 1 0\n", false},
    {"directories", NULL, AUDIT_DIRECTORY, "/root\n", false},
    {"package-sums", NULL, AUDIT_SUM, "d41d8cd98f00b204e9800998ecf8427e\n", false},
    {"randomness", NULL, AUDIT_RANDOM_AGAIN, " ea 2b 47 47 58 e8 2e 21\n", false},
    {"forgets-files", forgets, 0, NULL, false},
    {"name-file", NULL, AUDIT_NAME_FILE, "localhost\n", false},
    {"name-kernel", NULL, AUDIT_NAME_KERNEL, "svr04\n", false},
    {"kernel-proc", NULL, AUDIT_KERNEL_PROC, "3.2.0-4-amd64\n", false},
    {"kernel-modules", NULL, AUDIT_KERNEL_MODULES, "", false},
    {"kernel-build", NULL, AUDIT_VERSION_PROC, "#1 SMP Debian 3.2.0-1\n", false},
    {"cpus-cpuinfo", NULL, AUDIT_CPUS, "1\n", false},
    {"cpus-stat", NULL, AUDIT_CPUS_STAT, "4\n", false},
    {"cpus-allowed", NULL, AUDIT_CPUS_ALLOWED, "4\n", false},
    {"cpus-sys", NULL, AUDIT_CPUS_SYS, "3\n", false},
    {"cpu-model", NULL, AUDIT_CPU_LSCPU, "Intel(R) Xeon(R)\n", false},
    {"cpu-vendor", NULL, AUDIT_CPU_VENDOR, "GenuineIntel\n", false},
    {"cpu-flags", NULL, AUDIT_CPU_FLAGS, "2\n", false},
    {"memory", NULL, AUDIT_MEMORY_PROC, "4054744\n", false},
    {"clock", NULL, AUDIT_CLOCK, "1380000000\n", false},
    {"boot-uptime", NULL, AUDIT_BOOT_UPTIME, "1786540000\n", false},
    {"boot-who", NULL, AUDIT_BOOT_WHO, "1790000000\n", false},
    {"uptime", NULL, AUDIT_UPTIME, "0\n", false},
    {"idle", NULL, AUDIT_IDLE, "99999999\n", false},
    {"disk", NULL, AUDIT_DISK, "20000000\n", false},
    {"disk-sum", NULL, AUDIT_DISK_SUM, "0\n", false},
    {"disk-device", NULL, AUDIT_DEVICE, "rootfs\n", false},
    {"disk-id", NULL, AUDIT_DISK_ID, "6f3b0a52-1c77-4c9e-9d0b-5a4c8f2e71d3\n", false},
    {"machine-id", NULL, AUDIT_MACHINE_ID_BUS, "00000000000000000000000000000000\n", false},
    {"system", NULL, AUDIT_SYSTEM, "debian 11\n", false},
    {"server-package", NULL, AUDIT_SERVER, "1:8.4p1-5+deb11u3", false},
    {"user", NULL, AUDIT_USER, "phil\n", false},
    {"home", NULL, AUDIT_HOME, "/\n", false},
    {"parent", NULL, AUDIT_PARENT, "python3\n", false},
    {"process-list", NULL, AUDIT_SELF, "", false},
    {"processes", NULL, AUDIT_PROCESSES_PS, "24\n", false},
    {"connection", NULL, AUDIT_CONNECTION, "192.0.2.7 54321 203.0.113.87 22\n", false},
    {"sockets", NULL, AUDIT_SOCKET, "0\n", false},
    {"network-card", NULL, AUDIT_CARD_LINK, "00:00:00:00:00:00\n", false},
    {"host-key", NULL, AUDIT_HOSTKEY, "", false},
    {"user-phil", NULL, AUDIT_PASSWD, "phil:x:1000:1000:Phil California,,,:/home/phil:/bin/bash\n",
     false},
    {"user-richard", NULL, AUDIT_PASSWD, "richard:x:1000:1000:richard,,,:/home/richard:/bin/bash\n",
     false},
    {"shadow-phil", NULL, AUDIT_SHADOW, "phil:$6$ErqInBoz$FibX:15800:0:99999:7:::\n", false},
    {"host-name", NULL, AUDIT_NAME, "svr04\n", false},
    {"kernel-cowrie", NULL, AUDIT_UNAME,
     "Linux svr04 3.2.0-4-amd64 #1 SMP Debian 3.2.68-1+deb7u1\n", false},
    {"kernel-kippo", NULL, AUDIT_UNAME, "Linux nas3 2.6.26-2-686 #1 SMP\n", false},
    {"cpu-cowrie", NULL, AUDIT_CPUINFO, "Intel(R) Core(TM)2 Duo CPU     E8200  @ 2.66GHz\n", false},
    {"mounts-cowrie", NULL, AUDIT_MOUNTS, "rootfs / rootfs rw 0 0\n", false},
    {"sleep", NULL, AUDIT_SLEEP, "1795342512878335000\n1795342512878335000\n", false},
    {"computing", slow, 0, NULL, false},
    {"shared-host-key", NULL, 0, NULL, true},
    {"shared-machine-id", NULL, 0, NULL, true},
    {"shared-name", NULL, 0, NULL, true},
    {"shared-boot-id", NULL, 0, NULL, true},
    {"shared-boot", NULL, 0, NULL, true},
    {"shared-card", NULL, 0, NULL, true},
};

static struct audit_finding *findings;

static bool is_found(size_t count, const char *id_z)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(findings[i].check->id_z, id_z) == 0)
            return true;
    return false;
}

static void a_real_machine_gives_nothing_away(void **state)
{
    struct audit_facts *f = calloc(1, sizeof(*f));
    (void)state;
    good(f);
    size_t count = audit_judge(f, NULL, findings);
    for (size_t i = 0; i < count; i++)
        print_error("%s: %s\n", findings[i].check->id_z, findings[i].detail_z);
    assert_int_equal(count, 0);
    assert_int_equal(audit_score(findings, 0), 0);
    audit_facts_fini(f);
    free(f);
}

static void a_server_that_was_asked_nothing_gives_nothing_away(void **state)
{
    struct audit_facts *f = calloc(1, sizeof(*f));
    (void)state;
    audit_facts_init(f);
    assert_int_equal(audit_judge(f, f, findings), 0);
    audit_facts_fini(f);
    free(f);
}

static void each_planted_fault_is_found(void **state)
{
    struct audit_facts *f = calloc(1, sizeof(*f));
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plants); i++) {
        const struct plant *p = &plants[i];
        good(f);
        if (p->plant != NULL)
            p->plant(f);
        if (p->out_z != NULL)
            answer(f, p->question, p->out_z);
        size_t count = audit_judge(f, p->shared ? f : NULL, findings);
        if (!is_found(count, p->id_z))
            fail_msg("%s is not found", p->id_z);
        audit_facts_fini(f);
    }
    free(f);
}

static void each_check_has_a_planted_fault(void **state)
{
    const struct audit_check *checks;
    size_t count = audit_checks(&checks);
    (void)state;
    assert_int_equal(count, ARRAY_LEN(plants));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(checks[i].id_z, plants[i].id_z);
}

static void a_machine_with_fewer_programs_is_no_honeypot(void **state)
{
    struct audit_facts *f = calloc(1, sizeof(*f));
    (void)state;
    good(f);
    answer(f, AUDIT_CPU_LSCPU, "");
    f->answers[AUDIT_CPU_LSCPU].status = 127;
    answer(f, AUDIT_SERVER, "");
    assert_int_equal(audit_judge(f, NULL, findings), 0);
    audit_facts_fini(f);
    free(f);
}

static void what_the_machine_says_is_made_printable(void **state)
{
    struct audit_facts *f = calloc(1, sizeof(*f));
    (void)state;
    good(f);
    answer(f, AUDIT_NAME_FILE, "a\033]0;b\007\nc");
    assert_int_equal(audit_judge(f, NULL, findings), 1);
    assert_string_equal(findings[0].detail_z, "mon99; a?]0;b?|c");
    audit_facts_fini(f);
    free(f);
}

static void the_score_has_an_end(void **state)
{
    const struct audit_check *checks;
    size_t count = audit_checks(&checks);
    (void)state;
    for (size_t i = 0; i < count; i++)
        findings[i].check = &checks[i];
    assert_int_equal(audit_score(findings, 1), checks[0].weight);
    assert_int_equal(audit_score(findings, count), AUDIT_SCORE_MAX);
}

/* docs/audit.md has a row for each check, with its weight. */
static void the_manual_lists_every_check(void **state)
{
    const struct audit_check *checks;
    struct buffer row;
    size_t count = audit_checks(&checks), got = 0;
    FILE *file = fopen(DOCS_AUDIT, "re");
    char *text_z = calloc(1, 65536);
    (void)state;
    assert_non_null(file);
    got = fread(text_z, 1, 65535, file);
    (void)fclose(file);
    assert_true(got > 0);
    buffer_init(&row, 4096);
    for (size_t i = 0; i < count; i++) {
        const char *row_z = NULL;
        buffer_clear(&row);
        assert_int_equal(buffer_printf(&row, "| %s | `%s` | %u | %s |", checks[i].group_z,
                                       checks[i].id_z, checks[i].weight, checks[i].what_z),
                         0);
        assert_int_equal(buffer_put_u8(&row, 0), 0);
        row_z = (const char *)buffer_span(&row).data;
        if (row_z == NULL || strstr(text_z, row_z) == NULL)
            fail_msg("docs/audit.md lacks: %s", row_z);
    }
    buffer_fini(&row);
    free(text_z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_machine_gives_nothing_away),
        cmocka_unit_test(a_server_that_was_asked_nothing_gives_nothing_away),
        cmocka_unit_test(each_planted_fault_is_found),
        cmocka_unit_test(each_check_has_a_planted_fault),
        cmocka_unit_test(a_machine_with_fewer_programs_is_no_honeypot),
        cmocka_unit_test(what_the_machine_says_is_made_printable),
        cmocka_unit_test(the_score_has_an_end),
        cmocka_unit_test(the_manual_lists_every_check),
    };
    const struct audit_check *checks;
    findings = calloc(audit_checks(&checks), sizeof(*findings));
    int failed = findings == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    free(findings);
    return failed;
}
