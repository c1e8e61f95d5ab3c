#include "reel/spin.h"
#include "reel/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, TRIES_MAX = 16 };

/* ---- The memory that is shared with the kernel. ---- */

static struct io_uring_buf_ring *buffer_ring(struct uring *u)
{
    return (struct io_uring_buf_ring *)(void *)u->memory;
}

static size_t memory_size(void)
{
    return PAGE_BYTES + (size_t)URING_BUFFERS * URING_BUFFER_BYTES;
}

uint8_t *reel_uring_bytes(struct uring *u, uint16_t buffer)
{
    return u->memory + PAGE_BYTES + (size_t)(buffer - 1) * URING_BUFFER_BYTES;
}

void reel_uring_give_back(struct uring *u, uint16_t buffer)
{
    struct io_uring_buf_ring *ring = buffer_ring(u);
    io_uring_buf_ring_add(ring, reel_uring_bytes(u, buffer), URING_BUFFER_BYTES,
                          (uint16_t)(buffer - 1), io_uring_buf_ring_mask(URING_BUFFERS), 0);
    io_uring_buf_ring_advance(ring, 1);
}

static int provide_buffers(struct uring *u)
{
    _Static_assert(URING_BUFFERS * sizeof(struct io_uring_buf) <= PAGE_BYTES, "one page");
    void *memory =
        mmap(NULL, memory_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    u->memory = memory;
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)memory,
                                            .ring_entries = URING_BUFFERS};
    int err = io_uring_register_buf_ring(&u->ring, &registration, 0);
    if (err < 0) {
        munmap(memory, memory_size());
        u->memory = NULL;
        return err;
    }
    for (int buffer = 1; buffer <= URING_BUFFERS; buffer++)
        reel_uring_give_back(u, (uint16_t)buffer);
    return 0;
}

/* ---- The ring. ---- */

static const unsigned setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                    IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
static const unsigned features =
    IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE;

/* Kernels before 6.1 do not know the flags. */
static int ring_open(struct uring *u)
{
    struct io_uring_params params = {.flags = setup_flags, .cq_entries = URING_COMPLETIONS};
    int err = io_uring_queue_init_params(URING_ENTRIES, &u->ring, &params);
    if (err < 0)
        return err == -EINVAL ? -EOPNOTSUPP : err;
    err = (params.features & features) == features ? provide_buffers(u) : -EOPNOTSUPP;
    if (err < 0)
        io_uring_queue_exit(&u->ring);
    u->enabled = u->epoll_polled = u->epoll_ready = false;
    u->epoll_count = u->send_count = u->part_count = 0;
    return err;
}

static void ring_close(struct uring *u)
{
    if (!u->memory)
        return;
    io_uring_queue_exit(&u->ring);
    munmap(u->memory, memory_size());
    u->memory = NULL;
}

static bool has_overflow(const struct uring *u)
{
    return IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

static bool has_completions(const struct uring *u)
{
    const unsigned flags = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
    return io_uring_cq_ready(&u->ring) || (IO_URING_READ_ONCE(*u->ring.sq.kflags) & flags);
}

/* Submits what there is, and waits so long for completions. 0 or -errno. */
static int enter(struct uring *u, int64_t timeout_ns)
{
    if (!u->enabled) { /* by the thread that runs the reactor, which need not have made it */
        int err =
            io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (err < 0)
            return err;
        u->enabled = true;
    }
    struct __kernel_timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    struct io_uring_cqe *cqe = NULL;
    int n = 0;
    if (timeout_ns == 0)
        n = io_uring_submit_and_get_events(&u->ring);
    else if (timeout_ns < 0)
        n = io_uring_submit_and_wait(&u->ring, 1);
    else
        n = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &timeout, NULL);
    return n == -EINTR || n == -ETIME || n > 0 ? 0 : n;
}

static void absorb_one(struct uring *u, const struct io_uring_cqe *cqe)
{
    uint64_t above = cqe->user_data & ~(uint64_t)URING_TAGS;
    switch (cqe->user_data & URING_TAGS) {
    case URING_RECEIVE:
        reel_uring_received(u, (struct uring_stream *)(uintptr_t)above, cqe->res, cqe->flags);
        break;
    case URING_SEND: reel_uring_send_fell_short(u, above >> 3, cqe->res); break;
    case URING_EPOLL: u->epoll_ready = true; break;
    default: break;
    }
}

/* Empties the completion queue: all that is in it finds room in the things it is about. */
static void absorb(struct uring *u)
{
    unsigned head = 0, count = 0;
    struct io_uring_cqe *cqe = NULL;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        absorb_one(u, cqe);
        count++;
    }
    io_uring_cq_advance(&u->ring, count);
}

