#include "reel/dns.h"

#include "reel/loop.h"

#include <reel/deferred.h>

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <string.h>
#include <sys/time.h>

enum { SOCKETS_MAX = 16 }; /* a server has one, and one more for TCP */

struct dns_socket {
    struct reel_watch watch;
    struct dns *dns;
    bool is_used;
};

struct dns {
    struct reel_reactor *reactor;
    ares_channel channel;
    struct reel_timer timer; /* c-ares's, or a retired one's end: not from inside c-ares */
    struct reel_link link;   /* in the resolver's list */
    size_t under_way;
    bool retired;
    struct dns_socket sockets[SOCKETS_MAX];
};

/* c-ares cannot take one query back: a cancelled one goes on, and nobody hears its answer. */
struct query {
    struct dns *dns;
    struct reel_deferred *d; /* NULL: nobody listens */
    enum dns_kind kind;
    uint16_t port;
};

struct answer {
    struct reel_reactor *reactor;
    alignas(max_align_t) uint8_t bytes[];
};

void *reel_answer_new(struct reel_reactor *r, size_t size)
{
    struct answer *answer = reel_memory_new_zeroed(r, sizeof(*answer) + size);
    if (!answer)
        return NULL;
    answer->reactor = r;
    return answer->bytes;
}

void reel_answer_free(void *bytes)
{
    struct answer *answer = CONTAINER_OF(bytes, struct answer, bytes);
    reel_memory_free(answer->reactor, answer);
}

/* ---- c-ares on the loop ---- */

static bool is_over(const struct dns *dns)
{
    return dns->retired && dns->under_way == 0;
}

/* After every call of c-ares: when does it want to look at the clock? */
static void tend(struct dns *dns)
{
    struct timeval wait;
    if (is_over(dns))
        reel_timer_start(&dns->timer, 0);
    else if (ares_timeout(dns->channel, NULL, &wait))
        reel_timer_start(&dns->timer, wait.tv_sec * REEL_SECOND + wait.tv_usec * REEL_US);
    else
        reel_timer_stop(&dns->timer);
}

static void on_time(struct reel_timer *timer)
{
    struct dns *dns = CONTAINER_OF(timer, struct dns, timer);
    if (is_over(dns)) {
        reel_dns_free(dns);
        return;
    }
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    tend(dns);
}

static void on_ready(struct reel_watch *watch, uint32_t events)
{
    const struct dns_socket *s = CONTAINER_OF(watch, struct dns_socket, watch);
    struct dns *dns = s->dns;
    bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP);
    bool out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);
    ares_process_fd(dns->channel, in ? watch->fd : ARES_SOCKET_BAD,
                    out ? watch->fd : ARES_SOCKET_BAD);
    tend(dns);
}

static struct dns_socket *find_socket(struct dns *dns, int fd)
{
    struct dns_socket *unused = NULL;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        struct dns_socket *s = &dns->sockets[i];
        if (s->is_used && s->watch.fd == fd)
            return s;
        if (!s->is_used)
            unused = s;
    }
    return unused;
}

/* A socket that cannot be watched is not told to anybody: its query times out, and another server
 * is asked. */
static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = context;
    struct dns_socket *s = find_socket(dns, fd);
    uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    if (!s)
        return;
    if (events == 0) {
        if (s->is_used)
            reel_watch_stop(&s->watch);
        s->is_used = false;
    } else if (s->is_used) {
        reel_watch_change(&s->watch, events);
    } else {
        s->dns = dns;
        s->is_used = reel_watch_start(&s->watch, dns->reactor, fd, events, on_ready) == 0;
    }
}

/* ---- The channel ---- */

static int error_of(int status)
{
    static const struct {
        int status, error;
    } errors[] = {
        {ARES_ENOTFOUND, -ENOENT},          {ARES_ENODATA, -ENODATA},
        {ARES_EBADNAME, -EINVAL},           {ARES_EBADSTR, -EINVAL},
        {ARES_EBADRESP, -EBADMSG},          {ARES_ETIMEOUT, -ETIMEDOUT},
        {ARES_ECONNREFUSED, -ECONNREFUSED}, {ARES_ENOMEM, -ENOMEM},
        {ARES_ECANCELLED, -ECANCELED},      {ARES_EDESTRUCTION, -ECANCELED},
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].status == status)
            return errors[i].error;
    return -EREMOTEIO;
}

