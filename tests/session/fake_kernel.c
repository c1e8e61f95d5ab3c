/* A kernel without guests, for the tests of the session: "programs" are a few lines of C that do
 * what their command says, through the doors of kernel/kernel.h and at its bounds.
 *
 *   echo TEXT   prints TEXT           env      prints its environment and identity
 *   fail        one line of stderr, status 3     die      ends by SIGTERM
 *   cat         copies its input until it ends   big      prints without end
 *   write       a file is written     spin     runs without end        stay    waits without end
 *   connect     connects with what listens
 *   call        nine times with the machine's own SSH server, and says who it is
 *   keys        a hundred accounts come to be, each with a hundred public keys
 *   (a shell)   a prompt; each line is told and answered; "exit" ends it */
#include "kernel/hardware.h"
#include "kernel/kernel.h"
#include "kernel/kind.h"

#include "base/buffer.h"
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROGRAMS = 64,
    EVENTS = 32,
    TEXT_MAX = 1 << 20,
    SIGHUP_NUMBER = 1,
    STREAM_BYTES = 1 << 16,
    CALLS = 9
};

const struct kernel_limits kernel_limits_default = {.instructions = 1,
                                                    .stream_bytes = STREAM_BYTES};

struct fake_program {
    bool used, ended, told, terminal, input_ended;
    char command[64];
    struct buffer in, out, err;
    int status;
    uint16_t columns, rows;
};

struct fake_event {
    struct kernel_event event;
    char text[256];
    struct span arg;
};

struct kernel {
    struct fake_program programs[PROGRAMS];
    struct fake_event events[EVENTS];
    size_t first, count;
    int64_t now_ms;
    int32_t pid;
    bool changed, has_keys;
    unsigned connecting; /* guests, with whatever listens */
    unsigned calling;    /* ... with port 22 */
    char files[64];      /* as they were restored */
};

/* What `lured identity` asks. */
const struct kind kind_server = {.hardware = &hardware_default};

const struct kind *kind_of(const struct persona_image *image)
{
    (void)image;
    return &kind_server;
}

struct kernel_snapshots *kernel_snapshots_new(size_t max_bytes)
{
    return malloc(max_bytes > 0);
}

void kernel_snapshots_free(struct kernel_snapshots *snapshots)
{
    free(snapshots);
}

bool kernel_snapshots_work(struct kernel_snapshots *snapshots, uint64_t budget)
{
    (void)snapshots, (void)budget;
    return false; /* there is nothing to learn */
}

bool kernel_snapshots_model(struct kernel_snapshots *snapshots, uint64_t budget)
{
    return kernel_snapshots_work(snapshots, budget);
}

struct kernel *kernel_new(const struct kernel_config *config, int64_t now_ms)
{
    assert(config->limits.instructions > 0 && config->hostname.len > 0);
    struct kernel *k = calloc(1, sizeof *k);
    assert(k != NULL);
    k->now_ms = now_ms;
    k->pid = 400;
    return k;
}

void kernel_free(struct kernel *k)
{
    for (int i = 0; k != NULL && i < PROGRAMS; i++)
        kernel_release(k, i);
    free(k);
}

static void emit(struct kernel *k, const struct kernel_event *event, const char *text_z)
{
    assert(k->count < EVENTS);
    struct fake_event *e = &k->events[(k->first + k->count++) % EVENTS];
    e->event = *event;
    e->event.time_ms = k->now_ms;
    size_t len = span_copy_z(span_z(text_z), e->text, sizeof(e->text));
    e->event.text = span_of(e->text, len < sizeof(e->text) ? len : sizeof(e->text) - 1);
    e->arg = e->event.text;
    e->event.args = &e->arg;
    e->event.argc = 1;
}

void kernel_end(struct kernel *k)
{
    (void)k;
}

int64_t kernel_file_read(struct kernel *k, uint64_t at, void *out, size_t len)
{
    (void)k, (void)at, (void)out, (void)len;
    return 0; /* its files are short */
}

int kernel_read_file(struct kernel *k, const char *path_z, struct buffer *out)
{
    static const char ending[] = "/authorized_keys";
    size_t len = strlen(path_z);
    bool keys = len >= sizeof(ending) && strcmp(path_z + len + 1 - sizeof(ending), ending) == 0;
    int err = 0;
    if (!k->has_keys || !(keys || strcmp(path_z, "/etc/passwd") == 0))
        return -ENOENT;                       /* as in the image */
    for (int i = 0; err == 0 && i < 100; i++) /* "a", and bytes that differ */
        err = keys
                  ? buffer_printf(out, "a AAAAAWE%c%cA\n", 'A' + i / 16, "AEIMQUYcgkosw048"[i % 16])
                  : buffer_printf(out, "u%d:x:0:0::/:/bin/sh\n", i);
    return err;
}

