/* How the parts of dressing a machine's hardware put their files; inside of persona only. */
#ifndef PERSONA_DRESS_MACHINE_H
#define PERSONA_DRESS_MACHINE_H

#include "persona/dress.h"

enum { DRESS_PATH_BYTES = 256 };

struct dress_machine {
    struct persona_image *image;
    const struct persona_identity *identity;
    int64_t boot_s;
    int error; /* the first */
};

void dress_path(char path_z[DRESS_PATH_BYTES], const char *format_z, ...)
    __attribute__((format(printf, 2, 3)));
/* Where the image has a place for it, as old as the start. */
void dress_put(struct dress_machine *m, const char *path_z, uint32_t mode, struct span data);
void dress_put_dir(struct dress_machine *m, const char *path_z);
void dress_put_link(struct dress_machine *m, const char *path_z, const char *target_z);

/* What udev has found and made: /run/udev, and the disk's names below /dev/disk. */
void dress_udev(struct dress_machine *m);

#endif
