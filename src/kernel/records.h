/* Files whose contents are what has happened until they are read (persona/past.h). */
#ifndef KERNEL_RECORDS_H
#define KERNEL_RECORDS_H

#include "base/buffer.h"
#include "persona/image.h"

struct vfs;

enum { RECORDS_BYTES_MAX = 4 << 20 };

/* Appends the contents as they are now; *written_ns when they were last added to. False: there are
 * none on this machine, or no memory. */
bool records_read(const struct vfs *vfs, enum persona_record record, struct buffer *out,
                  int64_t *written_ns);

#endif
