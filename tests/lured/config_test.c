/* The configuration: what is good is taken, what is not is refused at its line. */
#include "base/error.h"
#include "lured/config.h"
#include "ssh/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    struct config *config = calloc(1, sizeof(*config));
    assert_non_null(config);
    assert_int_equal(config_init(config), 0);
    *state = config;
    return 0;
}

static int teardown(void **state)
{
    config_fini(*state);
    free(*state);
    return 0;
}

static void assert_good(struct config *config, const char *text_z)
{
    char why_z[CONFIG_WHY_SIZE] = "";
    if (config_read(config, "f", span_z(text_z), why_z) < 0)
        fail_msg("%s", why_z);
}

static void assert_refused(struct config *config, const char *text_z, const char *why_expected_z)
{
    char why_z[CONFIG_WHY_SIZE] = "";
    assert_true(config_read(config, "f.yaml", span_z(text_z), why_z) < 0);
    assert_string_equal(why_z, why_expected_z);
}

static void nothing_said_means_the_defaults(void **state)
{
    struct config *config = *state;
    static const char *const EMPTY[] = {"",           "\n",   "# a comment\n", "---\n",
                                        "---\n...\n", "{}\n", "limits: {}\n"};
    for (size_t i = 0; i < ARRAY_LEN(EMPTY); i++)
        assert_good(config, EMPTY[i]);
    assert_string_equal(config->data, "./lured-data");
    assert_string_equal(config->ssh_endpoint, "tcp:2222");
    assert_string_equal(config->telnet_endpoint, "tcp:2223");
    assert_string_equal(config->console_endpoint, "tcp:8022:interface=127.0.0.1");
    assert_string_equal(config->user, "nobody");
}

static void a_zero_is_taken_where_the_default_is_another(void **state)
{
    struct config *config = *state;
    assert_int_equal(config->ssh_waits, 1);
    assert_good(config, "ssh:\n  waits: 0\n");
    assert_int_equal(config->ssh_waits, 0);
    assert_good(config, "ssh:\n  waits: 1\n");
    assert_int_equal(config->ssh_waits, 1);
}

static void values_are_taken_and_others_stay(void **state)
{
    struct config *config = *state;
    assert_good(config, "data: /var/lib/lured\n"
                        "hostname: \"web-01\"\n"
                        "ssh:\n  endpoint: tcp:22:interface=\\:\\:1\n"
                        "limits:\n  processes: 33\n  memory_mib: 64\n"
                        "record: {segment_mib: 7}\n");
    assert_string_equal(config->data, "/var/lib/lured");
    assert_string_equal(config->hostname, "web-01");
    assert_int_equal(config->limits_processes, 33);
    assert_int_equal(config->limits_memory_mib, 64);
    assert_int_equal(config->limits_files, 4096);
    assert_int_equal(config->record_segment_mib, 7);
    assert_good(config, "limits: {processes: 34}\nhostname: ''\n");
    assert_int_equal(config->limits_processes, 34);
    assert_string_equal(config->hostname, "");
    assert_string_equal(config->data, "/var/lib/lured");
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    struct config *config = *state;
    assert_refused(
        config, "data: ./d\nnonsense: 1\n",
        "f.yaml:2: key \"nonsense\": unknown; expected one of data sensor persona image "
        "hostname foreign_programs passwords bait user ssh telnet console limits visitors record");
    assert_refused(config, "ssh:\n  endpoint: tcp:2222\n  colour: red\n",
                   "f.yaml:3: key \"ssh.colour\": unknown; expected one of endpoint profile "
                   "key_log waits client_alive_s client_alive_count max_startups");
    assert_refused(config, "limits:\n  processes: many\n",
                   "f.yaml:2: key \"limits.processes\": expected a number from 4 to 4096, not "
                   "\"many\"");
    assert_refused(config, "limits: {processes: -4}\n",
                   "f.yaml:1: key \"limits.processes\": expected a number from 4 to 4096, not "
                   "\"-4\"");
    assert_refused(config, "limits: hello\n",
                   "f.yaml:1: key \"limits\": expected keys of its own below it");
    assert_refused(config, "data: [1, 2]\n", "f.yaml:1: key \"data\": expected a text");
    assert_refused(config, "\nlimits:\n  files: {a: 1}\n",
                   "f.yaml:3: key \"limits.files\": expected a number");
    assert_refused(config, "data: a\ndata: b\n",
                   "f.yaml:2: key \"data\": stands here a second time");
    assert_refused(config, "- data\n", "f.yaml:1: expected keys and values");
    assert_refused(config, "{[a]: b}\n", "f.yaml:1: key \"\": expected a word as key");
    assert_refused(config, "data: ''\n", "f.yaml:1: key \"data\": expected a value, not \"\"");
    assert_refused(config, "hostname: a b\n",
                   "f.yaml:1: key \"hostname\": expected a host name: up to 64 letters, digits, "
                   "dots and inner hyphens, not \"a b\"");
    assert_refused(config, "ssh: {profile: openssh-1.2.27}\n",
                   "f.yaml:1: key \"ssh.profile\": expected one of openssh-9.2p1 openssh-9.6p1 "
                   "openssh-8.4p1 openssh-8.2p1 openssh-8.2p1-ubuntu dropbear-2022.83, not "
                   "\"openssh-1.2.27\"");
    assert_refused(config, "data: a\n---\ndata: b\n", "f.yaml:3: a second document");
}