struct io_uring_sqe *reel_uring_sqe(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    for (int i = 0; !sqe && i < TRIES_MAX; i++) {
        enter(u, 0);
        absorb(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static void uring_free(struct reel_reactor *r)
{
    reel_uring_scatter(r);
    reel_memory_free(r, r->uring);
    r->uring = NULL;
    r->backend = &reel_backend_epoll;
}

/* The ring is of no use any more: it was another thread's, or the kernel has no memory for it. */
static void give_up(struct reel_reactor *r, int err)
{
    struct uring *u = r->uring;
    reel_uring_leave(r);
    ring_close(u);
    if (err == -EEXIST && ring_open(u) == 0)
        return;
    uring_free(r);
    reel_uring_watch_by_epoll(r);
}

/* The same, with all that is to be asked. False: the ring has changed, or is gone. */
static bool exchange(struct reel_reactor *r, int64_t timeout_ns)
{
    struct uring *u = r->uring;
    int err = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        err = enter(u, timeout_ns);
        absorb(u);
        if (err == 0 && io_uring_sq_ready(&u->ring) == 0 && !has_overflow(u))
            return true;
        if (err < 0 && err != -EAGAIN && err != -EBUSY)
            break;
        timeout_ns = 0;
    }
    reel_uring_settle(u);
    give_up(r, err);
    return false;
}

static void ask_for_epoll(struct reel_reactor *r)
{
    struct uring *u = r->uring;
    struct io_uring_sqe *sqe = u->epoll_polled ? NULL : reel_uring_sqe(u);
    if (!sqe)
        return;
    io_uring_prep_poll_add(sqe, r->epoll_fd, EPOLLIN);
    sqe->user_data = URING_EPOLL;
    u->epoll_polled = true;
}

/* ---- The backend. ---- */

static void uring_submit(struct reel_reactor *r)
{
    struct uring *u = r->uring;
    bool nothing_else = !u->todo.first && u->epoll_polled;
    if (r->ending) /* a child that only frees it must not write into its parent's ring */
        return;
    if (nothing_else && u->send_count <= 1) {
        if (u->send_count)
            reel_uring_send_alone(u);
        return;
    }
    reel_uring_ask(u);
    ask_for_epoll(r);
    reel_uring_prepare_sends(u);
    if (exchange(r, 0))
        reel_uring_settle(u);
}

/* Looking takes no system call, so a spin here would be nothing but work: the CPU's other thread, which
 * may be the peer's, is to have the better part of it. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    for (int i = 0; i < 8; i++)
        __builtin_ia32_pause();
#endif
}

/* Looks, or waits: the number of events. */
static int look(struct reel_reactor *r, int64_t timeout_ns)
{
    struct uring *u = r->uring;
    if (timeout_ns == 0 && !u->todo.first && u->epoll_polled && !has_completions(u)) {
        relax();
        return 0;
    }
    reel_uring_ask(u);
    ask_for_epoll(r);
    if (!exchange(r, timeout_ns))
        return 1;
    return u->news.count + u->epoll_ready;
}

static int wait_for_news(struct reel_reactor *r, int64_t timeout_ns)
{
    struct uring *u = r->uring;
    if (u->news.count || u->epoll_ready) { /* came with the last submission */
        reel_spin_note(r, 0, 1);
        return 1;
    }
    if (timeout_ns == 0 || r->spin_ns < 0)
        return look(r, timeout_ns);
    return reel_spin_then_sleep(r, timeout_ns, look);
}

static int uring_wait(struct reel_reactor *r, int64_t timeout_ns)
{
    struct uring *u = r->uring;
    wait_for_news(r, timeout_ns);
    if (!r->uring)
        return r->backend->wait(r, 0);
    u->epoll_count = 0;
    if (u->epoll_ready) {
        u->epoll_count = epoll_wait(r->epoll_fd, r->events, EVENTS_MAX, 0);
        u->epoll_ready = u->epoll_polled = false;
    }
    if (u->epoll_count < 0) {
        u->epoll_count = 0;
        if (errno != EINTR)
            return -errno;
    }
    return u->news.count + u->epoll_count;
}

static void uring_dispatch(struct reel_reactor *r, int count)
{
    (void)count;
    reel_uring_tell(r->uring);
    if (r->uring && r->uring->epoll_count)
        reel_backend_epoll.dispatch(r, r->uring->epoll_count);
}

static int uring_fd(struct reel_reactor *r)
{
    uring_submit(r);
    return r->uring ? r->uring->ring.ring_fd : r->epoll_fd;
}

/* Waits until the kernel has given back what was closed. Not if this is a child of the ring's
 * process, or another thread: they may not ask. */
static void wait_for_zombies(struct reel_reactor *r)
{
    struct uring *u = r->uring;
    int err = 0;
    for (int i = 0; err == 0 && u->enabled && i < 100; i++) {
        reel_uring_ask(u);
        reel_uring_tell(u); /* all are closed: nobody is called */
        if (list_is_empty(&u->zombies))
            return;
        err = enter(u, 100 * REEL_MS);
        absorb(u);
    }
}

static void uring_close(struct reel_reactor *r)
{
    struct uring *u = r->uring;
    if (u && u->memory && r->ending && u->pid == getpid())
        wait_for_zombies(r);
    if (u && u->memory) {
        reel_uring_leave(r);
        ring_close(u);
    }
    if (u && r->ending)
        uring_free(r);
    reel_backend_epoll.close(r);
}

static struct uring *uring_new(struct reel_reactor *r)
{
    struct uring *u = reel_memory_new_zeroed(r, sizeof(*u));
    if (!u)
        return NULL;
    reel_uring_queue_init(&u->todo);
    reel_uring_queue_init(&u->news);
    list_init(&u->zombies);
    return u;
}

/* Also after a fork: the connections and what is new about them stay. */
static int uring_open(struct reel_reactor *r)
{
    bool forked = r->uring;
    int err = reel_backend_epoll.open(r);
    if (err < 0)
        return err;
    if (!r->uring)
        r->uring = uring_new(r);
    err = r->uring ? ring_open(r->uring) : -ENOMEM;
    if (err == 0)
        r->uring->pid = getpid();
    if (err == 0 || !forked || r->backend_only)
        return err;
    uring_free(r);
    return 0;
}

const struct backend_ops reel_backend_uring = {
    .name_z = "io_uring",
    .socket_io = &reel_uring_io,
    .open = uring_open,
    .close = uring_close,
    .add = reel_epoll_add,
    .change = reel_epoll_change,
    .remove = reel_epoll_remove,
    .wait = uring_wait,
    .dispatch = uring_dispatch,
    .submit = uring_submit,
    .fd = uring_fd,
    .now_ns = reel_epoll_now_ns,
    .wall_us = reel_epoll_wall_us,
};