int kernel_write_file(struct kernel *k, const struct kernel_spawn *user, const char *path_z,
                      struct span bytes)
{
    (void)k;
    (void)user;
    (void)path_z;
    (void)bytes;
    return 0;
}

int kernel_file_owner(struct kernel *k, const char *path_z, struct kernel_owner *out)
{
    (void)k;
    (void)path_z;
    *out = (struct kernel_owner){.mode = 0600};
    return 0;
}

int kernel_next(struct kernel *k, struct kernel_event *event)
{
    if (k->count == 0)
        return 0;
    *event = k->events[k->first].event;
    k->first = (k->first + 1) % EVENTS;
    k->count--;
    return 1;
}

static struct fake_program *program_of(struct kernel *k, int program)
{
    assert(program >= 0 && program < PROGRAMS && k->programs[program].used);
    return &k->programs[program];
}

static void end(struct fake_program *p, int status)
{
    p->ended = true;
    p->status = status;
}

static void print(struct fake_program *p, struct buffer *b, const char *text_z)
{
    for (; *text_z != '\0'; text_z++) {
        if (p->terminal && *text_z == '\n')
            (void)buffer_put_u8(b, '\r');
        (void)buffer_put_u8(b, (uint8_t)*text_z);
    }
}

static bool is(const struct fake_program *p, const char *command_z)
{
    return strcmp(p->command, command_z) == 0;
}

static void print_env(struct fake_program *p, const struct kernel_spawn *spawn)
{
    (void)buffer_printf(&p->out, "%u:%u %.*s %.*s\n", spawn->uid, spawn->gid, (int)spawn->path.len,
                        (const char *)spawn->path.data, (int)spawn->cwd.len,
                        (const char *)spawn->cwd.data);
    for (size_t i = 0; i < spawn->group_count; i++)
        (void)buffer_printf(&p->out, "group %u\n", spawn->groups[i]);
    for (size_t i = 0; i < spawn->envc; i++) {
        (void)buffer_put(&p->out, spawn->env[i]);
        (void)buffer_put_u8(&p->out, '\n');
    }
}

/* What needs no turn of kernel_run. */
static void begin(struct fake_program *p, const struct kernel_spawn *spawn)
{
    if (strncmp(p->command, "echo ", 5) == 0) {
        print(p, &p->out, p->command + 5);
        print(p, &p->out, "\n");
        end(p, 0);
    } else if (is(p, "fail")) {
        print(p, &p->err, "no\n");
        end(p, 3 << 8);
    } else if (is(p, "die")) {
        end(p, 15);
    } else if (is(p, "write")) {
        end(p, 0);
    } else if (is(p, "change") || is(p, "connect") || is(p, "call") || is(p, "keys")) {
        end(p, 0);
    } else if (is(p, "env")) {
        print_env(p, spawn);
        end(p, 0);
    } else if (is(p, "-bash")) {
        print(p, &p->out, "$ ");
    }
}

/* ---- Files that outlast it: a text, and `change` adds a letter to it ---- */

bool kernel_last_login(const struct kernel *k, uint32_t uid, int64_t *at_ms,
                       char from_z[KERNEL_ADDRESS_CHARS])
{
    (void)k;
    (void)uid;
    (void)at_ms;
    (void)from_z;
    return false;
}

bool kernel_is_changed(const struct kernel *k)
{
    return k->changed;
}

int kernel_save(const struct kernel *k, struct buffer *out)
{
    int rc = buffer_put_z(out, k->files);
    return rc == 0 ? buffer_put_z(out, "x") : rc;
}

int kernel_restore(struct kernel *k, struct span saved)
{
    if (span_equal_z(saved, "bad"))
        return ERR_MALFORMED;
    (void)span_copy_z(saved, k->files, sizeof(k->files));
    return 0;
}

int kernel_spawn(struct kernel *k, const struct kernel_spawn *spawn)
{
    int number = 0;
    while (k->programs[number].used)
        number++;
    struct fake_program *p = &k->programs[number];
    struct span command = spawn->argv[spawn->argc - 1];
    if (span_equal_z(command, "no such shell"))
        return -ENOENT;
    *p = (struct fake_program){.used = true, .terminal = spawn->terminal != NULL};
    span_copy_z(command, p->command, sizeof(p->command));
    buffer_init(&p->in, TEXT_MAX);
    buffer_init(&p->out, TEXT_MAX);
    buffer_init(&p->err, TEXT_MAX);
    if (spawn->terminal != NULL) {
        p->columns = spawn->terminal->columns;
        p->rows = spawn->terminal->rows;
    }
    k->pid++;
    emit(k,
         &(struct kernel_event){.type = KERNEL_EXEC, .pid = k->pid, .ppid = 1, .uid = spawn->uid},
         p->command);
    if (is(p, "write")) {
        static const uint8_t contents[] = "#!/bin/sh\n";
        emit(k,
             &(struct kernel_event){
                 .type = KERNEL_FILE, .program = -1, .data = span_of(contents, 10), .number = 10},
             "/tmp/x");
    }
    k->has_keys |= is(p, "keys");
    k->changed |= is(p, "change") || is(p, "keys");
    k->connecting += is(p, "connect");
    k->calling += is(p, "call") ? CALLS : 0;
    begin(p, spawn);
    return number;
}

