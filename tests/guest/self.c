/* What /proc tells a process of itself: its names, its memory, and that what two files say agrees. */
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* As Linux 6.1 has them; a newer kernel has more. */
static void names(void)
{
    static const char *const all[] = {"arch_status",
                                      "attr",
                                      "attr/current",
                                      "attr/exec",
                                      "autogroup",
                                      "auxv",
                                      "cgroup",
                                      "clear_refs",
                                      "cmdline",
                                      "comm",
                                      "coredump_filter",
                                      "cpuset",
                                      "cwd",
                                      "environ",
                                      "exe",
                                      "fd",
                                      "fdinfo",
                                      "gid_map",
                                      "io",
                                      "limits",
                                      "loginuid",
                                      "map_files",
                                      "maps",
                                      "mem",
                                      "mountinfo",
                                      "mounts",
                                      "net",
                                      "oom_adj",
                                      "oom_score",
                                      "oom_score_adj",
                                      "personality",
                                      "projid_map",
                                      "root",
                                      "schedstat",
                                      "sessionid",
                                      "setgroups",
                                      "smaps",
                                      "smaps_rollup",
                                      "stack",
                                      "stat",
                                      "statm",
                                      "status",
                                      "syscall",
                                      "task",
                                      "timens_offsets",
                                      "timers",
                                      "timerslack_ns",
                                      "uid_map",
                                      "wchan",
                                      "nothing"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char path[64];
        struct stat st;
        snprintf(path, sizeof(path), "/proc/self/%s", all[i]);
        if (lstat(path, &st) == 0)
            printf("%s %o\n", all[i], st.st_mode);
        else
            printf("%s: %s\n", all[i], strerrorname_np(errno));
    }
}

static void show_text(const char *path)
{
    char text[256] = "";
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    printf("%s %zd: %s\n", path, n, text);
    close(fd);
}

static const char fixed[4096] __attribute__((aligned(4096))) = "cannot be written";

/* The file reaches what the process itself may not touch. */
static void memory(void)
{
    char text[32] = "", *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/proc/self/mem", O_RDWR);
    HOLDS(fd >= 0);
    SHOW(pread(fd, text, 17, (off_t)fixed));
    printf("%s\n", text);
    SHOW(pwrite(fd, "CANNOT", 6, (off_t)fixed));
    printf("%s\n", (const char *)(volatile const char *)fixed);
    SHOW(pread(fd, text, 8, 0));
    SHOW(pwrite(fd, "x", 1, 0));
    SHOW(pwrite(fd, "x", 1, (off_t)none));
    int file = open("/tmp/guest-self-mapped", O_RDWR | O_CREAT | O_TRUNC, 0444);
    int reader = open("/tmp/guest-self-mapped", O_RDONLY);
    SHOW(write(file, "as it was", 9));
    char *shown = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);
    SHOW(pwrite(fd, "IS", 2, (off_t)shown));
    printf("%s\n", shown);
    unlink("/tmp/guest-self-mapped");
    SHOW(close(file));
    SHOW(close(reader));
    SHOW(close(fd));
}

static long number_in(const char *path, const char *key)
{
    char line[512];
    long found = -1;
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            found = (found < 0 ? 0 : found) + strtol(line + strlen(key), NULL, 10);
    if (f != NULL)
        fclose(f);
    return found;
}

/* Each mapping's sizes are in the sum. */
static void sizes(void)
{
    long areas = number_in("/proc/self/smaps", "Rss:");
    long all = number_in("/proc/self/smaps_rollup", "Rss:");
    HOLDS(areas > 0 && all > 0 && areas <= all + 64 && all <= areas + 64);
    HOLDS(number_in("/proc/self/smaps", "Size:") >= areas);
}

int main(void)
{
    names();
    show_text("/proc/self/setgroups");
    show_text("/proc/self/timens_offsets");
    show_text("/proc/self/timerslack_ns");
    show_text("/proc/self/timers");
    show_text("/proc/self/arch_status");
    memory();
    sizes();
    return 0;
}
