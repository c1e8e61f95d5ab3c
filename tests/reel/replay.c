/* Runs a fuzz target once over each file named, or over all files of a folder named: what a fuzzer
 * found stays found. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1024 * 1024, PATH_BYTES = 4096 };

static int replay_file(const char *path_z)
{
    static uint8_t input[INPUT_MAX];
    FILE *file = fopen(path_z, "rb");
    if (!file) {
        perror(path_z);
        return 1;
    }
    size_t size = fread(input, 1, INPUT_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(input, size);
    return 0;
}

/* An empty folder is no test. */
static int replay_folder(const char *path_z)
{
    DIR *folder = opendir(path_z);
    struct dirent *entry;
    int count = 0, failed = 0;
    if (!folder) {
        perror(path_z);
        return 1;
    }
    while ((entry = readdir(folder))) {
        char file_z[PATH_BYTES];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file_z, sizeof(file_z), "%s/%s", path_z, entry->d_name);
        failed |= replay_file(file_z);
        count++;
    }
    closedir(folder);
    return failed || count == 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        failed |= is_folder ? replay_folder(argv[i]) : replay_file(argv[i]);
    }
    return failed;
}
