/* Reaches src/lured/import.c: the first byte says which of Cowrie's files the rest is. Whatever is taken
 * over must be accepted by those who read it. */
#include "lured/import.h"

#include "session/bait.h"
#include "session/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const struct config *taken)
{
    struct config again;
    char why_z[CONFIG_WHY_SIZE], *text_z = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text_z, &len);
    assert(out != NULL);
    config_print(taken, out);
    (void)fclose(out);
    int error = config_init(&again);
    assert(error == 0);
    error = config_read(&again, "f", span_of(text_z, len), why_z);
    assert(error == 0);
    config_fini(&again);
    free(text_z);
}

static void check_lists(const struct import *m)
{
    int error;
    uint32_t line;
    struct session_policy *policy = session_policy_new(buffer_span(&m->passwords), &error, &line);
    struct session_bait *bait = session_bait_new(buffer_span(&m->files), &error, &line);
    assert(policy != NULL && bait != NULL);
    session_policy_free(policy);
    session_bait_free(bait);
}

/* A name a line. */
static void take_files(struct import *m, struct span text)
{
    char name_z[512];
    ptrdiff_t end;
    for (; text.len > 0; text = span_slice(text, end < 0 ? text.len : (size_t)end + 1, text.len)) {
        end = span_find(text, '\n', 0);
        (void)span_copy_z(span_slice(text, 0, end < 0 ? text.len : (size_t)end), name_z,
                          sizeof(name_z));
        int error = import_file(m, name_z, S_IFREG | 0644, "/from/here");
        assert(error == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import m;
    if (size < 1)
        return 0;
    FILE *report = fopen("/dev/null", "we");
    int error = config_init(&m.config);
    assert(report != NULL && error == 0);
    import_init(&m, report);
    struct span text = {data + 1, size - 1};
    if (data[0] % 3 == 0)
        import_config(&m, text);
    else if (data[0] % 3 == 1)
        error = import_userdb(&m, text);
    else
        take_files(&m, text);
    assert(error == 0);
    check_config(&m.config);
    check_lists(&m);
    import_fini(&m);
    config_fini(&m.config);
    (void)fclose(report);
    return 0;
}
