#include "helper.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *counting_resize(void *context, void *memory, size_t size)
{
    struct counting_allocator *counts = context;
    size_t before = memory ? malloc_usable_size(memory) : 0;
    if (size == 0) {
        counts->live -= memory != NULL;
        counts->bytes -= before;
        free(memory);
        return NULL;
    }
    if (counts->fail_after == 0) {
        counts->fail_after = counts->fail_once ? -1 : 0;
        return NULL;
    }
    if (counts->fail_after > 0)
        counts->fail_after--;
    void *resized = realloc(memory, size);
    counts->live += resized && !memory;
    if (resized)
        counts->bytes += malloc_usable_size(resized) - before;
    return resized;
}

struct reel_allocator counting_allocator(struct counting_allocator *counts)
{
    *counts = (struct counting_allocator){.fail_after = -1};
    return (struct reel_allocator){counting_resize, counts};
}

static struct record *note(struct reel_transport *t, char what)
{
    struct record *record = reel_shared(t);
    record->t = t;
    size_t len = strlen(record->order);
    if (len + 1 < sizeof(record->order))
        record->order[len] = what;
    return record;
}

static void on_made(struct reel_transport *t)
{
    note(t, 'm')->made++;
}

static void on_failed(struct reel_transport *t, int reason)
{
    struct record *record = note(t, 'f');
    record->failed++;
    record->reason = reason;
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct record *record = note(t, 'd');
    for (size_t i = 0; i < len && record->received + i + 1 < sizeof(record->data); i++)
        record->data[record->received + i] = (char)data[i];
    record->received += len;
    return len;
}

static size_t echo_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    on_data(t, data, len);
    return reel_write(t, data, len) == 0 ? len : 0;
}

static void on_eof(struct reel_transport *t)
{
    note(t, 'e')->eof++;
}

static void on_full(struct reel_transport *t)
{
    note(t, 'u')->full++;
}

static void on_drained(struct reel_transport *t)
{
    note(t, 'r')->drained++;
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct record *record = note(t, 'l');
    record->lost++;
    record->reason = reason;
    record->t = NULL;
}

const struct reel_protocol recording_protocol = {
    .name_z = "recording",
    .state_size = 32,
    .made = on_made,
    .failed = on_failed,
    .data = on_data,
    .eof = on_eof,
    .full = on_full,
    .drained = on_drained,
    .lost = on_lost,
};

const struct reel_protocol echo_protocol = {
    .name_z = "echo",
    .made = on_made,
    .data = echo_data,
    .full = on_full,
    .drained = on_drained,
    .lost = on_lost,
};

void run_until(struct reel_reactor *r, const int *flag)
{
    for (int turns = 0; turns < 20000 && !*flag; turns++)
        assert_true(reel_run_once(r, REEL_MS) >= 0);
    assert_int_not_equal(*flag, 0);
}

void run_turns(struct reel_reactor *r, int turns)
{
    while (turns-- > 0)
        assert_true(reel_run_once(r, REEL_MS) >= 0);
}

struct reel_listener *listen_local(struct reel_reactor *r, const struct reel_factory *factory)
{
    struct reel_listener *l = NULL;
    assert_int_equal(reel_listen(r, "tcp:0:interface=127.0.0.1", factory, &l), 0);
    assert_int_not_equal(reel_listener_port(l), 0);
    return l;
}

int connect_blocking(const struct reel_listener *l)
{
    struct reel_address address;
    assert_int_equal(reel_listener_address(l, &address), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address.storage, address.length), 0);
    return fd;
}

int connect_when_it_listens(const char *path_z)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_z);
    for (int tries = 0; tries < 1000; tries++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            return fd;
        close(fd);
        usleep(10000);
    }
    fail_msg("nobody listens on %s", path_z);
    return -1;
}

int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    int count = -1; /* the directory's own */
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Every program that has this file ends with as many descriptors as it began with: here, not in each
 * test, so that no test can forget it. A child that forks off has its own ideas. */
static struct {
    pid_t pid;
    int fds;
} at_start;

__attribute__((constructor)) static void note_descriptors(void)
{
    at_start.pid = getpid();
    at_start.fds = count_fds();
}

static void list_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        char link_z[64], what_z[256];
        snprintf(link_z, sizeof(link_z), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link_z, what_z, sizeof(what_z));
        if (len > 0)
            fprintf(stderr, "%d: %.*s\n", fd, (int)len, what_z);
    }
}

__attribute__((destructor)) static void compare_descriptors(void)
{
    if (getpid() != at_start.pid || count_fds() <= at_start.fds)
        return;
    fprintf(stderr, "This program leaks descriptors: it had %d, and has %d.\n", at_start.fds,
            count_fds());
    list_descriptors();
    fflush(NULL);
    _exit(1);
}