static const char *why(int error)
{
    switch (error) {
    case -ENOENT: return "there is no such name";
    case -ENODATA: return "the name has no record of this kind";
    case -EINVAL: return "this cannot be a name";
    case -ETIMEDOUT: return "no name server answered";
    case -ECONNREFUSED: return "there is no name server, or none that could answer";
    case -EREMOTEIO: return "the name server could not answer";
    case -EBADMSG: return "the name server's answer makes no sense";
    default: return NULL;
    }
}

static int open_channel(struct dns *dns, const struct reel_resolver_options *options)
{
    int64_t timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : REEL_RESOLVE_TIMEOUT_NS;
    int64_t timeout_ms = timeout_ns / REEL_MS;
    struct ares_options own = {
        .timeout = timeout_ms < 1        ? 1
                   : timeout_ms > 600000 ? 600000
                                         : (int)timeout_ms,
        .tries = options->tries > 0 ? options->tries : REEL_RESOLVE_TRIES,
        .lookups = (char *)"b", /* the hosts file is read here */
        .sock_state_cb = on_socket,
        .sock_state_cb_data = dns,
        .resolvconf_path = (char *)options->resolv_conf_path_z,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
               (own.resolvconf_path ? ARES_OPT_RESOLVCONF : 0);
    int status = ares_init_options(&dns->channel, &own, mask);
    if (status != ARES_SUCCESS) {
        dns->channel = NULL;
        return status == ARES_ENOMEM ? -ENOMEM : -EIO;
    }
    if (options->servers_z)
        status = ares_set_servers_ports_csv(dns->channel, options->servers_z);
    return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

int reel_dns_new(struct reel_reactor *r, struct reel_link *channels,
                 const struct reel_resolver_options *options, struct dns **out)
{
    struct dns *dns = reel_memory_new_zeroed(r, sizeof(*dns));
    if (!dns)
        return -ENOMEM;
    dns->reactor = r;
    list_put(channels, &dns->link);
    int err = reel_timer_init(&dns->timer, r, on_time);
    if (err == 0)
        err = open_channel(dns, options);
    if (err < 0)
        reel_dns_free(dns);
    else
        *out = dns;
    return err;
}

void reel_dns_free(struct dns *dns)
{
    if (!dns)
        return;
    if (dns->channel)
        ares_destroy(dns->channel);
    reel_timer_fini(&dns->timer);
    list_remove(&dns->link);
    reel_memory_free(dns->reactor, dns);
}

void reel_dns_retire(struct dns *dns)
{
    dns->retired = true;
    tend(dns);
}

size_t reel_dns_under_way(const struct reel_link *channels)
{
    size_t sum = 0;
    for (const struct reel_link *link = channels->next; link != channels; link = link->next)
        sum += CONTAINER_OF(link, struct dns, link)->under_way;
    return sum;
}

void reel_dns_free_all(struct reel_link *channels)
{
    while (!list_is_empty(channels))
        reel_dns_free(CONTAINER_OF(channels->next, struct dns, link));
}

/* ---- Answers ---- */

static void set_address(struct reel_address *out, int family, const void *bytes, uint16_t port)
{
    if (family == AF_INET) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&v4.sin_addr, bytes, sizeof(v4.sin_addr));
        memcpy(&out->storage, &v4, sizeof(v4));
        out->length = sizeof(v4);
    } else {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&v6.sin6_addr, bytes, sizeof(v6.sin6_addr));
        memcpy(&out->storage, &v6, sizeof(v6));
        out->length = sizeof(v6);
    }
}

