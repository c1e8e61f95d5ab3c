/* Calls that need code: ioctl and fcntl. Their structures are the same for all processors but MIPS,
 * which has its own numbers and another order of a terminal's control characters. */
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"
#include "kernel/syscalls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>

/* ---- Numbers ---- */

enum shape { AS_IS, AN_INT, TERMIOS_IN, TERMIOS_OUT, SHORTS };

static const struct request {
    uint32_t ours, mips;
    enum shape shape;
} mips_requests[] = {
    {TCGETS, 0x540d, TERMIOS_OUT},    {TCSETS, 0x540e, TERMIOS_IN},
    {TCSETSW, 0x540f, TERMIOS_IN},    {TCSETSF, 0x5410, TERMIOS_IN},
    {TCSBRK, 0x5405, AS_IS},          {TCXONC, 0x5406, AS_IS},
    {TCFLSH, 0x5407, AS_IS},          {TCSBRKP, 0x5486, AS_IS},
    {TIOCEXCL, 0x740d, AS_IS},        {TIOCNXCL, 0x740e, AS_IS},
    {TIOCSTI, 0x5472, AS_IS},         {TIOCNOTTY, 0x5471, AS_IS},
    {TIOCSETD, 0x7401, AN_INT},       {TIOCGETD, 0x7400, AN_INT},
    {TIOCOUTQ, 0x7472, AN_INT},       {FIONREAD, 0x467f, AN_INT},
    {FIONBIO, 0x667e, AN_INT},        {FIOCLEX, 0x6601, AS_IS},
    {FIONCLEX, 0x6602, AS_IS},        {TIOCSCTTY, 0x5480, AS_IS},
    {TIOCGSID, 0x7416, AN_INT},       {TIOCSBRK, 0x5427, AS_IS},
    {TIOCCBRK, 0x5428, AS_IS},        {TIOCGWINSZ, 0x40087468, SHORTS},
    {TIOCSWINSZ, 0x80087467, SHORTS}, {TIOCSPGRP, 0x80047476, AN_INT},
    {TIOCGPGRP, 0x40047477, AN_INT},  {TIOCGPTN, 0x40045430, AN_INT},
    {TIOCSPTLCK, 0x80045431, AN_INT}, {TIOCVHANGUP, 0x5437, AS_IS},
};

static const struct request *find_request(uint32_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(mips_requests); i++)
        if (mips_requests[i].mips == number)
            return &mips_requests[i];
    return NULL;
}

/* ---- struct termios ---- */

enum { OUR_CC = 19, MIPS_CC = 23, OUR_TERMIOS = 36, MIPS_TERMIOS = 40, FLAGS = 4, LINE_AT = 16 };

/* Where each control character of ours stands in MIPS's: VINTR ... VEOL2. VMIN is 4 there, VTIME 5,
 * and VEOF and VEOL come last. */
static const uint8_t mips_cc[OUR_CC] = {
    [0] = 0, [1] = 1,   [2] = 2,   [3] = 3,   [4] = 16,  [5] = 5,   [6] = 4,   [7] = 7,  [8] = 8,
    [9] = 9, [10] = 10, [11] = 17, [12] = 12, [13] = 13, [14] = 14, [15] = 15, [16] = 6,
};
enum { CC_COUNT = 17 };

/* Flags that have other bits: IEXTEN, TOSTOP, ... are in c_lflag. */
static const struct {
    uint32_t ours, mips;
} local_flags[] = {
    {0x0001, 0x0001}, {0x0002, 0x0002}, {0x0004, 0x0004}, {0x0008, 0x0008},
    {0x0010, 0x0010}, {0x0020, 0x0020}, {0x0040, 0x0040}, {0x0080, 0x0080},
    {0x0100, 0x8000}, {0x0200, 0x0200}, {0x0400, 0x0400}, {0x0800, 0x0800},
    {0x1000, 0x2000}, {0x4000, 0x4000}, {0x8000, 0x0100}, {0x10000, 0x10000},
};

static uint32_t map_local(uint32_t flags, bool in)
{
    uint32_t out = 0;
    for (size_t i = 0; i < ARRAY_LEN(local_flags); i++)
        if ((flags & (in ? local_flags[i].mips : local_flags[i].ours)) != 0)
            out |= in ? local_flags[i].ours : local_flags[i].mips;
    return out;
}

static void termios_in(const struct abi *abi, const uint8_t *guest, uint8_t *ours)
{
    memset(ours, 0, OUR_TERMIOS);
    for (unsigned i = 0; i < FLAGS; i++) {
        uint32_t word;
        memcpy(&word, guest + (size_t)4 * i, 4);
        word = abi_swap32(abi, word);
        if (i == 3)
            word = map_local(word, true);
        memcpy(ours + (size_t)4 * i, &word, 4);
    }
    ours[LINE_AT] = guest[LINE_AT];
    for (unsigned i = 0; i < CC_COUNT; i++)
        ours[LINE_AT + 1 + i] = guest[LINE_AT + 1 + mips_cc[i]];
}