size_t kernel_put(struct kernel *k, int program, struct span bytes)
{
    struct fake_program *p = program_of(k, program);
    if (is(p, "caller"))
        return bytes.len;
    /* A narrow pipe: the session must keep the rest. */
    size_t n = bytes.len < 5 ? bytes.len : 5;
    if (is(p, "stay") || buffer_len(&p->in) > 20)
        return 0;
    assert(buffer_put(&p->in, span_slice(bytes, 0, n)) == 0);
    return n;
}

void kernel_put_end(struct kernel *k, int program)
{
    program_of(k, program)->input_ended = true;
}

struct span kernel_out(struct kernel *k, int program, enum kernel_stream stream)
{
    struct fake_program *p = program_of(k, program);
    return buffer_span(stream == KERNEL_STDERR ? &p->err : &p->out);
}

void kernel_sent(struct kernel *k, int program, enum kernel_stream stream, size_t n)
{
    struct fake_program *p = program_of(k, program);
    buffer_take(stream == KERNEL_STDERR ? &p->err : &p->out, n);
}

bool kernel_out_ended(struct kernel *k, int program, enum kernel_stream stream)
{
    return program_of(k, program)->ended && kernel_out(k, program, stream).len == 0;
}

/* ---- Connections: each is a `cat` ---- */

static int new_program(struct kernel *k, const char *command_z)
{
    int number = 0;
    while (k->programs[number].used)
        number++;
    struct fake_program *p = &k->programs[number];
    *p = (struct fake_program){.used = true};
    span_copy_z(span_z(command_z), p->command, sizeof(p->command));
    buffer_init(&p->in, TEXT_MAX);
    buffer_init(&p->out, TEXT_MAX);
    buffer_init(&p->err, TEXT_MAX);
    return number;
}

int32_t kernel_server_pid(struct kernel *k)
{
    return k->pid;
}

int kernel_listen(struct kernel *k, const struct kernel_spawn *user,
                  const struct kernel_place *place, uint16_t *port)
{
    char name[64]; /* of the program that it counts as */
    *port = place->is_path ? 0 : place->port > 0 ? place->port : 40000;
    struct span at = place->is_path ? place->path : place->address;
    bool may = !place->is_path || at.len == 0 || span_starts_with(at, span_z("/tmp/"));
    if (user->uid != 0 || !may)
        return -EACCES;
    (void)snprintf(name, sizeof(name), "at %.*s:%u", (int)at.len, (const char *)at.data, *port);
    for (int i = 0; i < PROGRAMS; i++)
        if (k->programs[i].used && is(&k->programs[i], name))
            return -EADDRINUSE;
    return new_program(k, name);
}

int kernel_accept(struct kernel *k, int listener, struct kernel_caller *caller)
{
    assert(program_of(k, listener)->used);
    if (k->connecting == 0)
        return -EAGAIN;
    k->connecting--;
    *caller = (struct kernel_caller){.address_z = "127.0.0.1", .port = 54321};
    return new_program(k, "cat");
}

int kernel_dial(struct kernel *k, const struct kernel_spawn *user, const struct kernel_place *place)
{
    (void)user;
    return place->port == 7 && !place->is_path ? new_program(k, "cat") : -ECONNREFUSED;
}

int kernel_answer(struct kernel *k, struct kernel_caller *peer, struct kernel_caller *local)
{
    if (k->calling == 0)
        return -EAGAIN;
    *peer =
        (struct kernel_caller){.address_z = "127.0.0.1", .port = (uint16_t)(50000 + k->calling--)};
    *local = (struct kernel_caller){.address_z = "127.0.0.1", .port = 22};
    int number = new_program(k, "caller");
    assert(buffer_put_z(&k->programs[number].out, "SSH-2.0-Caller_1\r\n") == 0);
    return number;
}

int kernel_log_in(struct kernel *k, int connection, const struct kernel_user *user)
{
    (void)k;
    (void)connection;
    (void)user;
    return -EAGAIN;
}

