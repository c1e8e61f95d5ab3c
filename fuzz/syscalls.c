/* Any sequence of system calls, with arguments that mean something to the call (call_types.def): the input
 * is a list of records, one a call, and becomes a small program of x86-64, i386, ARM or MIPS that makes
 * them. What a call answered may be an argument of later ones, so descriptors, processes and mappings are
 * those that are there. A fork or a new thread goes on with the same list. */
#include "machine.h"

#include "call_data.h"
#include "call_mutator.h"
#include "call_numbers.h"

enum { SLICE = 20000, SLICES = 20, CALLS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

struct input {
    const uint8_t *data;
    size_t len;
};

static uint8_t take(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

static uint32_t take32(struct input *in)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 8 | take(in);
    return value;
}

/* ---- Arguments ---- */

/* Bytes in memory: written, at the end of what is mapped, only to be read, not there. */
static uint64_t place(uint8_t how)
{
    switch (how >> 5) {
    case 0:
    case 1:
    case 2: return GUEST_BASE + SCRATCH_AT + (how & 63) * 8;
    case 3: return GUEST_ZERO + (how & 31) * 64;
    case 4: return GUEST_ZERO + GUEST_ZERO_BYTES - (how & 31);
    case 5: return GUEST_CONST + (how & 31);
    case 6: return (how & 1) ? 0 : GUEST_ZERO + GUEST_ZERO_BYTES;
    default: return (how & 1) ? UINT64_MAX - how : UINT64_C(0x7fffffffe000) - how;
    }
}

static uint64_t length(uint8_t how)
{
    static const uint64_t lengths[] = {
        0,       1,         2,          4,         8,          10,        16,    28,
        64,      110,       128,        4095,      4096,       4097,      65536, 1 << 20,
        1 << 24, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, 0x7ffff000};
    return lengths[how % ARRAY_LEN(lengths)];
}

static uint64_t address(uint8_t how)
{
    static const uint64_t addresses[] = {
        0,          GUEST_ZERO, GUEST_ZERO + 4096, GUEST_BASE, GUEST_CONST, 0x10000000,
        0x10001000, 0x20000000, 0x7ffff000,        0xfffff000, 1,           0x7fffffffe000};
    return addresses[how % ARRAY_LEN(addresses)];
}

static uint64_t wild(struct input *in)
{
    uint8_t how = take(in), value = take(in);
    switch (how & 7) {
    case 0:
    case 1: return value & 15;
    case 2: return place(value);
    case 3: return UINT64_C(1) << (value & 63);
    case 4: return ~(uint64_t)value;
    case 5: return take32(in);
    case 6: return struct_address(value % STRUCT_COUNT);
    default: return UINT64_MAX - ((uint64_t)value << 40);
    }
}

static uint64_t one_of(unsigned set, uint8_t how)
{
    return call_values[set].of[how % call_values[set].count];
}

/* One or two of them, or three. */
static uint64_t some_of(unsigned set, uint8_t how, struct input *in)
{
    uint64_t value = one_of(set, how);
    if (how & 64)
        value |= one_of(set, take(in));
    if (how & 128)
        value |= one_of(set, take(in));
    return value;
}

static uint64_t struct_of(unsigned which, uint8_t how)
{
    if (how >= 232)
        return place(how << 3 & 0xff);
    if (which == STRUCT_xattr)
        which += how % (STRUCT_xattr_list - STRUCT_xattr + 1);
    if (which == STRUCT_address)
        which += how % (STRUCT_address_far - STRUCT_address + 1);
    return struct_address(which);
}

static uint64_t plain(struct arg_type type, uint8_t how, struct input *in)
{
    switch ((enum arg_kind)type.kind) {
    case ARG_FD: return how == 255 ? UINT64_MAX : how & 15;
    case ARG_DIR: return how < 128 ? (uint64_t)AT_FDCWD : how & 15;
    case ARG_PATH: return how == 255 ? place(take(in)) : path_address(how);
    case ARG_BUF: return (how & 0xc0) == 0x40 ? struct_address(how & 63) : place(how);
    case ARG_LEN: return length(how);
    case ARG_INT: return how >= 250 ? UINT64_MAX - how % 3 : how;
    case ARG_OFF: return (how & 1) ? length(how >> 1) : (uint64_t)how << (how & 7);
    case ARG_MODE: return (how & 7) * 0111U | (how >> 3 & 7) << 9;
    case ARG_ADDR: return address(how);
    case ARG_PAGES: return (how & 128) ? length(how) : (uint64_t)(how & 31) * 4096;
    case ARG_STACK: return GUEST_ZERO + 4096 + (how & 31) * 16;
    case ARG_PID: return how < 64 ? how & 3 : how < 128 ? UINT64_MAX : how;
    case ARG_SIG: return how & 63;
    case ARG_ID: return how < 128 ? how & 3 : how < 192 ? UINT64_MAX : how;
    case ARG_CLOCK: return how & 15;
    case ARG_SET_SIZE: return how < 224 ? UINT64_C(8) << (how & 1) : how;
    case ARG_POINTER: return how < 32 ? how : struct_address(how % STRUCT_COUNT);
    case ARG_STRUCT: return struct_of(type.which, how);
    case ARG_ONE: return one_of(type.which, how);
    case ARG_BITS: return some_of(type.which, how, in);
    case ARG_ANY: break;
    }
    return wild(in);
}

/* What calls answer that others take. */
static const struct {
    const char *name_z;
    enum arg_kind kind;
} makers[] = {
    {"open", ARG_FD},          {"openat", ARG_FD},
    {"openat2", ARG_FD},       {"creat", ARG_FD},
    {"socket", ARG_FD},        {"accept", ARG_FD},
    {"accept4", ARG_FD},       {"dup", ARG_FD},
    {"dup2", ARG_FD},          {"dup3", ARG_FD},
    {"fcntl", ARG_FD},         {"epoll_create", ARG_FD},
    {"eventfd", ARG_FD},       {"eventfd2", ARG_FD},
    {"epoll_create1", ARG_FD}, {"signalfd", ARG_FD},
    {"signalfd4", ARG_FD},     {"timerfd_create", ARG_FD},
    {"pidfd_open", ARG_FD},    {"memfd_create", ARG_FD},
    {"inotify_init", ARG_FD},  {"pidfd_getfd", ARG_FD},
    {"inotify_init1", ARG_FD}, {"mq_open", ARG_FD},
    {"fork", ARG_PID},         {"vfork", ARG_PID},
    {"clone", ARG_PID},        {"clone3", ARG_PID},
    {"getpid", ARG_PID},       {"gettid", ARG_PID},
    {"mmap", ARG_ADDR},        {"mmap2", ARG_ADDR},
    {"mremap", ARG_ADDR},      {"brk", ARG_ADDR},
    {"shmat", ARG_ADDR},       {"shmget", ARG_INT},
    {"semget", ARG_INT},       {"inotify_add_watch", ARG_INT},
    {"msgget", ARG_INT},       {"memfd_secret", ARG_FD},
};

/* The slots in which answers of each kind lie. */
struct made {
    unsigned count[ARG_BITS + 1];
    uint8_t slots[ARG_BITS + 1][CALLS_MAX];
};

static void note_maker(struct made *made, const char *name_z, unsigned slot)
{
    for (size_t i = 0; i < ARRAY_LEN(makers); i++)
        if (strcmp(makers[i].name_z, name_z) == 0)
            made->slots[makers[i].kind][made->count[makers[i].kind]++] = (uint8_t)slot;
}

static struct guest_arg argument(struct arg_type type, const struct made *made, struct input *in)
{
    uint8_t control = take(in), how = take(in);
    uint8_t kind = type.kind == ARG_DIR ? ARG_FD : type.kind == ARG_STACK ? ARG_ADDR : type.kind;
    if (control >= 244)
        return (struct guest_arg){wild(in), false};
    unsigned count = made->count[kind];
    if (control < 160 && count > 0) /* 0: the last one */
        return (struct guest_arg){made->slots[kind][count - 1 - how % count], true};
    return (struct guest_arg){plain(type, how, in), false};
}

/* ---- The program ---- */

/* By its number, so that inputs mean the same when there are more calls; a number that no call has is
 * one of them all the same. */
static const struct call *find_call(const struct processor *p, uint32_t number)
{
    assert(p->count > 0);
    for (size_t i = 0; i < p->count; i++)
        if (p->calls[i].number == number % NUMBERS)
            return &p->calls[i];
    return &p->calls[number % p->count];
}

static const char *add_call(struct guest_code *g, const struct processor *p,
                            const struct made *made, unsigned slot, struct input in)
{
    uint32_t pick = take(&in);
    pick = pick << 8 | take(&in);
    const struct call *call = find_call(p, pick);
    const struct call_types *types = types_of(call->name_z);
    struct guest_arg arg[6];
    uint64_t number = (uint64_t)p->base + (pick >= 0xff00 ? pick & 0xff : call->number);
    for (size_t i = 0; i < ARRAY_LEN(arg); i++)
        arg[i] = argument(types->arg[i], made, &in);
    enum call_struct fit = ioctl_struct(arg[1].value);
    if (strcmp(call->name_z, "ioctl") == 0 && fit != STRUCT_COUNT && take(&in) < 192)
        arg[2] = (struct guest_arg){struct_address(fit), false};
    guest_call(g, number, arg, slot);
    return call->name_z;
}

/* Bytes of what the pointers point at are changed. */
static void change_data(struct guest_code *g, struct input in)
{
    take(&in);
    while (in.len > 2) {
        size_t at = (size_t)take(&in) << 8;
        at |= take(&in);
        g->bytes[STRUCTS_AT + at % (GUEST_SLOTS_AT - STRUCTS_AT)] = take(&in);
    }
}

static void add_calls(struct guest_code *g, const struct processor *p, struct input in)
{
    struct made made = {{0}, {{0}}};
    unsigned slot = 0;
    for (; in.len >= RECORD_BYTES && slot < CALLS_MAX && guest_has_room(g);
         in.len -= RECORD_BYTES) {
        struct input record = {in.data, RECORD_BYTES};
        if (in.data[0] != DATA_RECORD) {
            note_maker(&made, add_call(g, p, &made, slot, record), slot);
            slot++;
        }
        in.data += RECORD_BYTES;
    }
}

static void build(struct guest_code *g, const uint8_t head[HEAD_BYTES], struct input records)
{
    const struct processor *p = &processors[head[0] % ARRAY_LEN(processors)];
    guest_begin(g, p->abi);
    uint64_t handler = GUEST_BASE + g->at;
    guest_handler(g);
    uint64_t restorer = GUEST_BASE + g->at;
    guest_restorer(g);
    size_t start = g->at;
    guest_header(g, ET_EXEC, GUEST_BASE + start, 3);
    put_paths(g);
    put_structs(g, handler, restorer);
    add_calls(g, p, records);
    if (head[1] & 1) {
        guest_jump_to_start(g, start);
    } else {
        const struct guest_arg none[6] = {{0, false}};
        uint64_t exit_number = p->abi->family == ABI_X86_64 ? 60 : p->base + 1U;
        guest_call(g, exit_number, none, 0);
    }
    for (size_t at = 0; at + RECORD_BYTES <= records.len; at += RECORD_BYTES)
        if (records.data[at] == DATA_RECORD)
            change_data(g, (struct input){records.data + at, RECORD_BYTES});
}

/* ---- The visitor ---- */

/* What sshd does for a client's forwards: it connects within the machine, or listens there. */
static void forward(struct kernel *k, uint8_t how)
{
    static const struct kernel_spawn user = {.uid = 0};
    const struct kernel_place place = {.is_path = how & 32,
                                       .is_private = how & 64,
                                       .path = span_z("/tmp/s"),
                                       .address = span_z("127.0.0.1"),
                                       .port = 22};
    struct kernel_caller caller;
    uint16_t port;
    int connection = kernel_dial(k, &user, &place);
    if (how & 16)
        connection = kernel_accept(k, kernel_listen(k, &user, &place, &port), &caller);
    if (connection >= 0)
        kernel_put(k, connection, span_of("hello", 5));
}

static void look_at_file(struct kernel *k)
{
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    (void)kernel_read_file(k, "/tmp/a", &bytes);
    buffer_fini(&bytes);
}

/* What comes from outside between two slices. */
static void touch(struct machine *m, int program, uint8_t how)
{
    struct kernel *k = m->kernel;
    switch (how % 16) {
    case 0: kernel_resize(k, program, how, 24); break;
    case 1: kernel_signal(k, program, how >> 4 | 1); break;
    case 2: kernel_put_end(k, program); break;
    case 3: kernel_close_out(k, program); break;
    case 4: kernel_hides_input(k, program); break;
    case 5:
        if (how > 240)
            kernel_hangup(k, program);
        break;
    case 6: forward(k, how); break;
    case 7: look_at_file(k); break;
    default: kernel_put(k, program, span_of("in\x03\x1a\nput", 8)); break;
    }
}

/* A machine with a network, and sockets at which services listen. */
static void open_machine(struct machine *m)
{
#define LINK "/sys/class/net/ens3"
    static const struct machine_file files[] = {
        {"/etc", NULL},
        {"/etc/network", NULL},
        {"/etc/network/interfaces", "iface ens3 inet static\naddress 203.0.113.87/24\n"
                                    "gateway 203.0.113.1\n"},
        {"/etc/resolv.conf", "nameserver 9.9.9.9\n"},
        {"/run", NULL},
        {"/run/dbus", NULL},
        {"/run/systemd", NULL},
        {"/run/systemd/journal", NULL},
        {"/sys", NULL},
        {"/sys/class", NULL},
        {"/sys/class/net", NULL},
        {LINK, NULL},
        {LINK "/ifindex", "2\n"},
        {LINK "/type", "1\n"},
        {LINK "/flags", "0x1003\n"},
        {LINK "/mtu", "1500\n"},
        {LINK "/address", "52:54:00:12:34:56\n"},
    };
    machine_open_image(m);
    machine_furnish(m, files, ARRAY_LEN(files));
    machine_boot(m);
    machine_make(m, span_z("/run/dbus/system_bus_socket"), S_IFSOCK | 0666);
    machine_make(m, span_z("/run/systemd/journal/dev-log"), S_IFSOCK | 0666);
    machine_make(m, span_z("/run/systemd/journal/socket"), S_IFSOCK | 0666);
}

/* What he leaves is what a later machine begins with. */
static void save_and_restore(const struct machine *m)
{
    struct machine later;
    struct buffer saved;
    buffer_init(&saved, 8 << 20);
    open_machine(&later);
    if (kernel_save(m->kernel, &saved) == 0) {
        int error = kernel_restore(later.kernel, buffer_span(&saved));
        assert(error == 0);
    }
    machine_close(&later);
    buffer_fini(&saved);
}

static void run(struct machine *m, struct span doors)
{
    static const struct kernel_terminal tty = {.columns = 80, .rows = 24};
    struct span argv[] = {SPAN_LIT("x")};
    bool terminal = doors.data[0] & 1, user = doors.data[0] & 2;
    struct kernel_spawn s = {.argv = argv,
                             .argc = 1,
                             .path = SPAN_LIT("/x"),
                             .cwd = SPAN_LIT("/tmp"),
                             .uid = user ? 1000 : 0,
                             .gid = user ? 1000 : 0,
                             .terminal = terminal ? &tty : NULL};
    int program = kernel_spawn(m->kernel, &s);
    int64_t clock_ms = now_ms;
    for (int i = 0; i < SLICES && program >= 0; i++) {
        machine_run(m, program, SLICE, clock_ms);
        uint8_t how = doors.data[(size_t)i % doors.len];
        touch(m, program, how);
        int64_t deadline = kernel_deadline(m->kernel);
        clock_ms += how == 255 ? 2000 : 7;
        if (deadline > clock_ms && deadline < clock_ms + 100000)
            clock_ms = deadline;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_code g;
    struct machine m;
    if (size < HEAD_BYTES)
        return 0;
    build(&g, data, (struct input){data + HEAD_BYTES, size - HEAD_BYTES});
    open_machine(&m);
    machine_make_folder(&m, span_z("/tmp"));
    machine_put_program(&m, span_of(g.bytes, sizeof(g.bytes)));
    run(&m, span_of(data + 2, HEAD_BYTES - 2));
    kernel_end(m.kernel);
    if (data[1] & 2)
        save_and_restore(&m);
    machine_close(&m);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct dice d = {seed};
    if (max_size < HEAD_BYTES)
        return size;
    for (; size < HEAD_BYTES; size++)
        data[size] = 0;
    size -= (size - HEAD_BYTES) % RECORD_BYTES;
    if (roll(&d, 3) == 0)
        return insert_sequence(data, size, max_size, &d);
    for (uint32_t times = 1 + roll(&d, 4); times > 0; times--)
        size = size == HEAD_BYTES || roll(&d, 3) == 0 ? insert(data, size, max_size, &d)
                                                      : change(data, size, &d);
    return size;
}