static void termios_out(const struct abi *abi, const uint8_t *ours, uint8_t *guest)
{
    memset(guest, 0, MIPS_TERMIOS);
    for (unsigned i = 0; i < FLAGS; i++) {
        uint32_t word;
        memcpy(&word, ours + (size_t)4 * i, 4);
        if (i == 3)
            word = map_local(word, false);
        word = abi_swap32(abi, word);
        memcpy(guest + (size_t)4 * i, &word, 4);
    }
    guest[LINE_AT] = ours[LINE_AT];
    for (unsigned i = 0; i < CC_COUNT; i++)
        guest[LINE_AT + 1 + mips_cc[i]] = ours[LINE_AT + 1 + i];
}

/* ---- ioctl ---- */

static void swap_shorts(const struct abi *abi, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; abi->big_endian && i + 2 <= len; i += 2) {
        uint8_t first = bytes[i];
        bytes[i] = bytes[i + 1];
        bytes[i + 1] = first;
    }
}

static int64_t with_structure(struct task *t, const uint64_t raw[ABI_RAW_ARGS],
                              const struct request *r)
{
    const struct abi *abi = t->call_abi;
    uint8_t guest[MIPS_TERMIOS] = {0}, ours[MIPS_TERMIOS] = {0};
    size_t bytes = r->shape == SHORTS ? 8 : MIPS_TERMIOS;
    uint64_t addr;
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, sizeof(ours), &addr);
    if (error == 0 && r->shape != TERMIOS_OUT && task_read(t, raw[2], guest, bytes) != 0)
        error = -EFAULT;
    if (error != 0)
        return error;
    if (r->shape == SHORTS) {
        memcpy(ours, guest, bytes);
        swap_shorts(abi, ours, bytes);
    } else {
        termios_in(abi, guest, ours);
    }
    abi_window_write(w, addr, ours, sizeof(ours));
    int64_t result = sys_ioctl(t, (const uint64_t[6]){raw[0], r->ours, addr});
    if (result < 0 || r->shape == TERMIOS_IN)
        return result;
    abi_window_read(w, addr, ours, sizeof(ours));
    if (r->shape == SHORTS) {
        memcpy(guest, ours, bytes);
        swap_shorts(abi, guest, bytes);
    } else {
        termios_out(abi, ours, guest);
    }
    return task_write(t, raw[2], guest, bytes) != 0 ? -EFAULT : result;
}

static int64_t mips_ioctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    const struct request *r = find_request((uint32_t)raw[1]);
    if (r == NULL)
        return sys_ioctl(t, raw);
    const uint64_t ours[ABI_RAW_ARGS] = {raw[0], r->ours, raw[2]};
    if (r->shape == AS_IS)
        return sys_ioctl(t, ours);
    if (r->shape == AN_INT)
        return abi_run(t, sys_ioctl, SPEC(I, W, IO(INT32)), ours);
    return with_structure(t, raw, r);
}

/* Numbers that have the size of a long in them. */
int64_t abi_ioctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    enum { NETWORK = 0x89 };
    static const uint32_t getflags32 = 0x80046601, setflags32 = 0x40046602;
    const uint64_t arg[6] = {raw[0],
                             raw[1] == getflags32   ? (uint64_t)FS_IOC_GETFLAGS
                             : raw[1] == setflags32 ? (uint64_t)FS_IOC_SETFLAGS
                                                    : raw[1],
                             raw[2]};
    if (raw[1] >> 8 == NETWORK)
        return abi_net_ioctl(t, raw);
    return t->call_abi->family == ABI_MIPS ? mips_ioctl(t, raw) : sys_ioctl(t, arg);
}

/* ---- fcntl ---- */

enum { GETLK64 = 12, SETLK64, SETLKW64 };

static int64_t lock(struct task *t, const uint64_t raw[ABI_RAW_ARGS], uint64_t command, bool wide)
{
    const uint64_t words[ABI_RAW_ARGS] = {raw[0], command, raw[2]};
    if (wide)
        return abi_run(t, sys_fcntl, SPEC(I, W, IO(FLOCK64)), words);
    return abi_run(t, sys_fcntl, SPEC(I, W, IO(FLOCK)), words);
}

/* The command in ours; *wide: its lock has 64 bits. */
static uint64_t command_in(const struct abi *abi, uint64_t command, bool *wide)
{
    static const uint8_t mips[][2] = {{14, F_GETLK},  {6, F_SETLK},  {7, F_SETLKW}, {24, F_SETOWN},
                                      {23, F_GETOWN}, {33, GETLK64}, {34, SETLK64}, {35, SETLKW64}};
    for (size_t i = 0; abi->family == ABI_MIPS && i < ARRAY_LEN(mips); i++) {
        if (mips[i][0] == command) {
            command = mips[i][1];
            break;
        }
    }
    *wide = command >= GETLK64 && command <= SETLKW64;
    if (*wide)
        return command - GETLK64 + F_GETLK;
    *wide = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    return command;
}

int64_t abi_fcntl64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    const struct abi *abi = t->call_abi;
    bool wide;
    uint64_t command = command_in(abi, (uint32_t)raw[1], &wide);
    uint64_t value = (uint64_t)(int32_t)raw[2];
    if (wide || command == F_GETLK || command == F_SETLK || command == F_SETLKW)
        return lock(t, raw, command, wide);
    if (command == F_SETFL)
        value = abi_open_in(abi, raw[2]);
    int64_t result = sys_fcntl(t, (const uint64_t[6]){raw[0], command, value});
    return command == F_GETFL && result >= 0 ? (int64_t)abi_open_out(abi, (uint64_t)result)
                                             : result;
}

int64_t abi_fcntl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_fcntl64(t, raw);
}
