/* The tables of services: data alone, for what shows a machine without a kernel. */
#include "kernel/hardware.h"
#include "kernel/kind.h"
#include "kernel/service.h"

#include <assert.h>

enum { TTY1 = 4 << 8 | 1, TTYS0 = 4 << 8 | 64 };

#define SERVICE(pid, ppid, session, state, uid, gid, nice, threads, size, resident, cpu, tty, \
                name, args)                                                                   \
    {pid, ppid, session, state, uid, gid, nice, threads, size, resident, cpu, tty, name, args},
static const struct service router[] = {
#include "kernel/services_router.def"
};

/* A server's, by its processors: each has five threads from the start. */
#define LATER(pid) ((pid) + 5 * (CPUS - 2))
#define CPUS       1
#define WORKER     "kworker/u2:"
#define WORKER_2   "kworker/u3:"
#define CPU1(row)
#define CPU2(row)
#define CPU3(row)
static const struct service server_1[] = {
#include "kernel/services.def"
};
#undef CPUS
#undef WORKER
#undef WORKER_2
#undef CPU1
#define CPUS      2
#define WORKER    "kworker/u4:"
#define WORKER_2  "kworker/u5:"
#define CPU1(row) row
static const struct service server_2[] = {
#include "kernel/services.def"
};
#undef CPUS
#undef WORKER
#undef WORKER_2
#undef CPU2
#undef CPU3
#define CPUS      4
#define WORKER    "kworker/u8:"
#define WORKER_2  "kworker/u9:"
#define CPU2(row) row
#define CPU3(row) row
static const struct service server_4[] = {
#include "kernel/services.def"
};
#undef SERVICE
static_assert(ARRAY_LEN(server_4) <= SERVICES_MAX && ARRAY_LEN(router) <= SERVICES_MAX,
              "room for all services");

const struct service_table services_of_server = {server_2, ARRAY_LEN(server_2)};
const struct service_table services_of_router = {router, ARRAY_LEN(router)};
static const struct service_table of_one = {server_1, ARRAY_LEN(server_1)};
static const struct service_table of_four = {server_4, ARRAY_LEN(server_4)};

const struct service_table *service_table_of(const struct hardware *hardware)
{
    const struct service_table *usual = hardware->kind->services;
    if (usual != &services_of_server || hardware->cpus == 2)
        return usual;
    return hardware->cpus == 1 ? &of_one : &of_four;
}
