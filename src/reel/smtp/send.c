/* One transfer: the machine on a connection. It lives until the connection is lost, its result as
 * long as the deferred wants it. */
#include "reel/smtp/result.h"

#include "reel/list.h"
#include "reel/loop.h"

#include <reel/address.h>
#include <reel/deferred.h>
#include <reel/dial.h>
#include <reel/filter.h>
#include <reel/protocol.h>
#include <reel/timer.h>
#include <reel/tls.h>
#include <reel/transport.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PORT_SUBMISSION = 587,
    PORT_SUBMISSIONS = 465,
    PENDING_BYTES = 64 * 1024, /* of output that is prepared before the server takes some */
};

struct transfer {
    struct reel_reactor *r;
    struct reel_deferred *deferred; /* NULL: told, or nobody wants to know */
    struct smtp_result *result;     /* NULL: given away */
    struct reel_transport *t;       /* NULL: not made */
    struct reel_timer step, total;
    struct reel_dial dial;
    struct reel_factory factory;
    struct reel_filter_use filters[2];
    struct reel_tls_client tls; /* name: "" for none */
    struct smtp_job job;
    struct smtp_machine m;
    const char *to_z[REEL_SMTP_RECIPIENTS_MAX];
    char hello[SMTP_HELLO_MAX + 1];
    int64_t total_ns;
    bool wants_tls, abandoned;
    char texts[]; /* the copies of all that was given */
};

static void transfer_free(struct transfer *s)
{
    struct reel_reactor *r = s->r;
    reel_timer_fini(&s->step);
    reel_timer_fini(&s->total);
    reel_smtp_result_free(s->result);
    reel_tls_context_free(s->tls.context);
    if (s->job.password_z)
        explicit_bzero((char *)s->job.password_z, strlen(s->job.password_z));
    reel_smtp_fini(&s->m);
    reel_memory_free(r, s);
}

/* The last word: also with nobody listening. */
static void tell(struct transfer *s)
{
    struct reel_deferred *deferred = s->deferred;
    struct smtp_result *result = s->result;
    s->deferred = NULL;
    s->result = NULL;
    reel_smtp_result_finish(result, &s->m);
    if (deferred)
        reel_deferred_callback(deferred, result->is.outcome, &result->is, reel_smtp_result_release);
    else
        reel_smtp_result_free(result);
}

static void take_events(struct transfer *s)
{
    struct smtp_event event;
    while (reel_smtp_next(&s->m, &event)) {
        switch (event.kind) {
        case SMTP_EVENT_START_TLS: s->wants_tls = true; break;
        case SMTP_EVENT_RECIPIENT:
            if (s->result)
                reel_smtp_result_recipient(s->result, event.index, &event.reply);
            break;
        case SMTP_EVENT_END: tell(s); break;
        case SMTP_EVENT_OVER:
            if (s->t)
                reel_close(s->t);
            break;
        }
    }
}

/* The connection is of no use any more. */
static void give_up(struct transfer *s, int error, const char *why_z)
{
    if (s->result)
        s->result->is.why_z = why_z;
    reel_smtp_broken(&s->m, error);
    take_events(s);
    if (s->t)
        reel_abort(s->t);
}

/* Says what there is to say, as far as the server keeps up; goes on at `drained`. */
static void speak(struct transfer *s)
{
    while (!reel_is_closing(s->t)) {
        if (reel_write_pending(s->t) > PENDING_BYTES)
            reel_flush(s->t);
        if (reel_write_pending(s->t) > PENDING_BYTES)
            break;
        size_t len = 0;
        const uint8_t *out = reel_smtp_out(&s->m, &len);
        if (len == 0)
            break;
        int err = reel_write(s->t, out, len);
        if (err < 0) {
            give_up(s, err, "the connection takes no more");
            return;
        }
        reel_smtp_sent(&s->m, len);
    }
    reel_timer_start(&s->step, reel_smtp_timeout_ns(&s->m));
}

static void start_tls(struct transfer *s)
{
    s->wants_tls = false;
    if (s->m.step != SMTP_STEP_TLS)
        return;
    int err = reel_tls_upgrade_client(s->t, s->tls.context, s->tls.name_z);
    if (err < 0)
        give_up(s, err, "TLS could not be started");
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct transfer *s = reel_shared(t);
    size_t taken = 0;
    for (size_t n = 1; n; taken += n) {
        n = reel_smtp_feed(&s->m, data + taken, len - taken);
        take_events(s);
    }
    if (s->wants_tls)
        start_tls(s);
    speak(s);
    return len; /* what the machine did not take came after the end */
}

