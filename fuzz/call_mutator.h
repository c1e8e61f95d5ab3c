/* Mutation of an input of syscalls.c: by records, and by sequences of calls (call_sequences.def). */
#ifndef FUZZ_CALL_MUTATOR_H
#define FUZZ_CALL_MUTATOR_H

#include "call_data.h"
#include "call_numbers.h"

#include <stdlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));

/* ---- Mutation by records ---- */

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t limit)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(d->state >> 33) % limit;
}

static void fill(uint8_t *record, struct dice *d)
{
    for (size_t i = 0; i < RECORD_BYTES; i++)
        record[i] = (uint8_t)roll(d, 256);
    if (roll(d, 16) == 0)
        record[0] = DATA_RECORD;
}

/* A record more, new or as another one is. The size after that. */
static size_t insert(uint8_t *data, size_t size, size_t max_size, struct dice *d)
{
    uint8_t record[RECORD_BYTES];
    size_t count = (size - HEAD_BYTES) / RECORD_BYTES;
    size_t at = HEAD_BYTES + roll(d, (uint32_t)count + 1) * RECORD_BYTES;
    if (size + RECORD_BYTES > max_size)
        return size;
    fill(record, d);
    if (count > 0 && roll(d, 3) == 0)
        memcpy(record, data + HEAD_BYTES + roll(d, (uint32_t)count) * RECORD_BYTES, RECORD_BYTES);
    memmove(data + at + RECORD_BYTES, data + at, size - at);
    memcpy(data + at, record, RECORD_BYTES);
    return size + RECORD_BYTES;
}

/* ---- Mutation by sequences ---- */

enum { STEPS_MAX = 10 };
static const char *const sequences[][STEPS_MAX] = {
#define SEQUENCE(...) {__VA_ARGS__},
#include "call_sequences.def"
#undef SEQUENCE
};

/* The word of a step that begins with `mark`, or NULL. */
static const char *find_word(const char *step_z, char mark)
{
    for (const char *at = strchr(step_z, ' '); at != NULL; at = strchr(at + 1, ' '))
        if (at[1] == mark)
            return at + 1;
    return NULL;
}

static bool is_word(const char *at, const char *word_z)
{
    size_t len = strcspn(at, " ");
    return strlen(word_z) == len && memcmp(at, word_z, len) == 0;
}

/* Any that begins so when the word ends with `*`. */
static uint8_t choose_path(const char *word, struct dice *d)
{
    size_t len = word != NULL ? strcspn(word, " *") : 0;
    size_t start = roll(d, ARRAY_LEN(call_paths));
    if (word == NULL)
        return (uint8_t)start;
    for (size_t i = 0; i < ARRAY_LEN(call_paths); i++) {
        size_t at = (start + i) % ARRAY_LEN(call_paths);
        if (word[len] == '*' ? strncmp(call_paths[at], word, len) == 0
                             : is_word(word, call_paths[at]))
            return (uint8_t)at;
    }
    abort();
}

static uint8_t choose_struct(const char *word)
{
    static const struct {
        const char *name_z;
        enum call_struct which;
    } names[] = {
        {"@inet", STRUCT_address},
        {"@inet6", STRUCT_address6},
        {"@unix", STRUCT_address_unix},
        {"@abstract", STRUCT_address_abstract},
        {"@netlink", STRUCT_address_netlink},
        {"@syslog", STRUCT_address_syslog},
        {"@journal", STRUCT_address_journal},
        {"@bus", STRUCT_address_bus},
        {"@names", STRUCT_address_names},
        {"@far", STRUCT_address_far},
        {"#line", STRUCT_syslog_line},
        {"#fields", STRUCT_journal_fields},
        {"#greeting", STRUCT_bus_greeting},
        {"#query", STRUCT_names_query},
        {"#one", STRUCT_number},
        {"#icmp", STRUCT_icmp},
        {"#dump", STRUCT_netlink_dump},
        {"#diag", STRUCT_netlink_diag},
        {"#caps", STRUCT_file_caps},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_word(word, names[i].name_z))
            return (uint8_t)names[i].which;
    abort();
}

