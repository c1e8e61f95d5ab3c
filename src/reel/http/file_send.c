/* Sending a file, whole or in ranges: by the kernel where it can, else in slices while the client
 * reads, compressed on the way. */
#include "reel/http/folder.h"
#include "reel/special.h"

#include <errno.h>
#include <unistd.h>
#include <zlib.h>

enum {
    SLICE = 32 * 1024,
    SLICES_A_TURN = 4, /* then the others have theirs */
    AT_ONCE_MAX = SLICE,
    PART_MAX = 512,
};

struct file_sender {
    struct sender sender;
    struct reel_http_request *q; /* NULL: it is over */
    struct reel_http_site *site;
    struct file_plan plan;
    uint64_t at, end; /* of the range being sent */
    size_t range;     /* the next one */
    bool multipart;
    bool done;
    bool piece_is_out; /* with the transport, until it says so */
    z_stream *z;
};

/* Between the parts. It is not a secret; a file that has it in it would only confuse its reader. */
#define BOUNDARY "reel-3f9c51d7a2e84b06"

static size_t part_head(const struct file_plan *plan, size_t i, char out_z[PART_MAX])
{
    int n = snprintf(out_z, PART_MAX,
                     "\r\n--" BOUNDARY "\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu"
                     "\r\n\r\n",
                     plan->type_z, (unsigned long long)plan->ranges[i].first,
                     (unsigned long long)plan->ranges[i].last, (unsigned long long)plan->size);
    return n > 0 && n < PART_MAX ? (size_t)n : 0;
}

static const char last_part[] = "\r\n--" BOUNDARY "--\r\n";

static uint64_t length_of(const struct file_plan *plan)
{
    char head_z[PART_MAX];
    uint64_t length = 0;
    if (plan->range_count == 0)
        return plan->size;
    for (size_t i = 0; i < plan->range_count; i++) {
        length += plan->ranges[i].last - plan->ranges[i].first + 1;
        length += plan->range_count > 1 ? part_head(plan, i, head_z) : 0;
    }
    return plan->range_count > 1 ? length + sizeof(last_part) - 1 : length;
}

static void sender_free(struct file_sender *s)
{
    if (s->z) {
        deflateEnd(s->z);
        reel_site_memory(s->site, s->z, 0);
    }
    close(s->plan.fd);
    reel_site_memory(s->site, s, 0);
}

static void sender_end(struct reel_http_request *q, struct sender *sender)
{
    (void)q;
    struct file_sender *s = CONTAINER_OF(sender, struct file_sender, sender);
    s->q = NULL;
    if (!s->piece_is_out)
        sender_free(s);
}

/* Out of the next range, if the present one is done. False: there is none, or no room for its head. */
static bool next_range(struct reel_http_request *q, struct file_sender *s)
{
    char head_z[PART_MAX];
    if (s->at < s->end)
        return true;
    if (s->range == s->plan.range_count) {
        if (s->multipart)
            s->done = reel_http_write(q, last_part, sizeof(last_part) - 1) == 0;
        else
            s->done = true;
        return false;
    }
    size_t i = s->range++;
    s->at = s->plan.ranges[i].first;
    s->end = s->plan.ranges[i].last + 1;
    return !s->multipart || reel_http_write(q, head_z, part_head(&s->plan, i, head_z)) == 0;
}

/* What is read, compressed. The last of it when `len` is 0. */
static int write_deflated(struct reel_http_request *q, struct file_sender *s, uint8_t *data,
                          size_t len)
{
    uint8_t out[SLICE];
    int state = Z_OK, err = 0;
    s->z->next_in = data;
    s->z->avail_in = (uInt)len;
    do {
        s->z->next_out = out;
        s->z->avail_out = sizeof(out);
        state = deflate(s->z, len ? Z_NO_FLUSH : Z_FINISH);
        err = reel_http_write(q, out, sizeof(out) - s->z->avail_out);
    } while (err == 0 && state == Z_OK && s->z->avail_out == 0);
    return err;
}

static int send_slice(struct reel_http_request *q, struct file_sender *s)
{
    uint8_t slice[SLICE];
    size_t want = s->end - s->at < sizeof(slice) ? (size_t)(s->end - s->at) : sizeof(slice);
    ssize_t n = pread(s->plan.fd, slice, want, (off_t)s->at);
    if (n <= 0)
        return n < 0 && errno == EINTR ? 0 : -EIO; /* shorter than it was: there is no mending it */
    s->at += (uint64_t)n;
    return s->z ? write_deflated(q, s, slice, (size_t)n) : reel_http_write(q, slice, (size_t)n);
}

static void on_piece_done(struct reel_file_piece *piece, int result)
{
    struct sender *sender = CONTAINER_OF(piece, struct sender, piece);
    struct file_sender *s = CONTAINER_OF(sender, struct file_sender, sender);
    s->piece_is_out = false;
    if (!s->q) {
        sender_free(s);
        return;
    }
    s->q->sent -= piece->len; /* what did not leave after all */
    if (result == 0)
        reel_conn_wake(s->q->conn);
}