void kernel_log_refusal(struct kernel *k, int connection, struct span name, bool is_valid)
{
    (void)k;
    (void)connection;
    (void)name;
    (void)is_valid;
}

uint32_t kernel_next_terminal(const struct kernel *k)
{
    uint32_t number = 0;
    for (int i = 0; i < PROGRAMS; i++)
        number += k->programs[i].used && k->programs[i].terminal;
    return number;
}

void kernel_close_out(struct kernel *k, int program)
{
    buffer_clear(&program_of(k, program)->out);
}

/* As soon as nobody wants to run: so that a connection's rest is in the way of everything. */
bool kernel_is_at_rest(const struct kernel *k)
{
    return k != NULL;
}

bool kernel_hides_input(struct kernel *k, int program)
{
    struct fake_program *p = program_of(k, program);
    return p->terminal && is(p, "cat");
}

void kernel_resize(struct kernel *k, int program, uint16_t columns, uint16_t rows)
{
    struct fake_program *p = program_of(k, program);
    p->columns = columns;
    p->rows = rows;
    (void)buffer_printf(&p->out, "<%ux%u>", (unsigned)columns, (unsigned)rows);
}

int kernel_signal(struct kernel *k, int program, int signo)
{
    struct fake_program *p = program_of(k, program);
    if (p->ended)
        return -ESRCH;
    end(p, signo);
    return 0;
}

void kernel_hangup(struct kernel *k, int program)
{
    struct fake_program *p = program_of(k, program);
    if (!p->ended)
        end(p, SIGHUP_NUMBER);
}

void kernel_release(struct kernel *k, int program)
{
    struct fake_program *p = &k->programs[program];
    if (!p->used)
        return;
    buffer_fini(&p->in);
    buffer_fini(&p->out);
    buffer_fini(&p->err);
    p->used = false;
}

/* A line of a shell: told, answered. */
static void shell_line(struct kernel *k, int number, struct fake_program *p)
{
    struct span in = buffer_span(&p->in);
    ptrdiff_t cr = span_find(in, '\r', 0);
    ptrdiff_t end_of_line = cr >= 0 ? cr : span_find(in, '\n', 0);
    if (end_of_line < 0) {
        if (p->input_ended)
            end(p, 0);
        return;
    }
    char line[128];
    span_copy_z(span_slice(in, 0, (size_t)end_of_line), line, sizeof(line));
    buffer_take(&p->in, (size_t)end_of_line + 1);
    emit(k, &(struct kernel_event){.type = KERNEL_LINE, .program = number, .pid = k->pid}, line);
    if (strcmp(line, "exit") == 0) {
        print(p, &p->out, "logout\n");
        end(p, 0);
        return;
    }
    print(p, &p->out, line);
    print(p, &p->out, "\n$ ");
}

static void turn(struct kernel *k, int number, struct fake_program *p)
{
    if (is(p, "-bash")) {
        shell_line(k, number, p);
    } else if (is(p, "cat")) {
        (void)buffer_put(&p->out, buffer_span(&p->in));
        buffer_clear(&p->in);
        if (p->input_ended)
            end(p, 0);
    } else if (is(p, "big")) {
        while (buffer_len(&p->out) < STREAM_BYTES)
            (void)buffer_put_z(&p->out, "0123456789abcdef");
    }
}

static bool can_go_on(const struct fake_program *p)
{
    if (!p->used || p->ended)
        return false;
    return is(p, "spin") || (is(p, "big") && buffer_len(&p->out) < STREAM_BYTES) ||
           buffer_len(&p->in) > 0;
}

enum kernel_state kernel_run(struct kernel *k, uint64_t budget, int64_t now_ms)
{
    assert(budget > 0);
    k->now_ms = now_ms;
    bool busy = false;
    for (int i = 0; i < PROGRAMS; i++) {
        struct fake_program *p = &k->programs[i];
        if (p->used && !p->ended)
            turn(k, i, p);
        if (p->used && p->ended && !p->told) {
            p->told = true;
            emit(k,
                 &(struct kernel_event){
                     .type = KERNEL_EXIT, .pid = k->pid, .ppid = 1, .status = p->status},
                 "");
            emit(k,
                 &(struct kernel_event){
                     .type = KERNEL_DONE, .program = i, .pid = k->pid, .status = p->status},
                 "");
        }
        /* Half a line waits for its end. */
        busy |= can_go_on(p) && !(is(p, "-bash") && span_find(buffer_span(&p->in), '\r', 0) < 0 &&
                                  span_find(buffer_span(&p->in), '\n', 0) < 0);
    }
    return busy ? KERNEL_BUSY : KERNEL_IDLE;
}

int64_t kernel_deadline(const struct kernel *k)
{
    (void)k;
    return INT64_MAX;
}