/* Which of a set: the word says it by numbers for the first argument that is one, and for the next. */
static uint8_t choose_one(const char *word, unsigned before, struct dice *d)
{
    if (word == NULL || strcspn(word, " ") <= before + 1)
        return (uint8_t)roll(d, 256);
    char digit = word[1 + before];
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* How an argument is chosen so that the call comes to something, mostly. `before`: arguments that are of
 * sets as well, or descriptors as well. */
static void choose(uint8_t *how, struct arg_type type, const char *step_z, unsigned before,
                   struct dice *d)
{
    enum { OWN = 200 };
    const char *address = find_word(step_z, '@'), *bytes = find_word(step_z, '#'),
               *fds = find_word(step_z, '~');
    how[0] = 0; /* what an earlier call has answered */
    how[1] = (uint8_t)roll(d, 256);
    switch ((enum arg_kind)type.kind) {
    case ARG_FD:
        how[0] = fds != NULL ? OWN : 0;
        how[1] = (uint8_t)(roll(d, 3) ? 0 : roll(d, 8));
        if (fds != NULL && strcspn(fds, " ") > before + 1)
            how[1] = (uint8_t)(fds[before + 1] == '-' ? 255 : fds[before + 1] - '0');
        break;
    case ARG_ADDR:
    case ARG_PID:
    case ARG_INT: how[1] = (uint8_t)(roll(d, 3) ? 0 : roll(d, 8)); break;
    case ARG_DIR: how[0] = OWN, how[1] = 0; break;
    case ARG_PATH: how[1] = choose_path(find_word(step_z, '/'), d); break;
    case ARG_SIG: how[1] = (uint8_t)(roll(d, 2) ? (uint32_t)SIGUSR1 : roll(d, 64)); break;
    case ARG_STRUCT:
        if (type.which == STRUCT_address && address != NULL)
            how[1] = (uint8_t)(choose_struct(address) - STRUCT_address);
        break;
    case ARG_BUF:
        how[1] = (uint8_t)(bytes != NULL ? 0x40 | choose_struct(bytes) : roll(d, 128));
        break;
    case ARG_LEN:
        how[1] = (uint8_t)(address != NULL && bytes == NULL ? 9 /* 110 */ : roll(d, 12));
        break;
    case ARG_POINTER:
        how[1] = (uint8_t)(bytes != NULL ? (uint32_t)choose_struct(bytes) + STRUCT_COUNT
                           : roll(d, 3)  ? roll(d, 256)
                                         : 0);
        break;
    case ARG_ONE: how[1] = choose_one(find_word(step_z, '='), before, d); break;
    case ARG_BITS: how[1] = (uint8_t)(choose_one(find_word(step_z, '='), before, d) % 64); break;
    default: break;
    }
}

/* False: this processor has no such call. */
static bool put_step(uint8_t *record, const struct processor *p, const char *step_z, struct dice *d)
{
    size_t len = strcspn(step_z, " ");
    for (size_t i = 0; i < p->count; i++) {
        const struct call *call = &p->calls[i];
        if (strncmp(call->name_z, step_z, len) != 0 || call->name_z[len] != '\0')
            continue;
        const struct call_types *types = types_of(call->name_z);
        fill(record, d);
        record[0] = (uint8_t)(call->number >> 8);
        record[1] = (uint8_t)call->number;
        unsigned sets = 0, fds = 0;
        for (size_t k = 0; k < ARRAY_LEN(types->arg); k++) {
            bool is_fd = types->arg[k].kind == ARG_FD;
            choose(record + 2 + 2 * k, types->arg[k], step_z, is_fd ? fds : sets, d);
            fds += is_fd;
            sets += types->arg[k].kind == ARG_ONE || types->arg[k].kind == ARG_BITS;
        }
        return true;
    }
    return false;
}

/* A sequence more, somewhere. The size after that. */
static size_t insert_sequence(uint8_t *data, size_t size, size_t max_size, struct dice *d)
{
    uint8_t records[STEPS_MAX * RECORD_BYTES];
    const struct processor *p = &processors[data[0] % ARRAY_LEN(processors)];
    const char *const *steps = sequences[roll(d, ARRAY_LEN(sequences))];
    size_t len = 0, count = (size - HEAD_BYTES) / RECORD_BYTES;
    size_t at = HEAD_BYTES + roll(d, (uint32_t)count + 1) * RECORD_BYTES;
    for (size_t i = 0; i < STEPS_MAX && steps[i] != NULL; i++)
        len += put_step(records + len, p, steps[i], d) ? RECORD_BYTES : 0;
    if (size + len > max_size)
        return size;
    memmove(data + at + len, data + at, size - at);
    memcpy(data + at, records, len);
    return size + len;
}

static size_t change(uint8_t *data, size_t size, struct dice *d)
{
    size_t count = (size - HEAD_BYTES) / RECORD_BYTES;
    uint8_t *record = data + HEAD_BYTES + roll(d, (uint32_t)count) * RECORD_BYTES;
    size_t rest = size - (size_t)(record - data) - RECORD_BYTES;
    switch (roll(d, 6)) {
    case 0: memmove(record, record + RECORD_BYTES, rest); return size - RECORD_BYTES;
    case 1: fill(record, d); break;
    case 2: LLVMFuzzerMutate(record, RECORD_BYTES, RECORD_BYTES); break;
    case 3: data[roll(d, HEAD_BYTES)] = (uint8_t)roll(d, 256); break;
    default: record[roll(d, RECORD_BYTES)] = (uint8_t)roll(d, 256); break;
    }
    return size;
}

#endif