static void on_upgraded(struct reel_transport *t)
{
    struct transfer *s = reel_shared(t);
    reel_smtp_secured(&s->m);
    speak(s);
}

static void on_drained(struct reel_transport *t)
{
    speak(reel_shared(t));
}

/* RFC 5321, 4.1.3: who has no name says its address. */
static void set_hello(struct transfer *s)
{
    struct reel_address address;
    char host[REEL_ADDRESS_TEXT_MAX];
    if (reel_host(s->t, &address) < 0 || !reel_address_port(&address))
        return;
    reel_address_host(&address, host, sizeof(host));
    host[strcspn(host, "%")] = '\0';
    snprintf(s->hello, sizeof(s->hello), "[%s%s]", strchr(host, ':') ? "IPv6:" : "", host);
}

static void on_made(struct reel_transport *t)
{
    struct transfer *s = reel_shared(t);
    s->t = t;
    if (s->abandoned) {
        reel_abort(t);
        return;
    }
    if (s->job.hello_z == s->hello)
        set_hello(s);
    reel_smtp_init(&s->m, &s->job, s->job.security == REEL_SMTP_TLS);
    reel_timer_start(&s->step, reel_smtp_timeout_ns(&s->m));
}

static void on_end(struct reel_transport *t, int reason)
{
    struct transfer *s = reel_shared(t);
    const char *why_z = reel_tls_error_text(t);
    bool is_tls = reason == REEL_TLS_REFUSED || reason == REEL_TLS_FAILED;
    if (s->result)
        s->result->is.encrypted = s->m.secure;
    if (s->result && *why_z && is_tls)
        reel_smtp_result_why(s->result, why_z);
    else if (s->result)
        s->result->is.why_z = reason ? reel_reason_text(reason) : "the server closed too early";
    s->t = NULL;
    reel_smtp_broken(&s->m, reason ? reason : -EPIPE);
    take_events(s);
    transfer_free(s);
}

static void on_dial_failed(struct reel_dial *dial, int reason)
{
    struct transfer *s = CONTAINER_OF(dial, struct transfer, dial);
    if (s->result) /* it may have taken too long and be told already */
        s->result->is.why_z = reel_reason_text(reason);
    reel_smtp_broken(&s->m, reason);
    take_events(s);
    transfer_free(s);
}

static void on_step_timer(struct reel_timer *timer)
{
    give_up(CONTAINER_OF(timer, struct transfer, step), -ETIMEDOUT, "the server took too long");
}

static void on_total_timer(struct reel_timer *timer)
{
    struct transfer *s = CONTAINER_OF(timer, struct transfer, total);
    s->abandoned = true;
    give_up(s, -ETIMEDOUT, "the transfer took too long");
    if (!s->t && s->dial.transport)
        reel_abort(s->dial.transport);
}

static void on_cancel(struct reel_deferred *deferred)
{
    struct transfer *s = *(struct transfer **)reel_deferred_state(deferred);
    if (!s || s->deferred != deferred)
        return;
    s->deferred = NULL;
    s->abandoned = true;
    reel_deferred_errback(deferred, -ECANCELED, NULL);
    if (s->dial.transport || s->t)
        reel_abort(s->t ? s->t : s->dial.transport);
}

static const struct reel_protocol smtp_protocol = {
    .name_z = "smtp client",
    .made = on_made,
    .failed = on_end,
    .data = on_data,
    .upgraded = on_upgraded,
    .drained = on_drained,
    .lost = on_end,
};

/* ---- the copies ---- */

static size_t size_z(const char *text_z)
{
    return text_z ? strlen(text_z) + 1 : 0;
}

static size_t texts_size(const struct reel_smtp_relay *relay,
                         const struct reel_smtp_message *message)
{
    size_t size = size_z(relay->host_z) + size_z(relay->hello_z) + size_z(relay->user_z) +
                  size_z(relay->password_z) + size_z(relay->tls_name_z) + size_z(message->from_z) +
                  message->len + 1;
    for (size_t i = 0; i < message->to_count; i++)
        size += size_z(message->to_z[i]);
    return size;
}

static const char *copy(char **at, const void *data, size_t len)
{
    if (!data)
        return NULL;
    char *begin = *at;
    memcpy(begin, data, len);
    *at += len;
    return begin;
}

