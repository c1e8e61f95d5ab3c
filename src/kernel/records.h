/* Files whose contents are what has happened until they are read (persona/past.h). */
#ifndef KERNEL_RECORDS_H
#define KERNEL_RECORDS_H

#include "base/buffer.h"
#include "persona/image.h"

struct kernel;
struct vfs;

enum { RECORDS_BYTES_MAX = 8 << 20 };

/* Appends the contents as they are now, of a file that was rotated `age` times; *written_ns when they
 * were last added to, *size how long the file is: behind its contents are zeros. False: it has those
 * of the image, or there is no memory. */
bool records_read(const struct vfs *vfs, enum persona_record record, uint32_t age,
                  struct buffer *out, int64_t *written_ns, int64_t *size);
/* False: it is not there yet, or no longer. */
bool records_are_there(const struct vfs *vfs, enum persona_record record, uint32_t age);

/* Those that a program has open, a tail -f or journalctl -f, show what has happened since: soon after a line of the
 * log is said (`is_said`), and every few seconds. Nothing is done as long as nobody has opened one. */
void records_tick(struct kernel *k, bool is_said);

#endif
