/* A program's whole output as a deferred. */
#include "reel/loop.h"

#include <reel/deferred.h>
#include <reel/process.h>
#include <reel/protocol.h>
#include <reel/transport.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

/* The result's object, with what it takes to free it. */
struct output {
    struct reel_process_output public;
    struct reel_reactor *reactor;
    size_t out_cap, err_cap;
};

/* The deferred's state. */
struct collector {
    struct reel_deferred *deferred;
    struct reel_process *process; /* NULL: ended */
    struct output *output;
    struct reel_factory input, out, err;
    size_t max;
    int error;
};

static void output_free(void *pointer)
{
    struct output *output = pointer;
    struct reel_reactor *r = output->reactor;
    reel_memory_free(r, output->public.out);
    reel_memory_free(r, output->public.err);
    reel_memory_free(r, output);
}

static void give_up(struct collector *c, int error)
{
    if (c->error == 0)
        c->error = error;
    if (c->process)
        reel_process_kill(c->process, SIGKILL);
}

static int append(struct collector *c, uint8_t **bytes, size_t *len, size_t *cap,
                  const uint8_t *data, size_t more)
{
    enum { FIRST_BYTES = 1024 };
    if (more > c->max - c->output->public.out_len - c->output->public.err_len)
        return -EMSGSIZE;
    if (*cap - *len < more) {
        size_t wanted = *cap ? *cap * 2 : FIRST_BYTES;
        wanted = wanted > *len + more ? wanted : *len + more;
        uint8_t *grown = reel_memory_resize(c->output->reactor, *bytes, wanted);
        if (!grown)
            return -ENOMEM;
        *bytes = grown;
        *cap = wanted;
    }
    memcpy(*bytes + *len, data, more);
    *len += more;
    return 0;
}

static size_t take(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct collector *c = reel_shared(t);
    struct output *output = c->output;
    if (c->error)
        return len;
    int err =
        t == reel_process_transport(c->process, 1)
            ? append(c, &output->public.out, &output->public.out_len, &output->out_cap, data, len)
            : append(c, &output->public.err, &output->public.err_len, &output->err_cap, data, len);
    if (err < 0) {
        give_up(c, err);
        reel_abort(t);
    }
    return len;
}

static void on_ended(struct reel_process *p, const struct reel_process_status *status)
{
    struct collector *c = reel_process_shared(p);
    struct output *output = c->output;
    c->process = NULL;
    c->output = NULL;
    output->public.status = *status;
    if (c->error) {
        output_free(output);
        reel_deferred_errback(c->deferred, c->error, NULL);
    } else {
        reel_deferred_callback(c->deferred, status->code, output, output_free);
    }
}

static void on_cancel(struct reel_deferred *d)
{
    struct collector *c = reel_deferred_state(d);
    give_up(c, -ECANCELED);
    if (c->process) { /* a grandchild may hold the pipes open: nobody waits for it */
        for (int number = 0; number <= 2; number++) {
            struct reel_transport *t = reel_process_transport(c->process, number);
            if (t)
                reel_abort(t);
        }
    }
}

static const struct reel_protocol input_protocol = {.name_z = "process input"};
static const struct reel_protocol output_protocol = {.name_z = "process output", .data = take};

static int start(struct reel_reactor *r, struct collector *c,
                 const struct reel_process_options *options, const void *input, size_t input_len)
{
    static const struct reel_process_protocol protocol = {.name_z = "process output",
                                                          .ended = on_ended};
    struct reel_process_options own = *options;
    const struct reel_child_fd fds[] = {
        {0, input ? REEL_CHILD_READS : REEL_CHILD_NULL, &c->input, -1},
        {1, REEL_CHILD_WRITES, &c->out, -1},
        {2, REEL_CHILD_WRITES, &c->err, -1},
    };
    own.fds = fds;
    own.fd_count = sizeof(fds) / sizeof(fds[0]);
    own.pty = false;
    int err = reel_process_start(r, &own, &protocol, c, &c->process);
    if (err < 0)
        return err;
    if (input) {
        struct reel_transport *t = reel_process_transport(c->process, 0);
        err = reel_write(t, input, input_len);
        if (err < 0)
            give_up(c, err);
        reel_shutdown_write(t);
    }
    return 0;
}

struct reel_deferred *reel_process_output(struct reel_reactor *r,
                                          const struct reel_process_options *options,
                                          const void *input, size_t input_len, size_t max)
{
    struct reel_deferred *d = reel_deferred_new(r, on_cancel, sizeof(struct collector));
    struct output *output = d ? reel_memory_new_zeroed(r, sizeof(*output)) : NULL;
    if (!d)
        return NULL;
    struct collector *c = reel_deferred_state(d);
    c->deferred = d;
    c->output = output;
    c->max = max ? max : REEL_PROCESS_OUTPUT_MAX_DEFAULT;
    c->input = (struct reel_factory){.protocol = &input_protocol, .shared = c};
    c->input.options.queue_max = input_len + 1;
    c->out = c->err = (struct reel_factory){.protocol = &output_protocol, .shared = c};
    if (output)
        output->reactor = r;
    int err = output ? start(r, c, options, input, input_len) : -ENOMEM;
    if (err < 0) {
        if (output)
            output_free(output);
        reel_deferred_errback(d, err, NULL);
    }
    return d;
}