static void tell_addresses(struct query *q, const unsigned char *data, int len)
{
    struct ares_addrttl v4[REEL_RESOLVE_ADDRESSES_MAX];
    struct ares_addr6ttl v6[REEL_RESOLVE_ADDRESSES_MAX];
    int count = REEL_RESOLVE_ADDRESSES_MAX;
    int status = q->kind == DNS_A ? ares_parse_a_reply(data, len, NULL, v4, &count)
                                  : ares_parse_aaaa_reply(data, len, NULL, v6, &count);
    if (status == ARES_SUCCESS && count == 0)
        status = ARES_ENODATA;
    if (status != ARES_SUCCESS) {
        reel_deferred_errback(q->d, error_of(status), why(error_of(status)));
        return;
    }
    struct reel_addresses *found =
        reel_answer_new(q->dns->reactor, sizeof(*found) + (size_t)count * sizeof(found->list[0]));
    if (!found) {
        reel_deferred_errback(q->d, -ENOMEM, NULL);
        return;
    }
    found->count = (size_t)count;
    for (int i = 0; i < count; i++)
        if (q->kind == DNS_A)
            set_address(&found->list[i], AF_INET, &v4[i].ipaddr, q->port);
        else
            set_address(&found->list[i], AF_INET6, &v6[i].ip6addr, q->port);
    reel_deferred_callback(q->d, count, found, reel_answer_free);
}

/* What c-ares made of an answer, in our words; texts are still its own. */
struct records {
    struct reel_record list[REEL_RESOLVE_RECORDS_MAX];
    size_t count;
    void *parsed; /* for ares_free_data */
    struct hostent *host;
};

static struct reel_record *add_text(struct records *records, const char *text_z)
{
    if (records->count == REEL_RESOLVE_RECORDS_MAX)
        return NULL;
    struct reel_record *record = &records->list[records->count++];
    *record = (struct reel_record){.text_z = text_z, .len = strlen(text_z)};
    return record;
}

static int parse_ptr(const unsigned char *data, int len, struct records *out)
{
    const struct in_addr none = {0};
    int status = ares_parse_ptr_reply(data, len, &none, sizeof(none), AF_INET, &out->host);
    if (status != ARES_SUCCESS)
        return status;
    /* The first alias is the name itself; every name stands among the aliases too. */
    if (!out->host->h_aliases[0])
        add_text(out, out->host->h_name);
    for (char **alias = out->host->h_aliases; *alias; alias++)
        add_text(out, *alias);
    return ARES_SUCCESS;
}

static int parse_mx(const unsigned char *data, int len, struct records *out)
{
    struct ares_mx_reply *list = NULL;
    int status = ares_parse_mx_reply(data, len, &list);
    out->parsed = list;
    for (; list; list = list->next) {
        struct reel_record *record = add_text(out, list->host);
        if (record)
            record->priority = list->priority;
    }
    return status;
}

static int parse_srv(const unsigned char *data, int len, struct records *out)
{
    struct ares_srv_reply *list = NULL;
    int status = ares_parse_srv_reply(data, len, &list);
    out->parsed = list;
    for (; list; list = list->next) {
        struct reel_record *record = add_text(out, list->host);
        if (!record)
            break;
        record->priority = list->priority;
        record->weight = list->weight;
        record->port = list->port;
    }
    return status;
}

/* Pieces of one record follow each other; `len` grows here, they are joined when copied. */
static int parse_txt(const unsigned char *data, int len, struct records *out)
{
    struct ares_txt_ext *list = NULL;
    int status = ares_parse_txt_reply_ext(data, len, &list);
    out->parsed = list;
    struct reel_record *record = NULL;
    for (; list; list = list->next) {
        if (list->record_start || !record)
            record = add_text(out, "");
        if (!record)
            break;
        record->len += list->length;
    }
    return status;
}

static void copy_texts(enum dns_kind kind, const struct records *from, struct reel_records *to,
                       char *texts)
{
    const struct ares_txt_ext *piece = kind == DNS_TXT ? from->parsed : NULL;
    for (size_t i = 0; i < from->count; i++) {
        const struct reel_record *record = &from->list[i];
        to->list[i] = *record;
        to->list[i].text_z = texts;
        if (kind != DNS_TXT)
            memcpy(texts, record->text_z, record->len);
        for (size_t at = 0; piece && at < record->len; piece = piece->next) {
            memcpy(texts + at, piece->txt, piece->length);
            at += piece->length;
        }
        while (piece && !piece->record_start)
            piece = piece->next; /* empty ones at a record's end */
        texts += record->len + 1;
    }
}

