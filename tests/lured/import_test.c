/* What is taken of Cowrie's files, and what is said of the rest. */
#include "base/error.h"
#include "lured/import.h"
#include "session/bait.h"
#include "session/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
    struct import import;
    char *report_z;
    size_t report_len;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    FILE *report = open_memstream(&f->report_z, &f->report_len);
    assert_non_null(report);
    assert_int_equal(config_init(&f->import.config), 0);
    import_init(&f->import, report);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)fclose(f->import.report);
    free(f->report_z);
    import_fini(&f->import);
    config_fini(&f->import.config);
    free(f);
    return 0;
}

static void assert_reported(struct fixture *f, const char *line_z)
{
    (void)fflush(f->import.report);
    if (strstr(f->report_z, line_z) == NULL)
        fail_msg("not reported: %s in\n%s", line_z, f->report_z);
}

static struct session_policy *policy_of(struct fixture *f)
{
    int error;
    uint32_t line;
    struct session_policy *policy =
        session_policy_new(buffer_span(&f->import.passwords), &error, &line);
    if (policy == NULL)
        fail_msg("line %u: %s", line, error_text(error));
    return policy;
}

static bool allows(struct session_policy *policy, const char *user_z, const char *password_z)
{
    return session_policy_allows(policy, span_z(user_z), span_z(password_z));
}

static void keys_are_taken_section_by_section(void **state)
{
    struct fixture *f = *state;
    import_config(&f->import, span_z("hostname = early\n[honeypot]\nhostname = web17\n more\n[\n"
                                     "[ssh\n[shell]\narch = x\n[]\n=\n[output_x]\r\na=b\r\n"));
    assert_string_equal(f->import.config.hostname, "web17");
    assert_int_equal(f->import.taken, 1);
    assert_int_equal(f->import.left, 7);
    assert_reported(f, "not taken  [] hostname: there is nothing like it");
    assert_reported(f, "not taken  cowrie.cfg: a line that goes on, or is no key");
    assert_reported(f, "not taken  [output_x] a: this version has no outputs");
}

static void lines_of_any_length_are_one_line(void **state)
{
    enum { LONG = 5000 };
    struct fixture *f = *state;
    char line_z[LONG + 64], password_z[LONG + 1];
    memset(password_z, 'p', LONG);
    password_z[LONG] = '\0';
    /* Were it cut at 4,095 bytes, this would be another rule. */
    memcpy(password_z + 4088, "pi:x:any", 8);
    (void)snprintf(line_z, sizeof(line_z), "root:x:%s", password_z);
    assert_int_equal(import_userdb(&f->import, span_z(line_z)), 0);
    assert_int_equal(f->import.taken, 1);
    struct session_policy *policy = policy_of(f);
    assert_true(allows(policy, "root", password_z));
    assert_false(allows(policy, "pi", "any"));
    session_policy_free(policy);
    (void)snprintf(line_z, sizeof(line_z), "hostname=%s", password_z);
    import_config(&f->import, span_z(line_z));
    assert_reported(f, "not taken  cowrie.cfg: a line that is too long, or no text");
}

static void what_is_no_rule_is_left(void **state)
{
    static const char text[] = "\n#\n:x:p\na:x\na\nb:x:\0\n/r/:x:p\nr:x:!/p/\nr:x:!\r\n";
    struct fixture *f = *state;
    assert_int_equal(import_userdb(&f->import, span_of(text, sizeof(text) - 1)), 0);
    assert_int_equal(f->import.taken, 1);
    assert_int_equal(f->import.left, 6);
    assert_reported(f, "userdb.txt:3: not USER:x:PASSWORD");
    assert_reported(f, "userdb.txt:8: regular expressions have no counterpart");
    assert_true(span_equal_z(buffer_span(&f->import.passwords), "r:!\n"));
}

static void more_rules_than_a_list_may_have_are_left(void **state)
{
    enum { RULES = SESSION_POLICY_RULES_MAX + 10 };
    struct fixture *f = *state;
    struct buffer text;
    buffer_init(&text, IMPORT_FILE_MAX);
    for (int i = 0; i < RULES; i++)
        assert_int_equal(buffer_printf(&text, "u:x:%d\n", i), 0);
    assert_int_equal(import_userdb(&f->import, buffer_span(&text)), 0);
    assert_int_equal(f->import.taken, SESSION_POLICY_RULES_MAX);
    assert_int_equal(f->import.left, 10);
    assert_reported(f, "userdb.txt:65537: more than a list of passwords may have");
    struct session_policy *policy = policy_of(f);
    assert_true(allows(policy, "u", "65535"));
    assert_false(allows(policy, "u", "65536"));
    session_policy_free(policy);
    buffer_fini(&text);
}

static void more_files_than_a_list_may_have_are_left(void **state)
{
    struct fixture *f = *state;
    char name_z[32];
    int error;
    uint32_t line;
    for (int i = 0; i < SESSION_BAIT_MAX + 3; i++) {
        (void)snprintf(name_z, sizeof(name_z), "/etc/f%d", i);
        assert_int_equal(import_file(&f->import, name_z, S_IFREG | 0640, "/from"), 0);
    }
    assert_int_equal(f->import.taken, SESSION_BAIT_MAX);
    assert_int_equal(f->import.left, 3);
    assert_reported(f, "not taken  /etc/f1024: more than a list of files may have");
    struct session_bait *bait = session_bait_new(buffer_span(&f->import.files), &error, &line);
    assert_non_null(bait);
    assert_int_equal(session_bait_item(bait, SESSION_BAIT_MAX - 1)->mode, 0640);
    session_bait_free(bait);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keys_are_taken_section_by_section),
        TEST(lines_of_any_length_are_one_line),
        TEST(what_is_no_rule_is_left),
        TEST(more_rules_than_a_list_may_have_are_left),
        TEST(more_files_than_a_list_may_have_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
