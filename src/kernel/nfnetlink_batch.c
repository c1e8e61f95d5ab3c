/* Batches of changes: all of them are made on a copy of the rules, which takes their place when every one was
 * good. What was wrong with each is said when all were looked at. */
#include "kernel/nfnetlink.h"
#include "kernel/nlattr.h"
#include "kernel/task.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>

enum {
    ERRORS_BYTES_MAX = SOCKET_BYTES, /* of answers that wait for the end of the batch */
    MESSAGE_COST = 5000,             /* instructions: a change walks tables */
    ENTRY_COST = 20,                 /* instructions, of a rule that is copied */
    NODE_COST = 100,                 /* of a chain, a set ... */
    CHECKS_MAX = 64,                 /* of one batch, for which of its changes it was */
    ASKED_MAX = 4096,                /* bytes of what the visitor's keeper is told */
};

struct batch {
    struct task *t;
    struct socket *s;
    struct ruleset *now;   /* as they are */
    struct ruleset coming; /* as they will be */
    struct span first;     /* the message that began it */
    uint16_t subsystem;
    struct buffer answers; /* messages that wait */
    struct buffer asked;   /* for the keeper: a line for each change */
    size_t changes;
    unsigned checks; /* that may be made after single changes */
    bool has_failed, has_ended;
};

static const struct nfnetlink_change *find_change(uint8_t message)
{
    static const struct nfnetlink_change *(*const tables[])(size_t * count) = {
        nfnetlink_table_changes, nfnetlink_rule_changes, nfnetlink_set_changes,
        nfnetlink_object_changes};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        size_t count = 0;
        const struct nfnetlink_change *c = tables[i](&count);
        for (size_t k = 0; k < count; k++)
            if (c[k].message == message)
                return &c[k];
    }
    return NULL;
}

bool nfnetlink_is_batch(struct span bytes)
{
    struct nlmsghdr h;
    if (bytes.len < sizeof(h))
        return false;
    memcpy(&h, bytes.data, sizeof(h));
    return h.nlmsg_type == NFNL_MSG_BATCH_BEGIN && h.nlmsg_len >= sizeof(h) &&
           h.nlmsg_len <= bytes.len;
}

/* ---- What is said of a message ---- */

static int say(struct batch *b, struct netlink_call *c, int error)
{
    size_t before = buffer_len(&b->answers);
    c->out = &b->answers;
    if (netlink_put_error(c, error) == 0)
        return 0;
    buffer_truncate(&b->answers, before);
    return -ENOBUFS;
}

static struct netlink_call call_of(struct batch *b, const struct nlmsghdr *h, struct span message)
{
    return (struct netlink_call){.t = b->t,
                                 .s = b->s,
                                 .net = &b->s->vfs->net,
                                 .header = h,
                                 .body = span_slice(message, sizeof(*h), h->nlmsg_len),
                                 .rules = &b->coming};
}

/* Nothing but this, which is about the batch itself. */
static void say_of_all(struct batch *b, int error)
{
    struct nlmsghdr h;
    memcpy(&h, b->first.data, sizeof(h));
    struct netlink_call c = call_of(b, &h, b->first);
    if (say(b, &c, error) != 0)
        b->s->error = ENOBUFS;
}

/* Each by itself, as programs read them. */
static void deliver(struct batch *b)
{
    struct span rest = buffer_span(&b->answers);
    while (rest.len > 0) {
        struct nlmsghdr h;
        memcpy(&h, rest.data, sizeof(h));
        size_t len = NLMSG_ALIGN((size_t)h.nlmsg_len);
        if (netlink_deliver(b->s, span_slice(rest, 0, len)) != 0)
            b->s->error = ENOBUFS;
        rest = span_slice(rest, len, rest.len);
    }
}

/* ---- The messages ---- */