/* By priority; a handful. */
static void sort_records(struct reel_records *records)
{
    for (size_t i = 1; i < records->count; i++) {
        struct reel_record record = records->list[i];
        size_t at = i;
        for (; at > 0 && records->list[at - 1].priority > record.priority; at--)
            records->list[at] = records->list[at - 1];
        records->list[at] = record;
    }
}

static struct reel_records *keep_records(const struct query *q, const struct records *from)
{
    size_t size = 0;
    for (size_t i = 0; i < from->count; i++)
        size += from->list[i].len + 1;
    size_t head = sizeof(struct reel_records) + from->count * sizeof(struct reel_record);
    struct reel_records *kept = reel_answer_new(q->dns->reactor, head + size);
    if (!kept)
        return NULL;
    kept->count = from->count;
    copy_texts(q->kind, from, kept, (char *)kept + head);
    sort_records(kept);
    return kept;
}

static void tell_records(struct query *q, const unsigned char *data, int len)
{
    static int (*const parsers[])(const unsigned char *data, int len, struct records *out) = {
        [DNS_PTR] = parse_ptr, [DNS_MX] = parse_mx, [DNS_TXT] = parse_txt, [DNS_SRV] = parse_srv};
    struct records records = {.count = 0};
    int status = parsers[q->kind](data, len, &records);
    if (status == ARES_SUCCESS && records.count == 0)
        status = ARES_ENODATA;
    struct reel_records *kept = status == ARES_SUCCESS ? keep_records(q, &records) : NULL;
    if (kept)
        reel_deferred_callback(q->d, (int64_t)kept->count, kept, reel_answer_free);
    else
        reel_deferred_errback(q->d, status == ARES_SUCCESS ? -ENOMEM : error_of(status),
                              why(error_of(status)));
    if (records.parsed)
        ares_free_data(records.parsed);
    if (records.host)
        ares_free_hostent(records.host);
}

static void on_answer(void *context, int status, int timeouts, unsigned char *data, int len)
{
    struct query *q = context;
    (void)timeouts;
    q->dns->under_way--;
    if (q->d && status != ARES_SUCCESS)
        reel_deferred_errback(q->d, error_of(status), why(error_of(status)));
    else if (q->d && q->kind <= DNS_AAAA)
        tell_addresses(q, data, len);
    else if (q->d)
        tell_records(q, data, len);
    reel_memory_free(q->dns->reactor, q);
}

static void cancel_query(struct reel_deferred *d)
{
    struct query **q = reel_deferred_state(d);
    (*q)->d = NULL;
    reel_deferred_errback(d, -ECANCELED, "cancelled");
}

struct reel_deferred *reel_dns_ask(struct dns *dns, enum dns_kind kind, const char *name_z,
                                   uint16_t port)
{
    static const int types[] = {[DNS_A] = T_A,   [DNS_AAAA] = T_AAAA, [DNS_PTR] = T_PTR,
                                [DNS_MX] = T_MX, [DNS_TXT] = T_TXT,   [DNS_SRV] = T_SRV};
    struct reel_deferred *d = reel_deferred_new(dns->reactor, cancel_query, sizeof(struct query *));
    if (!d)
        return NULL;
    struct query *q = reel_memory_new_zeroed(dns->reactor, sizeof(*q));
    if (!q) {
        reel_deferred_errback(d, -ENOMEM, NULL);
        return d;
    }
    *q = (struct query){.dns = dns, .d = d, .kind = kind, .port = port};
    *(struct query **)reel_deferred_state(d) = q;
    dns->under_way++;
    (kind <= DNS_AAAA ? ares_search : ares_query)(dns->channel, name_z, C_IN, types[kind],
                                                  on_answer, q);
    tend(dns);
    return d;
}