static void syntax_and_endpoints_are_refused_too(void **state)
{
    struct config *config = *state;
    char why_z[CONFIG_WHY_SIZE];
    static const char *const BAD[] = {
        "data: [1, 2\n",          "a: b: c\n",        "\tdata: x\n",       "data: \xff\xfe\n",
        "%YAML 9.9\n---\na: b\n", "data: *nowhere\n", "data: \"\\x01\"\n", "data: \"a\\0b\"\n"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_true(config_read(config, "f.yaml", span_z(BAD[i]), why_z) < 0);
        assert_memory_equal(why_z, "f.yaml:", 7);
        assert_in_range(why_z[7], '1', '9');
    }
    assert_true(config_read(config, "f.yaml", span_z("ssh:\n  endpoint: 'tcp:70000'\n"), why_z) <
                0);
    assert_memory_equal(why_z, "f.yaml:2: key \"ssh.endpoint\": expected an endpoint: ", 52);
    assert_non_null(strstr(why_z, "not \"tcp:70000\""));
}

static void a_refused_file_changes_nothing(void **state)
{
    struct config *config = *state;
    char why_z[CONFIG_WHY_SIZE];
    assert_true(config_read(config, "f", span_z("hostname: other\nlimits: {files: 1}\n"), why_z) <
                0);
    assert_string_equal(config->hostname, "");
}

static void a_file_that_is_not_there_is_said(void **state)
{
    char why_z[CONFIG_WHY_SIZE];
    assert_true(config_load(*state, "/nonexistent/x.yaml", why_z) < 0);
    assert_string_equal(why_z, "/nonexistent/x.yaml: No such file or directory");
}

static void options_are_checked_like_the_file(void **state)
{
    struct config *config = *state;
    char why_z[CONFIG_WHY_SIZE];
    assert_int_equal(config_set(config, "ssh.endpoint", "off", why_z), 0);
    assert_true(config_is_off(config->ssh_endpoint));
    assert_int_equal(config_set(config, "limits.files", "64", why_z), 0);
    assert_int_equal(config->limits_files, 64);
    assert_true(config_set(config, "ssh.endpoint", "localhost", why_z) < 0);
    assert_true(config_set(config, "limits.files", "064", why_z) < 0);
    assert_true(config_set(config, "limits.files", "99999999999999999999", why_z) < 0);
    assert_true(config_set(config, "nothing", "x", why_z) < 0);
    assert_int_equal(config->limits_files, 64);
}

