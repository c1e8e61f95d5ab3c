/* lured identity */
#include "lured/command.h"
#include "lured/world.h"

#include "kernel/hardware.h"
#include "kernel/kind.h"
#include "persona/date.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { IDENTITY_CONFIG, IDENTITY_DATA, IDENTITY_NEW };

static const struct command_option IDENTITY_OPTIONS[] = {
    [IDENTITY_CONFIG] = {"config", "FILE", "configuration; else the defaults"},
    [IDENTITY_DATA] = {"data", "DIR", "where all is kept; ./lured-data"},
    [IDENTITY_NEW] = {"new", NULL, "draw another one: the machine is a different one from then on"},
    {0},
};

static int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void print_time(const char *what_z, int64_t time_ms)
{
    struct persona_date d = persona_date_of(time_ms / 1000);
    (void)printf("%-14s %04lld-%02u-%02uT%02u:%02u:%02uZ\n", what_z, (long long)d.year, d.month,
                 d.day, d.hour, d.minute, d.second);
}

static void print_machine(const struct world *world)
{
    const struct persona_identity *p = &world->identity.machine;
    struct hardware h;
    hardware_of(kind_of(world->image), p, clock_ms(), &h);
    (void)printf("%-14s %s\n", "hostname", p->hostname_z);
    (void)printf("%-14s %s\n", "sensor id", p->sensor_z);
    print_time("installed", p->installed_ms);
    print_time("booted", p->boot_ms);
    (void)printf("%-14s %s, gateway %s, name servers %s %s\n", "address", p->address_z,
                 p->gateway_z, p->resolver_z[0], p->resolver_z[1]);
    (void)printf("%-14s %02x:%02x:%02x:%02x:%02x:%02x\n", "mac", p->mac[0], p->mac[1], p->mac[2],
                 p->mac[3], p->mac[4], p->mac[5]);
    (void)printf("%-14s %s\n%-14s %s\n", "machine id", p->machine_id_z, "boot id", p->boot_id_z);
    (void)printf("%-14s %s\n", "root uuid", p->root_uuid_z);
    (void)printf("%-14s %s, %u at %s MHz\n", "cpu", h.cpu_name_z, h.cpus, h.cpu_mhz_z);
    (void)printf("%-14s %llu MiB, MemTotal %llu kB\n", "memory",
                 (unsigned long long)h.mem_size / 1024, (unsigned long long)h.mem_total);
    (void)printf("%-14s ", "disk");
    if (!h.kind->is_small)
        (void)printf("%u GiB, ", p->disk_gib);
    (void)printf("/ has %llu KiB\n", (unsigned long long)h.disk_blocks * 4);
    (void)printf("%-14s %s\n", "user", p->user_z);
}

/* Refused while `lured run` works there: what visitors see may not change under them. */
static int draw_new(const struct world *world, int data)
{
    int lock = openat(data, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = lock < 0 ? -errno : 0;
    if (error == 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
        error = -errno;
    if (error == 0)
        error = identity_forget(data, world->profile);
    if (error == -EWOULDBLOCK)
        (void)fprintf(stderr, "lured: it runs: stop it before it becomes another machine\n");
    else if (error < 0)
        (void)fprintf(stderr, "lured: identity: %s\n", strerror(-error));
    if (lock >= 0)
        (void)close(lock);
    return error;
}

static int show(const struct config *config, bool new)
{
    struct world world;
    char why_z[WORLD_WHY_SIZE] = "";
    int data = command_open_data(config->data);
    if (data < 0)
        return COMMAND_FAILED;
    int error = world_check(&world, config, why_z);
    if (error == 0 && new)
        error = draw_new(&world, data);
    world_close(&world);
    if (error == 0)
        error = world_open(&world, config, data, clock_ms(), why_z);
    if (error == 0) {
        print_machine(&world);
        world_close(&world);
    } else if (why_z[0] != '\0') {
        (void)fprintf(stderr, "lured: %s\n", why_z);
    }
    (void)close(data);
    return error == 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int identity(const struct command_line *line)
{
    struct config config;
    int status = command_config(&config, line->values[IDENTITY_CONFIG]);
    if (status != 0)
        return status;
    status = command_set(&config, "data", "data", line->values[IDENTITY_DATA]);
    if (status == 0)
        status = show(&config, line->values[IDENTITY_NEW] != NULL);
    else
        status = COMMAND_USAGE;
    config_fini(&config);
    return status;
}

const struct command command_identity = {
    .name_z = "identity",
    .what_z = "Shows the machine that this installation is; draws it when there is none yet.",
    .options = IDENTITY_OPTIONS,
    .run = identity,
};
