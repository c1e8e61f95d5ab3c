/* /proc/net/fib_trie and fib_triestat: the routes of IPv4 as the kernel's trie has them. Its shape follows from the
 * routes alone: a node takes more bits as long as its places are well used (net/ipv4/fib_trie.c, should_inflate). */
#include "kernel/net.h"
#include "kernel/procfs.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ROOT_PERCENT = 30, /* how well a node must be used to be made larger */
    NODE_PERCENT = 50,
    LEAF_BYTES = 48,
    NODE_BYTES = 40,
    BITS = 32,
};

struct leaf {
    uint32_t key;
    size_t first, count; /* routes of this key */
};

struct trie {
    struct buffer *out; /* NULL: only counted */
    const struct net_route *routes[NET_ROUTES_MAX];
    struct leaf leaves[NET_ROUTES_MAX];
    size_t route_count, leaf_count;
    unsigned depth_sum, depth_most, nodes, pointers, empty, by_bits[BITS + 1];
    int error;
};

static uint32_t key_of(const struct net_route *r)
{
    uint32_t key = 0;
    memcpy(&key, net_ip_span(&r->to).data, sizeof(key));
    return __builtin_bswap32(key);
}

static bool is_before(const struct net_route *a, const struct net_route *b)
{
    return key_of(a) != key_of(b) ? key_of(a) < key_of(b) : a->prefix > b->prefix;
}

/* The routes by key, the longest prefix first, and where each key's begin. */
static void collect(const struct net *net, struct trie *t)
{
    for (size_t i = 0; i < net->route_count; i++) {
        const struct net_route *r = &net->routes[i];
        if (r->family != AF_INET || (r->table != RT_TABLE_MAIN && r->table != RT_TABLE_LOCAL))
            continue;
        size_t at = t->route_count++;
        while (at > 0 && is_before(r, t->routes[at - 1])) {
            t->routes[at] = t->routes[at - 1];
            at--;
        }
        t->routes[at] = r;
    }
    for (size_t i = 0; i < t->route_count; i++) {
        uint32_t key = key_of(t->routes[i]);
        if (t->leaf_count == 0 || t->leaves[t->leaf_count - 1].key != key)
            t->leaves[t->leaf_count++] = (struct leaf){.key = key, .first = i};
        t->leaves[t->leaf_count - 1].count++;
    }
}

/* ---- Shape ---- */

/* The highest bit in which the leaves differ. */
static unsigned top_bit(const struct trie *t, size_t from, size_t to)
{
    return 31u - (unsigned)__builtin_clz(t->leaves[from].key ^ t->leaves[to - 1].key);
}

/* Where the leaves end that have the first one's bits from `pos` on. */
static size_t child_end(const struct trie *t, size_t from, size_t to, unsigned pos)
{
    size_t end = from;
    while (end < to && t->leaves[end].key >> pos == t->leaves[from].key >> pos)
        end++;
    return end;
}

struct shape {
    unsigned pos, bits, full, empty;
};

static struct shape with_bits(const struct trie *t, size_t from, size_t to, unsigned bits)
{
    struct shape s = {.pos = top_bit(t, from, to) + 1 - bits, .bits = bits, .empty = 1u << bits};
    for (size_t at = from; at < to;) {
        size_t end = child_end(t, at, to, s.pos);
        s.empty--;
        s.full += end - at > 1 && top_bit(t, at, end) + 1 == s.pos;
        at = end;
    }
    return s;
}

static struct shape shape_of(const struct trie *t, size_t from, size_t to, bool is_root)
{
    struct shape s = with_bits(t, from, to, 1);
    for (;;) {
        unsigned places = 1u << s.bits, used = places - s.empty + s.full;
        unsigned least = places * (is_root ? ROOT_PERCENT : NODE_PERCENT);
        if (used <= 1 || s.pos == 0 || NODE_PERCENT * used < least)
            return s;
        s = with_bits(t, from, to, s.bits + 1);
    }
}

/* ---- Texts ---- */

static void put_address(struct trie *t, uint32_t key)
{
    if (t->error == 0)
        t->error = buffer_printf(t->out, "%u.%u.%u.%u", key >> 24, key >> 16 & 255, key >> 8 & 255,
                                 key & 255);
}

static void put_indent(struct trie *t, unsigned level)
{
    if (t->error == 0)
        t->error = buffer_printf(t->out, "%*s", (int)(level * 3 + 2), "");
}

static const char *scope_name(unsigned scope)
{
    switch (scope) {
    case RT_SCOPE_UNIVERSE: return "universe";
    case RT_SCOPE_SITE: return "site";
    case RT_SCOPE_LINK: return "link";
    case RT_SCOPE_HOST: return "host";
    default: return "nowhere";
    }
}