/* What `lured check` prints gives the same configuration, and says every key. */
static void what_is_printed_reads_back(void **state)
{
    struct config *config = *state;
    char *printed_z = NULL;
    char *again_z = NULL;
    size_t size = 0;
    assert_good(config, "data: \"it's: # [not] {a} comment\"\nlimits: {files: 65}\n");
    FILE *out = open_memstream(&printed_z, &size);
    config_print(config, out);
    (void)fclose(out);
    struct config second;
    assert_int_equal(config_init(&second), 0);
    assert_good(&second, printed_z);
    assert_string_equal(second.data, "it's: # [not] {a} comment");
    out = open_memstream(&again_z, &size);
    config_print(&second, out);
    (void)fclose(out);
    assert_string_equal(printed_z, again_z);
    config_fini(&second);
    free(printed_z);
    free(again_z);
}

/* docs/configuration.md shows the keys; it may not say anything else than config.def. */
static void documentation_shows_the_keys(void **state)
{
    (void)state;
    static const char *const EXPECTED[] = {
#define TEXT(member, section, key, standard, check, what) \
    "| `" section "` | `" key "` | `" standard "` | " what " |\n",
#define NUMBER(member, section, key, standard, least, most, what) \
    "| `" section "` | `" key "` | " #standard " (" #least " to " #most ") | " what " |\n",
#include "lured/config.def"
#undef TEXT
#undef NUMBER
    };
    FILE *file = fopen(DOCS_CONFIGURATION, "r");
    assert_non_null(file);
    char line_z[1024];
    for (size_t i = 0; i < ARRAY_LEN(EXPECTED); i++) {
        do {
            if (fgets(line_z, sizeof(line_z), file) == NULL)
                fail_msg("docs/configuration.md lacks: %s", EXPECTED[i]);
        } while (strncmp(line_z, "| `", 3) != 0);
        assert_string_equal(line_z, EXPECTED[i]);
    }
    while (fgets(line_z, sizeof(line_z), file) != NULL)
        assert_int_not_equal(strncmp(line_z, "| `", 3), 0);
    (void)fclose(file);
}

/* And the servers that can be shown, with what each was held against. */
static void documentation_shows_the_profiles(void **state)
{
    (void)state;
    static const struct ssh_profile *const ALL[] = {
#define PROFILE(symbol, name) &ssh_profile_##symbol,
#include "ssh/profiles.def"
#undef PROFILE
    };
    FILE *file = fopen(DOCS_CONFIGURATION, "r");
    assert_non_null(file);
    char line_z[1024] = "";
    char expected_z[1024];
    while (strncmp(line_z, "| profile |", 11) != 0)
        assert_non_null(fgets(line_z, sizeof(line_z), file));
    assert_non_null(fgets(line_z, sizeof(line_z), file));
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        const char *compared_z = ALL[i]->compared_z;
        if (compared_z == NULL)
            compared_z = "NOT compared with its real server";
        (void)snprintf(expected_z, sizeof(expected_z), "| %s | %s | %s |\n", ALL[i]->name_z,
                       ALL[i]->title_z, compared_z);
        assert_non_null(fgets(line_z, sizeof(line_z), file));
        assert_string_equal(line_z, expected_z);
        assert_ptr_equal(ssh_profile_find(span_z(ALL[i]->name_z)), ALL[i]);
    }
    (void)fclose(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_said_means_the_defaults),
        TEST(values_are_taken_and_others_stay),
        TEST(what_is_wrong_is_said_with_its_line),
        TEST(syntax_and_endpoints_are_refused_too),
        TEST(a_refused_file_changes_nothing),
        TEST(a_file_that_is_not_there_is_said),
        TEST(options_are_checked_like_the_file),
        TEST(what_is_printed_reads_back),
        TEST(a_zero_is_taken_where_the_default_is_another),
        TEST(documentation_shows_the_keys),
        TEST(documentation_shows_the_profiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
