#include <reel/reel.h>

#include <stdlib.h>
#include <string.h>

/* Tells each visitor the lines of a file, one every 50 ms. */

struct visit {
    struct reel_transport *t; /* NULL: the visitor is gone */
    struct reel_deferred *fiber;
    const char *path_z;
};

static int64_t tell(struct reel_reactor *r, void *argument)
{
    struct visit *visit = argument;
    struct reel_result text = {0};
    int err = reel_await(reel_file_read_all(r, NULL, visit->path_z, 65536), &text);
    const char *line = text.pointer;
    while (err == 0 && visit->t && *line) {
        size_t len = strcspn(line, "\n");
        len += line[len] == '\n';
        reel_write(visit->t, line, len);
        line += len;
        err = reel_fiber_sleep(r, 50 * REEL_MS);
    }
    reel_result_release(&text);
    if (visit->t) { /* the connection outlives the fiber: it must not cancel it any more */
        *(struct visit **)reel_state(visit->t) = NULL;
        reel_close(visit->t);
    }
    free(visit);
    return err;
}

static void visitor_made(struct reel_transport *t)
{
    struct visit *visit = malloc(sizeof(*visit));
    struct reel_deferred *fiber = NULL;
    if (visit)
        fiber = reel_fiber_start(reel_reactor_of(t), tell, visit);
    if (!fiber) {
        free(visit);
        reel_abort(t);
        return;
    }
    *visit = (struct visit){t, fiber, reel_shared(t)};
    *(struct visit **)reel_state(t) = visit;
    reel_deferred_forget(fiber);
}

static void visitor_lost(struct reel_transport *t, int reason)
{
    (void)reason;
    struct visit *visit = *(struct visit **)reel_state(t);
    if (visit) { /* the fiber outlives the connection: it must not use it any more */
        visit->t = NULL;
        reel_deferred_cancel(visit->fiber);
    }
}

static const struct reel_protocol visitors = {
    .name_z = "visitors",
    .state_size = sizeof(struct visit *),
    .made = visitor_made,
    .lost = visitor_lost,
};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const struct reel_factory factory = {.protocol = &visitors, .shared = argv[2]};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_signal signals[2];
    if (!r || reel_listen(r, argv[1], &factory, NULL) < 0 || reel_stop_on_signals(signals, r) < 0)
        return 1;
    reel_run(r);
    reel_reactor_free(r);
}