static const char *family_name(uint8_t family)
{
    switch (family) {
    case NFPROTO_INET: return "inet";
    case NFPROTO_IPV4: return "ip";
    case NFPROTO_ARP: return "arp";
    case NFPROTO_NETDEV: return "netdev";
    case NFPROTO_BRIDGE: return "bridge";
    case NFPROTO_IPV6: return "ip6";
    default: return "all";
    }
}

/* A line for the keeper: "add rule ip filter INPUT". What does not fit is left out. */
static void note_change(struct batch *b, const struct netlink_call *c,
                        const struct nfnetlink_change *change)
{
    enum { TABLE = 1 }; /* the attribute of that number is the table's name in all of them */
    struct span table = nfnetlink_text(c, TABLE);
    struct span subject =
        change->subject != 0 ? nfnetlink_text(c, change->subject) : span_of(NULL, 0);
    (void)buffer_printf(&b->asked, "%s%s %s%s%.*s%s%.*s", b->changes > 0 ? "\n" : "",
                        change->what_z, family_name(nfnetlink_family(c)), table.len > 0 ? " " : "",
                        (int)table.len, (const char *)table.data, subject.len > 0 ? " " : "",
                        (int)subject.len, (const char *)subject.data);
    b->changes++;
}

static int do_change(struct batch *b, struct netlink_call *c)
{
    uint16_t type = c->header->nlmsg_type;
    if ((c->header->nlmsg_flags & NLM_F_REQUEST) == 0 || type < NLMSG_MIN_TYPE ||
        type >> 8 != b->subsystem)
        return -EINVAL;
    const struct nfnetlink_change *change = find_change(NFNL_MSG_TYPE(type));
    if (change == NULL)
        return -EINVAL;
    /* It looks for what it names. */
    int error = ruleset_may_step(&b->coming, b->coming.table_count + b->coming.node_count)
                    ? change->fn(c)
                    : -ENOMEM;
    if (error == 0 && b->checks > 0) {
        b->checks--;
        error = ruleset_check(&b->coming);
    }
    if (error == 0)
        note_change(b, c, change);
    return error;
}

/* True: there is more to come. */
static bool take(struct batch *b, struct span message)
{
    struct nlmsghdr h;
    memcpy(&h, message.data, sizeof(h));
    if (h.nlmsg_len < sizeof(h) + sizeof(struct nfgenmsg) || h.nlmsg_len > message.len ||
        ((h.nlmsg_flags & NLM_F_REQUEST) != 0 && h.nlmsg_type == NFNL_MSG_BATCH_BEGIN)) {
        buffer_clear(&b->answers);
        b->has_failed = true;
        return false;
    }
    struct netlink_call c = call_of(b, &h, message);
    b->has_ended = (h.nlmsg_flags & NLM_F_REQUEST) != 0 && h.nlmsg_type == NFNL_MSG_BATCH_END;
    int error = b->has_ended ? 0 : do_change(b, &c);
    b->has_failed = b->has_failed || error != 0;
    bool is_told = error != 0 || (!b->has_ended && (h.nlmsg_flags & NLM_F_ACK) != 0);
    if (error == -ENOMEM || (is_told && say(b, &c, error) != 0)) {
        buffer_clear(&b->answers);
        say_of_all(b, -ENOMEM);
        b->has_failed = true;
        return false;
    }
    return !b->has_ended;
}

/* ---- The end ---- */

static void tell(struct batch *b)
{
    const struct kernel_event event = {
        .type = KERNEL_FILTER, .number = (int64_t)b->changes, .text = buffer_span(&b->asked)};
    (void)kernel_emit(b->t->kernel, b->t, &event);
}

static void commit(struct batch *b)
{
    struct ruleset old = *b->now;
    b->coming.generation = old.generation + 1 != 0 ? old.generation + 1 : 1;
    *b->now = b->coming;
    ruleset_fini(&old);
    tell(b);
}

