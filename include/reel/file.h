/* Files, read and written by the threads of a pool, for a disk may take its time and has no
 * readiness to wait for. Every function gives a deferred; its value stands with it.
 *
 *     struct reel_result result;
 *     if (reel_await(reel_file_open(r, NULL, "log", O_WRONLY | O_APPEND | O_CREAT, 0640), &result) == 0) {
 *         struct reel_file *file = result.pointer;
 *         reel_await(reel_file_write(file, -1, "hello\n", 6), NULL);
 *         reel_await(reel_file_close(file), NULL);
 *     }
 *
 * `pool` may be NULL: the reactor's (reel/pool.h), whose limits and errors hold here too: -ENOBUFS
 * too many jobs wait, -EAGAIN no thread. Errors are those of the system call. Calls on one file that
 * are under way together run in any order: who needs one waits for each, or has a pool of one
 * thread. Memory of values is from malloc: who takes it (reel_result_take) frees it by free. What is
 * written is copied, paths too. */
#ifndef REEL_FILE_H
#define REEL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_file;
struct reel_pool;
struct reel_reactor;

/* Value: the object is a struct reel_file, which is closed when the result is released; who keeps
 * it, takes it. `flags` and `mode` as for open(2); O_CLOEXEC is added. */
struct reel_deferred *reel_file_open(struct reel_reactor *r, struct reel_pool *pool,
                                     const char *path_z, int flags, mode_t mode);

/* Value: the object is what was read, a zero byte behind it, `number` its length; fewer bytes than
 * `len` at the end of the file only. `offset` below 0: from where the file stands. */
struct reel_deferred *reel_file_read(struct reel_file *file, int64_t offset, size_t len);

/* All of it. Value: `len`. `offset` below 0: where the file stands, or at its end by O_APPEND. */
struct reel_deferred *reel_file_write(struct reel_file *file, int64_t offset, const void *data,
                                      size_t len);

/* Until it is on the disk. Value: 0. */
struct reel_deferred *reel_file_sync(struct reel_file *file);

/* Closes and frees it, in every case and also when the deferred cannot be made (NULL). Not while
 * anything is under way on it (asserted). Value: 0. */
struct reel_deferred *reel_file_close(struct reel_file *file);

/* For fstat, sendfile ...: the file's still. */
int reel_file_fd(const struct reel_file *file);

/* The whole file. Value as of reel_file_read. -EFBIG: it is longer than `max`; -EISDIR. */
struct reel_deferred *reel_file_read_all(struct reel_reactor *r, struct reel_pool *pool,
                                         const char *path_z, size_t max);

/* Adds to the end of a file, made with `mode` if there is none. Value: `len`. */
struct reel_deferred *reel_file_append(struct reel_reactor *r, struct reel_pool *pool,
                                       const char *path_z, const void *data, size_t len,
                                       mode_t mode);

/* A new content for a file, all or nothing: it is written beside it (".new" added to the name),
 * brought to the disk, and renamed. Value: `len`. */
struct reel_deferred *reel_file_replace(struct reel_reactor *r, struct reel_pool *pool,
                                        const char *path_z, const void *data, size_t len,
                                        mode_t mode);

/* Value: 0. */
struct reel_deferred *reel_file_rename(struct reel_reactor *r, struct reel_pool *pool,
                                       const char *from_z, const char *to_z);
struct reel_deferred *reel_file_unlink(struct reel_reactor *r, struct reel_pool *pool,
                                       const char *path_z);

/* Value: the object is a struct stat (<sys/stat.h>), `number` the size in bytes. */
struct reel_deferred *reel_file_stat(struct reel_reactor *r, struct reel_pool *pool,
                                     const char *path_z);

#ifdef __cplusplus
}
#endif

#endif
