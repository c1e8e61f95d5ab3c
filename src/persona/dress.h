/* Puts an identity on an image: the files that a machine has of its own, in place of those of every
 * machine made from the same packages. */
#ifndef PERSONA_DRESS_H
#define PERSONA_DRESS_H

#include "persona/identity.h"
#include "persona/image.h"

#include "base/buffer.h"

/* What the image's own files are as old as, in seconds: its newest package, or what the builder
 * says. `newest_s` of the packages, `made_s` of what was configured after them. */
void persona_image_age(const struct persona_image *image, int64_t *newest_s, int64_t *made_s);

/* Before the image is used. A file that the image does not have is left out. 0, ERR_FULL or
 * ERR_NOMEM. */
int persona_dress(struct persona_image *image, struct persona_identity *identity);

/* Its part for logs and accounting files (dress_records.c). */
int persona_dress_records(struct persona_image *image, const struct persona_identity *identity);

/* Its part for the hardware: processors, the disk, what udev says of them (dress_machine.c). */
int persona_dress_machine(struct persona_image *image, const struct persona_identity *identity);

/* A device has the name that its vendor gave it, the image's; a server keeps the one it has drawn. */
void persona_keep_name(const struct persona_image *image, struct persona_identity *identity);

/* A whole file of the image, unpacked, appended to `out`. 0, or ERR_MALFORMED (it is not there),
 * ERR_FULL, ERR_NOMEM. */
int persona_read_file(const struct persona_image *image, struct span path, struct buffer *out);

#endif
