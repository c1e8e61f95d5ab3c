/* System V IPC of 32-bit programs: calls whose structures depend on a command, and ipc(2). */
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"
#include "kernel/ipc.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

enum { NEW = 0x100 }; /* IPC_64: not the structures of before 1999, which are not there */

struct command {
    int number;
    struct abi_arg arg;
};

static const struct command shm_commands[] = {
    {IPC_STAT, OUT(SHMID_DS)}, {SHM_STAT, OUT(SHMID_DS)}, {SHM_STAT_ANY, OUT(SHMID_DS)},
    {IPC_SET, IN(SHMID_DS)},   {IPC_INFO, OUT(SHMINFO)},  {SHM_INFO, OUT(SHM_INFO)},
};
static const struct command sem_commands[] = {
    {IPC_STAT, OUT(SEMID_DS)}, {SEM_STAT, OUT(SEMID_DS)}, {SEM_STAT_ANY, OUT(SEMID_DS)},
    {IPC_SET, IN(SEMID_DS)},   {IPC_INFO, OUT(SEMINFO)},  {SEM_INFO, OUT(SEMINFO)},
};
static const struct command msg_commands[] = {
    {IPC_STAT, OUT(MSQID_DS)}, {MSG_STAT, OUT(MSQID_DS)}, {MSG_STAT_ANY, OUT(MSQID_DS)},
    {IPC_SET, IN(MSQID_DS)},   {IPC_INFO, OUT(MSGINFO)},  {MSG_INFO, OUT(MSGINFO)},
};

/* What a command's address leads to. 0, or -EINVAL: the old structures are meant. */
static int find(const struct command *list, size_t count, uint64_t command, bool is_new,
                struct abi_arg *out)
{
    *out = (struct abi_arg)W;
    for (size_t i = 0; i < count; i++) {
        if ((uint64_t)list[i].number != (command & ~(uint64_t)NEW))
            continue;
        *out = list[i].arg;
        return is_new || (command & NEW) != 0 ? 0 : -EINVAL;
    }
    return 0;
}

/* ARM's calls and ipc(2) are told which structures are meant; other calls know the new ones alone. */
static bool knows_new_alone(const struct task *t)
{
    return t->call_abi->family != ABI_ARM;
}

static int64_t shm_control(struct task *t, const uint64_t *raw, bool is_new)
{
    struct abi_arg arg;
    int error = find(shm_commands, ARRAY_LEN(shm_commands), raw[1], is_new, &arg);
    return error != 0 ? error
                      : abi_run(t, sys_shmctl, SPEC(I, I, arg),
                                WORDS(raw[0], raw[1] & ~(uint64_t)NEW, raw[2]));
}

static int64_t msg_control(struct task *t, const uint64_t *raw, bool is_new)
{
    struct abi_arg arg;
    int error = find(msg_commands, ARRAY_LEN(msg_commands), raw[1], is_new, &arg);
    return error != 0 ? error
                      : abi_run(t, sys_msgctl, SPEC(I, I, arg),
                                WORDS(raw[0], raw[1] & ~(uint64_t)NEW, raw[2]));
}

/* GETALL and SETALL of a big-endian program: each value the other way round. */
static int64_t turned_values(struct task *t, const uint64_t arg[6])
{
    const bool sets = arg[2] == SETALL;
    const size_t bytes = sem_count(t, arg[0]) * sizeof(uint16_t);
    struct abi_window *w = abi_window_reset(t);
    uint64_t at = 0;
    uint16_t *values = NULL;
    int64_t result = abi_window_take(w, bytes, &at);
    if (result == 0 && (values = malloc(bytes + 1)) == NULL)
        result = -ENOMEM;
    if (result == 0 && sets)
        result = task_read(t, arg[3], values, bytes);
    for (size_t i = 0; result == 0 && sets && i < bytes / sizeof(*values); i++)
        values[i] = __builtin_bswap16(values[i]);
    if (result == 0 && sets)
        result = abi_window_write(w, at, values, bytes);
    if (result == 0)
        result = sys_semctl(t, (const uint64_t[6]){arg[0], arg[1], arg[2], at});
    if (result == 0 && !sets)
        result = abi_window_read(w, at, values, bytes);
    for (size_t i = 0; result == 0 && !sets && i < bytes / sizeof(*values); i++)
        values[i] = __builtin_bswap16(values[i]);
    if (result == 0 && !sets)
        result = task_write(t, arg[3], values, bytes);
    free(values);
    return result;
}

