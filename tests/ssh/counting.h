/* Memory as a test sees it: all that the inside allocates, libcrypto's and zlib's part included, is
 * counted while counting is on, and one allocation can be made to fail. Programs with it are linked with
 * counting_link_args (meson.build). */
#ifndef TESTS_SSH_COUNTING_H
#define TESTS_SSH_COUNTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before anything else in main: libcrypto takes another allocator only before its first use. */
void counting_init(void);

/* Counting begins or ends; blocks that were made while it was on are followed to their end. */
void counting_on(bool on);

/* From now on: the calls that allocate are numbered from 1, the peak is what lives now. */
void counting_reset(void);

size_t counting_live_bytes(void);
size_t counting_peak_bytes(void);
uint64_t counting_calls(void);

/* The call with this number fails; 0: none. Calls of libcrypto are left out, for it has faults of its
 * own there. */
void counting_fail_at(uint64_t call);
bool counting_has_failed(void);

#endif