static const char *type_name(unsigned type)
{
    static const char *const names[] = {
        [RTN_UNSPEC] = "UNSPEC",       [RTN_UNICAST] = "UNICAST",
        [RTN_LOCAL] = "LOCAL",         [RTN_BROADCAST] = "BROADCAST",
        [RTN_ANYCAST] = "ANYCAST",     [RTN_MULTICAST] = "MULTICAST",
        [RTN_BLACKHOLE] = "BLACKHOLE", [RTN_UNREACHABLE] = "UNREACHABLE",
        [RTN_PROHIBIT] = "PROHIBIT",   [RTN_THROW] = "THROW"};
    return type < ARRAY_LEN(names) ? names[type] : "UNSPEC";
}

static void put_leaf(struct trie *t, const struct leaf *leaf, unsigned level)
{
    t->depth_sum += level;
    t->depth_most = level > t->depth_most ? level : t->depth_most;
    if (t->out == NULL)
        return;
    put_indent(t, level);
    if (t->error == 0)
        t->error = buffer_put_z(t->out, "|-- ");
    put_address(t, leaf->key);
    for (size_t i = leaf->first; i < leaf->first + leaf->count && t->error == 0; i++) {
        const struct net_route *r = t->routes[i];
        t->error = buffer_put_z(t->out, "\n");
        put_indent(t, level + 1);
        if (t->error == 0)
            t->error = buffer_printf(t->out, "/%u %s %s", r->prefix, scope_name(r->scope),
                                     type_name(r->type));
    }
    if (t->error == 0)
        t->error = buffer_put_z(t->out, "\n");
}

static void put_nodes(struct trie *t, size_t from, size_t to, unsigned level)
{
    if (to - from == 1) {
        put_leaf(t, &t->leaves[from], level);
        return;
    }
    const struct shape s = shape_of(t, from, to, level == 0);
    unsigned above = s.pos + s.bits;
    t->nodes++;
    t->pointers += 1u << s.bits;
    t->empty += s.empty;
    t->by_bits[s.bits]++;
    if (t->out != NULL) {
        put_indent(t, level);
        if (t->error == 0)
            t->error = buffer_put_z(t->out, "+-- ");
        put_address(t, above < BITS ? t->leaves[from].key >> above << above : 0);
        if (t->error == 0)
            t->error =
                buffer_printf(t->out, "/%u %u %u %u\n", BITS - above, s.bits, s.full, s.empty);
    }
    for (size_t at = from; at < to;) {
        size_t end = child_end(t, at, to, s.pos);
        put_nodes(t, at, end, level + 1); /* a level a bit, at most */
        at = end;
    }
}

/* One trie: the local routes stand in the main table until there is a rule. */
int proc_net_fib_trie(const struct proc_call *c)
{
    int error = 0;
    for (int i = 0; i < 2 && error == 0; i++) {
        struct trie t = {.out = c->out};
        collect(&c->vfs->net, &t);
        t.error = buffer_put_z(c->out, i == 0 ? "Main:\n" : "Local:\n");
        if (t.leaf_count > 0)
            put_nodes(&t, 0, t.leaf_count, 0);
        error = t.error;
    }
    return error;
}

static int put_statistics(const struct trie *t, const char *name_z, struct buffer *out)
{
    unsigned leaves = (unsigned)t->leaf_count,
             average = leaves > 0 ? t->depth_sum * 100 / leaves : 0;
    unsigned bytes = leaves * LEAF_BYTES + t->nodes * NODE_BYTES + t->pointers * 8 +
                     (unsigned)t->route_count * 56;
    int error = buffer_printf(out,
                              "%s:\n\tAver depth:     %u.%02u\n\tMax depth:      %u\n\tLeaves:    "
                              "     %u\n\tPrefixes:       %u\n\tInternal nodes: %u\n\t",
                              name_z, average / 100, average % 100, t->depth_most, leaves,
                              (unsigned)t->route_count, t->nodes);
    for (unsigned bits = 1; bits <= BITS && error == 0; bits++)
        if (t->by_bits[bits] > 0)
            error = buffer_printf(out, "  %u: %u", bits, t->by_bits[bits]);
    if (error != 0)
        return error;
    return buffer_printf(out, "\n\tPointers: %u\nNull ptrs: %u\nTotal size: %u  kB\n", t->pointers,
                         t->empty, (bytes + 1023) / 1024);
}

int proc_net_fib_triestat(const struct proc_call *c)
{
    struct trie t = {.out = NULL};
    collect(&c->vfs->net, &t);
    if (t.leaf_count > 0)
        put_nodes(&t, 0, t.leaf_count, 0);
    int error =
        buffer_printf(c->out, "Basic info: size of leaf: %d bytes, size of tnode: %d bytes.\n",
                      LEAF_BYTES, NODE_BYTES);
    if (error == 0)
        error = put_statistics(&t, "Main", c->out);
    return error != 0 ? error : put_statistics(&t, "Local", c->out);
}