/* The whole range; its bytes never come here. */
static int send_piece(struct reel_http_request *q, struct file_sender *s)
{
    struct reel_file_piece *piece = &s->sender.piece;
    const uint64_t len = s->end - s->at;
    piece->done = on_piece_done;
    int err = reel_conn_send_file(q->conn, piece, s->plan.fd, s->at, len);
    if (err < 0)
        return err;
    s->piece_is_out = true;
    s->at = s->end;
    q->sent += len;
    q->left -= len;
    return 0;
}

static void send_by_kernel(struct reel_http_request *q, struct file_sender *s)
{
    if (s->piece_is_out)
        return;
    int err = next_range(q, s) ? send_piece(q, s) : 0;
    if (err < 0)
        reel_http_abort(q);
    else if (s->done)
        reel_http_end(q);
    else if (!s->piece_is_out)
        reel_conn_wake(q->conn); /* a part's head found no room */
}

/* Called while it is this request's turn and there is room. */
static void sender_more(struct reel_http_request *q, struct sender *sender)
{
    struct file_sender *s = CONTAINER_OF(sender, struct file_sender, sender);
    int err = 0;
    if (!s->z && reel_special_has_sendfile(q->conn->t)) {
        send_by_kernel(q, s);
        return;
    }
    for (int i = 0; i < SLICES_A_TURN && err == 0 && reel_conn_has_room(q->conn); i++) {
        if (!next_range(q, s))
            break;
        err = send_slice(q, s);
    }
    if (s->done && s->z && err == 0)
        err = write_deflated(q, s, NULL, 0);
    if (err < 0)
        reel_http_abort(q);
    else if (s->done)
        reel_http_end(q);
    else
        reel_conn_wake(q->conn);
}

static voidpf z_alloc(voidpf site, uInt items, uInt size)
{
    return reel_site_memory(site, NULL, (size_t)items * size);
}

static void z_free(voidpf site, voidpf memory)
{
    reel_site_memory(site, memory, 0);
}

static bool open_deflate(struct file_sender *s)
{
    enum { LEVEL = 5, GZIP = 15 + 16, MEMORY = 8 };
    s->z = reel_site_memory(s->site, NULL, sizeof(*s->z));
    if (!s->z)
        return false;
    *s->z = (z_stream){.zalloc = z_alloc, .zfree = z_free, .opaque = s->site};
    if (deflateInit2(s->z, LEVEL, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
        return true;
    reel_site_memory(s->site, s->z, 0);
    s->z = NULL;
    return false;
}

static struct file_sender *sender_new(struct reel_http_request *q, const struct file_plan *plan)
{
    struct reel_http_site *site = q->conn->site;
    struct file_sender *s = reel_site_memory(site, NULL, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct file_sender){
        .sender = {.more = sender_more, .end = sender_end}, .q = q, .site = site, .plan = *plan};
    s->multipart = plan->range_count > 1;
    if (plan->range_count == 0) {
        s->plan.range_count = plan->size > 0;
        s->plan.ranges[0] = (struct http_range){0, plan->size - 1};
    }
    if (plan->deflate && !open_deflate(s)) {
        reel_site_memory(site, s, 0);
        return NULL;
    }
    return s;
}

/* A small file needs no sender. False: it is none, or it could not be read. */
static bool send_at_once(struct reel_http_request *q, const struct file_plan *plan)
{
    uint8_t bytes[AT_ONCE_MAX];
    if (plan->deflate || plan->range_count > 1)
        return false;
    uint64_t at = plan->range_count ? plan->ranges[0].first : 0, len = length_of(plan);
    if (len > sizeof(bytes))
        return false;
    ssize_t n = len ? pread(plan->fd, bytes, (size_t)len, (off_t)at) : 0;
    if (n < 0 || (uint64_t)n != len)
        return false;
    return reel_http_answer(q, plan->status, plan->type_z, bytes, (size_t)len) == 0;
}

void reel_file_send(struct reel_http_request *q, const struct file_plan *plan)
{
    bool is_head = reel_http_is(q, "HEAD");
    if (!is_head && send_at_once(q, plan)) {
        close(plan->fd);
        return;
    }
    struct file_sender *s = is_head ? NULL : sender_new(q, plan);
    if (!s)
        close(plan->fd);
    if (!s && !is_head) {
        reel_http_error(q, 503);
        return;
    }
    const char *type_z =
        plan->range_count > 1 ? "multipart/byteranges; boundary=" BOUNDARY : plan->type_z;
    int64_t length = plan->deflate ? -1 : (int64_t)length_of(plan);
    int err = reel_http_begin(q, plan->status, type_z, length);
    if (err == 0 && is_head) {
        reel_http_end(q);
    } else if (err == 0) {
        q->sender = &s->sender;
        q->refused = false;
        reel_conn_wake(q->conn);
    } else {
        if (s)
            sender_end(q, &s->sender);
        reel_http_error(q, 503);
    }
}