static int64_t sem_control(struct task *t, const uint64_t *raw, bool is_new)
{
    const uint64_t command = raw[2] & ~(uint64_t)NEW;
    struct abi_arg arg;
    int error = find(sem_commands, ARRAY_LEN(sem_commands), raw[2], is_new, &arg);
    if (error != 0)
        return error;
    if (t->call_abi->big_endian && (command == GETALL || command == SETALL))
        return turned_values(t, (const uint64_t[6]){raw[0], raw[1], command, raw[3]});
    return abi_run(t, sys_semctl, SPEC(I, I, I, arg), WORDS(raw[0], raw[1], command, raw[3]));
}

int64_t abi_shmctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return shm_control(t, raw, knows_new_alone(t));
}

int64_t abi_msgctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return msg_control(t, raw, knows_new_alone(t));
}

int64_t abi_semctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return sem_control(t, raw, knows_new_alone(t));
}

/* ---- Operations ---- */

/* Too many are refused before they are looked at. */
static int64_t operate(struct task *t, abi_handler handler, const uint64_t *raw,
                       const struct abi_arg *time)
{
    const struct abi_arg ops[] = {W, INS(SEMBUF, N(2))};
    return abi_run(t, handler, SPEC(I, ops[raw[2] <= IPC_SEMOPM], W, *time), raw);
}

int64_t abi_semop(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct abi_arg none = NONE;
    return operate(t, sys_semop, raw, &none);
}

int64_t abi_semtimedop(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct abi_arg time = IN(TIMESPEC);
    return operate(t, sys_semtimedop, raw, &time);
}

int64_t abi_semtimedop_time64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct abi_arg time = IN(TIMESPEC64);
    return operate(t, sys_semtimedop, raw, &time);
}

/* ---- ipc: the number of a call, and a version in the upper half ---- */

static int64_t receive(struct task *t, const uint64_t *raw)
{
    uint32_t at = (uint32_t)raw[4], type = (uint32_t)raw[5];
    if (raw[0] >> 16 == 0) { /* both at one place */
        if (raw[4] == 0)
            return -EINVAL;
        if (task_read_u32(t, raw[4], &at) != 0 || task_read_u32(t, raw[4] + 4, &type) != 0)
            return -EFAULT;
    }
    return abi_run(t, sys_msgrcv, SPEC(I, W, W, W, I), WORDS(raw[1], at, raw[2], type, raw[3]));
}

static int64_t attach(struct task *t, const uint64_t *raw)
{
    if (raw[0] >> 16 == 1)
        return -EINVAL;
    int64_t addr = abi_run(t, sys_shmat, SPEC(I, W, I), WORDS(raw[1], raw[4], raw[2]));
    if (addr < 0)
        return addr;
    return task_write_u32(t, raw[3], (uint32_t)addr) != 0 ? -EFAULT : 0;
}

static int64_t control_set(struct task *t, const uint64_t *raw)
{
    uint32_t arg = 0;
    if (raw[4] == 0)
        return -EINVAL;
    if (task_read_u32(t, raw[4], &arg) != 0)
        return -EFAULT;
    return sem_control(t, WORDS(raw[1], raw[2], raw[3], arg), false);
}

int64_t abi_ipc(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    enum { SEMOP = 1, SEMGET, SEMCTL, SEMTIMEDOP, MSGSND = 11, MSGRCV, MSGGET, MSGCTL };
    enum { SHMAT = 21, SHMDT, SHMGET, SHMCTL };
    switch (raw[0] & 0xffff) {
    case SEMOP: return abi_semop(t, WORDS(raw[1], raw[4], raw[2]));
    case SEMTIMEDOP: return abi_semtimedop(t, WORDS(raw[1], raw[4], raw[2], raw[5]));
    case SEMGET: return abi_run(t, sys_semget, SPEC(I, I, I), WORDS(raw[1], raw[2], raw[3]));
    case SEMCTL: return control_set(t, raw);
    case MSGSND:
        return abi_run(t, sys_msgsnd, SPEC(I, W, W, I), WORDS(raw[1], raw[4], raw[2], raw[3]));
    case MSGRCV: return receive(t, raw);
    case MSGGET: return abi_run(t, sys_msgget, SPEC(I, I), WORDS(raw[1], raw[2]));
    case MSGCTL: return msg_control(t, WORDS(raw[1], raw[2], raw[4]), false);
    case SHMAT: return attach(t, raw);
    case SHMDT: return abi_run(t, sys_shmdt, SPEC(W), WORDS(raw[4]));
    case SHMGET: return abi_run(t, sys_shmget, SPEC(I, W, I), WORDS(raw[1], raw[2], raw[3]));
    case SHMCTL: return shm_control(t, WORDS(raw[1], raw[2], raw[4]), false);
    default: return -ENOSYS;
    }
}