/* What the messages have come to. False: the rules do not go together, and it is not known since when. */
static bool finish(struct batch *b, const struct nlmsghdr *last)
{
    bool is_good = !b->has_failed && b->has_ended && ruleset_check(&b->coming) == 0;
    bool is_strange = !b->has_failed && b->has_ended && !is_good;
    if (is_good && (last->nlmsg_flags & NLM_F_ACK) != 0) {
        struct netlink_call c = {.t = b->t, .s = b->s, .header = last};
        (void)say(b, &c, 0);
    }
    if (is_good && b->changes > 0) {
        commit(b);
        return true;
    }
    ruleset_keep_numbers(b->now, &b->coming);
    ruleset_fini(&b->coming);
    return !is_strange;
}

/* 0, -EMLINK (as finish), or -ENOMEM. */
static int take_all(struct batch *b, struct span bytes)
{
    struct nlmsghdr h = {.nlmsg_len = 0};
    struct span rest = span_slice(bytes, NLMSG_ALIGN(b->first.len), bytes.len);
    int error = ruleset_copy(b->now, &b->coming, kernel_monotonic_ns(b->t->kernel));
    if (error != 0)
        return error;
    kernel_charge(b->t->kernel, b->now->entry_count * ENTRY_COST + b->now->node_count * NODE_COST);
    buffer_clear(&b->answers);
    buffer_clear(&b->asked);
    b->changes = 0;
    b->has_failed = b->has_ended = false;
    memcpy(&h, b->first.data, sizeof(h));
    if ((h.nlmsg_flags & NLM_F_ACK) != 0) {
        struct netlink_call c = call_of(b, &h, b->first);
        (void)say(b, &c, 0);
    }
    while (rest.len >= sizeof(h)) {
        memcpy(&h, rest.data, sizeof(h));
        kernel_charge(b->t->kernel, MESSAGE_COST);
        if (!take(b, rest))
            break;
        rest = span_slice(rest, NLMSG_ALIGN((size_t)h.nlmsg_len), rest.len);
    }
    error = finish(b, &h) ? 0 : -EMLINK;
    kernel_charge(b->t->kernel, b->coming.steps);
    return error;
}

/* What keeps the batch from being looked at: 0 or -errno. */
static int may_begin(struct batch *b)
{
    struct nfgenmsg body = {.res_id = 0};
    uint32_t generation = 0;
    if (!creds_capable(&b->t->creds, CAP_NET_ADMIN))
        return -EPERM;
    if (b->first.len < sizeof(struct nlmsghdr) + sizeof(body))
        return -EINVAL;
    memcpy(&body, b->first.data + sizeof(struct nlmsghdr), sizeof(body));
    struct span attributes =
        span_slice(b->first, sizeof(struct nlmsghdr) + sizeof(body), b->first.len);
    b->subsystem = ntohs(body.res_id);
    if (b->subsystem >= NFNL_SUBSYS_COUNT)
        return -EINVAL;
    if (b->subsystem != NFNL_SUBSYS_NFTABLES)
        return -EOPNOTSUPP;
    if (nlattr_find_be32(attributes, NFNL_BATCH_GENID, &generation) && generation != 0 &&
        generation != b->now->generation)
        return -ERESTART;
    return 0;
}

int64_t nfnetlink_batch(struct task *t, struct socket *s, struct span bytes)
{
    struct nlmsghdr h;
    struct batch b = {.t = t, .s = s, .now = nfnetlink_rules(&s->vfs->net)};
    if (b.now == NULL)
        return -ENOBUFS;
    memcpy(&h, bytes.data, sizeof(h));
    b.first = span_slice(bytes, 0, h.nlmsg_len);
    buffer_init(&b.answers, ERRORS_BYTES_MAX);
    buffer_init(&b.asked, ASKED_MAX);
    int error = may_begin(&b);
    if (error == 0)
        error = take_all(&b, bytes);
    if (error == -EMLINK) { /* once more, to find the change after which it was so */
        b.checks = CHECKS_MAX;
        error = take_all(&b, bytes);
    }
    if (error != 0)
        say_of_all(&b, error);
    deliver(&b);
    buffer_fini(&b.answers);
    buffer_fini(&b.asked);
    return (int64_t)bytes.len;
}