static const char *copy_z(char **at, const char *text_z)
{
    return copy(at, text_z, size_z(text_z));
}

static void set_up(struct transfer *s, const struct reel_smtp_relay *relay,
                   const struct reel_smtp_message *message)
{
    char *at = s->texts;
    snprintf(s->hello, sizeof(s->hello), "localhost");
    for (size_t i = 0; i < message->to_count; i++)
        s->to_z[i] = copy_z(&at, message->to_z[i]);
    s->dial = (struct reel_dial){.host_z = copy_z(&at, relay->host_z),
                                 .port = relay->port,
                                 .factory = &s->factory,
                                 .failed = on_dial_failed};
    if (!relay->port)
        s->dial.port = relay->security == REEL_SMTP_TLS ? PORT_SUBMISSIONS : PORT_SUBMISSION;
    s->job = (struct smtp_job){
        .hello_z = relay->hello_z ? copy_z(&at, relay->hello_z) : s->hello,
        .user_z = copy_z(&at, relay->user_z),
        .password_z = copy_z(&at, relay->password_z),
        .from_z = copy_z(&at, message->from_z),
        .to_z = s->to_z,
        .to_count = message->to_count,
        .data = (const uint8_t *)copy(&at, message->data, message->len),
        .len = message->len,
        .security = relay->security,
        .clear_password = relay->clear_password,
    };
    s->tls.name_z = relay->tls_name_z ? copy_z(&at, relay->tls_name_z) : s->dial.host_z;
    s->factory = (struct reel_factory){.protocol = &smtp_protocol, .shared = s};
    s->total_ns = relay->total_ns > 0 ? relay->total_ns : REEL_SMTP_TOTAL_NS;
    reel_smtp_init(&s->m, &s->job, false);
    s->m.step = SMTP_STEP_CONNECT;
}

static int check(const struct reel_smtp_relay *relay, const struct reel_smtp_message *message)
{
    struct smtp_job job = {
        .hello_z = relay->hello_z ? relay->hello_z : "localhost",
        .user_z = relay->user_z,
        .password_z = relay->password_z,
        .from_z = message->from_z,
        .to_z = message->to_z,
        .to_count = message->to_count,
        .data = message->data,
        .len = message->len,
        .security = relay->security,
        .clear_password = relay->clear_password,
    };
    if (!relay->host_z || !message->from_z)
        return -EINVAL;
    if (relay->security != REEL_SMTP_CLEAR && !relay->tls)
        return -EINVAL;
    return reel_smtp_check(&job);
}

/* 0 or -errno, and then the transfer is still the caller's. */
static int begin(struct transfer *s, const struct reel_smtp_relay *relay)
{
    if (relay->tls)
        s->tls.context = reel_tls_context_keep(relay->tls);
    if (relay->security == REEL_SMTP_TLS) {
        s->filters[0] = (struct reel_filter_use){&reel_tls_client, &s->tls};
        s->factory.filters = s->filters;
    }
    s->result = reel_smtp_result_new(s->r, &s->job);
    if (!s->result || reel_timer_init(&s->step, s->r, on_step_timer) < 0 ||
        reel_timer_init(&s->total, s->r, on_total_timer) < 0)
        return -ENOMEM;
    int err = reel_smtp_check(&s->job); /* measures it */
    if (err == 0)
        err = reel_dial(relay->dialer, s->r, &s->dial);
    if (err == 0)
        reel_timer_start(&s->total, s->total_ns);
    return err;
}

struct reel_deferred *reel_smtp_send(struct reel_reactor *r, const struct reel_smtp_relay *relay,
                                     const struct reel_smtp_message *message)
{
    int err = check(relay, message);
    if (err < 0)
        return reel_deferred_fail(r, err, "the message or its addresses are not fit to be sent");
    struct reel_deferred *deferred = reel_deferred_new(r, on_cancel, sizeof(struct transfer *));
    struct transfer *s = reel_memory_new_zeroed(r, sizeof(*s) + texts_size(relay, message));
    if (!deferred || !s) {
        reel_memory_free(r, s);
        if (deferred)
            reel_deferred_errback(deferred, -ENOMEM, NULL);
        return deferred;
    }
    s->r = r;
    set_up(s, relay, message);
    err = begin(s, relay);
    if (err < 0) {
        transfer_free(s);
        reel_deferred_errback(deferred, err, "the connection could not be begun");
        return deferred;
    }
    s->deferred = deferred;
    *(struct transfer **)reel_deferred_state(deferred) = s;
    return deferred;
}
