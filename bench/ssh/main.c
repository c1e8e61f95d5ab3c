/* What an SSH session costs the server: CPU time beside the bare cryptography and the sshd of this
 * machine, memory of sessions that are held, how long each step takes, and how long a session waits
 * beside others that compute.
 *
 *     bench-ssh cpu|held|steps|fair [--image FILE] [--lured PROGRAM] [--count N] [--shell]
 *
 * Needs root for the sshd; without it that column is missing. The servers' files are made in TMPDIR. */
#include "modes.h"

#include "link.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void beside(char *out_z, size_t cap, const char *name_z)
{
    char self_z[512];
    ssize_t n = readlink("/proc/self/exe", self_z, sizeof(self_z) - 1);
    self_z[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self_z, '/');
    if (slash)
        *slash = '\0';
    (void)snprintf(out_z, cap, "%s/%s", self_z, name_z);
}

static const struct {
    const char *name_z;
    void (*run)(const struct mode_options *options);
    int count; /* unless told */
} MODES[] = {
    {"cpu", mode_cpu, 100},
    {"held", mode_held, 10000},
    {"steps", mode_steps, 200},
    {"fair", mode_fair, 50},
};

static int usage(void)
{
    (void)fputs("usage: bench-ssh cpu|held|steps|fair [--image FILE] [--lured PROGRAM] [--count N] "
                "[--shell]\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"image", required_argument, NULL, 'i'},
                                            {"lured", required_argument, NULL, 'l'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"shell", no_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    char lured_z[600], bare_z[600], image_z[600];
    beside(lured_z, sizeof(lured_z), "../lured");
    beside(bare_z, sizeof(bare_z), "lured-bare");
    beside(image_z, sizeof(image_z), "../persona/debian-12.image");
    struct mode_options options = {.lured_z = lured_z, .bare_z = bare_z, .image_z = image_z};
    int c;
    while ((c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (c) {
        case 'i': options.image_z = optarg; break;
        case 'l': options.lured_z = optarg; break;
        case 'n': options.count = (int)strtol(optarg, NULL, 10); break;
        case 's': options.shell = true; break;
        default: return usage();
        }
    }
    (void)signal(SIGPIPE, SIG_IGN);
    link_set_up(&options.ring);
    for (size_t i = 0; optind + 1 == argc && i < ARRAY_LEN(MODES); i++) {
        if (strcmp(argv[optind], MODES[i].name_z) != 0)
            continue;
        if (options.count <= 0)
            options.count = MODES[i].count;
        MODES[i].run(&options);
        crypto_suite_free(options.ring.suite);
        return 0;
    }
    return usage();
}
