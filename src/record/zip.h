/* One file compressed by zstd, a step at a time: read from FROM, written beside TO, renamed to TO
 * when it is whole and on the disk; then FROM is deleted. */
#ifndef RECORD_ZIP_H
#define RECORD_ZIP_H

#include <stddef.h>

struct record_zip;

/* Both names in the folder, which is borrowed. NULL: it cannot begin (memory, files). */
struct record_zip *record_zip_new(int dir, const char *from_z, const char *to_z);

/* Compresses up to `step` bytes. 1: there is more; 0: done; -errno: failed, FROM is left. */
int record_zip_step(struct record_zip *z, size_t step);

/* An unfinished one leaves FROM as it is. NULL is fine. */
void record_zip_free(struct record_zip *z);

#endif
