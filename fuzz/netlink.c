/* Any bytes as what root sends into netlink sockets (the first one's lowest two bits: rtnetlink, sock_diag,
 * nfnetlink, or a table of iptables-legacy instead; the next two: how long the first send is, the rest is the second one), and then the model of the
 * network that they have changed. */
#include "machine.h"

#include "kernel/netlink.h"
#include "kernel/ruleset.h"
#include "kernel/xtables_legacy.h"

#include <elf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint64_t base = 0x400000;

/* A program that does nothing for ever: somebody must be asking. */
static struct task *open_task(struct machine *m)
{
    static const uint8_t code[] = {0xeb, 0xfe};
    uint8_t program[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + sizeof(code)] = {0};
    const Elf64_Ehdr head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                             .e_type = ET_EXEC,
                             .e_machine = EM_X86_64,
                             .e_version = EV_CURRENT,
                             .e_entry = base + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
                             .e_phoff = sizeof(Elf64_Ehdr),
                             .e_ehsize = sizeof(Elf64_Ehdr),
                             .e_phentsize = sizeof(Elf64_Phdr),
                             .e_phnum = 1};
    const Elf64_Phdr segment = {.p_type = PT_LOAD,
                                .p_flags = PF_R | PF_X,
                                .p_vaddr = base,
                                .p_filesz = sizeof(program),
                                .p_memsz = sizeof(program),
                                .p_align = 4096};
    struct span argv[] = {SPAN_LIT("x")};
    const struct kernel_spawn s = {
        .argv = argv, .argc = 1, .path = SPAN_LIT("/x"), .cwd = SPAN_LIT("/")};
    memcpy(program, &head, sizeof(head));
    memcpy(program + sizeof(head), &segment, sizeof(segment));
    memcpy(program + sizeof(head) + sizeof(segment), code, sizeof(code));
    machine_put_program(m, span_of(program, sizeof(program)));
    int error = kernel_spawn(m->kernel, &s);
    assert(error == 0 && m->kernel->tasks != NULL);
    return m->kernel->tasks;
}

/* What is answered are whole messages. */
static void hear(struct socket *s)
{
    static uint8_t bytes[SOCKET_BYTES];
    struct socket_about about;
    int64_t n = 0;
    while ((n = socket_receive(s, bytes, sizeof(bytes), false, &about)) > 0) {
        for (int64_t at = 0; at < n;) {
            struct nlmsghdr h;
            assert(n - at >= (int64_t)sizeof(h));
            memcpy(&h, bytes + at, sizeof(h));
            assert(h.nlmsg_len >= sizeof(h) && h.nlmsg_len <= n - at);
            at += NLMSG_ALIGN(h.nlmsg_len);
        }
    }
}

static void look(struct net *net)
{
    struct net_ip own;
    struct net_ip ips[] = {net_ip4((const uint8_t[4]){127, 0, 0, 1}),
                           net_ip4((const uint8_t[4]){10, 1, 2, 3}),
                           {{0xfe, 0x80, [15] = 9}}};
    for (size_t i = 0; i < ARRAY_LEN(ips); i++)
        (void)net_source_for(net, &ips[i], &own);
    for (size_t i = 0; i < net->address_count; i++) {
        char text_z[NET_TEXT_BYTES];
        assert(net_ip_text(&net->addresses[i].ip, text_z) < NET_TEXT_BYTES);
        (void)net_source_for(net, &net->addresses[i].ip, &own);
    }
}

static unsigned users_of(const struct ruleset_table *table, uint64_t handle)
{
    unsigned users = 0;
    for (const struct ruleset_node *n = table->nodes; n != NULL; n = n->next)
        for (size_t i = 0; i < n->count; i++)
            for (size_t k = 0; k < n->entries[i]->ref_count; k++)
                users += n->entries[i]->refs[k] == handle;
    return users;
}

/* What is counted is there, and what is named. */
static void look_at_rules(const struct ruleset *r)
{
    size_t tables = 0, nodes = 0, entries = 0;
    for (const struct ruleset_table *t = r->tables; t != NULL; t = t->next, tables++) {
        unsigned use = 0;
        for (const struct ruleset_node *n = t->nodes; n != NULL; n = n->next, nodes++, use++) {
            size_t own = n->kind == RULESET_CHAIN ? n->count : 0;
            assert(n->use == users_of(t, n->handle) + own);
            entries += n->count;
        }
        assert(t->use == use);
    }
    assert(tables == r->table_count && nodes == r->node_count && entries == r->entry_count);
    assert(tables > 0 || r->bytes == 0);
}

/* All that there is, asked for by itself. */
static void dump_rules(struct task *t, struct socket *s)
{
    static const uint8_t asked[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE,
                                    NFT_MSG_GETSET,   NFT_MSG_GETOBJ,   NFT_MSG_GETFLOWTABLE};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct {
            struct nlmsghdr header;
            struct nfgenmsg body;
        } message = {.header = {.nlmsg_len = sizeof(message),
                                .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | asked[i]),
                                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
        (void)netlink_send(t, s, span_of(&message, sizeof(message)));
        hear(s);
    }
}

/* What an option of iptables-legacy brings: entries that are called whole can be walked. */
static void read_table(struct span bytes)
{
    struct ipt_replace r;
    if (bytes.len < sizeof(r))
        return;
    memcpy(&r, bytes.data, sizeof(r));
    struct span rest = span_slice(bytes, sizeof(r), bytes.len);
    if (r.size > rest.len)
        return;
    uint8_t *entries = malloc(r.size + 1); /* of their own, so that a step too far is noticed */
    assert(entries != NULL);
    if (r.size > 0)
        memcpy(entries, rest.data, r.size);
    uint32_t count = 0;
    if (xtables_legacy_is_whole(AF_INET, &r, entries))
        for (size_t at = 0; at < r.size; count++) {
            struct ipt_entry e;
            memcpy(&e, entries + at, sizeof(e));
            assert(e.next_offset > sizeof(e) && e.next_offset <= r.size - at);
            at += e.next_offset;
        }
    assert(count == 0 || count == r.num_entries);
    (void)xtables_legacy_is_whole(AF_INET6, &r, entries);
    free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Made once; of all of it only the network changes. */
    static struct machine m;
    static struct task *t;
    if (size < 3)
        return 0;
    if (t == NULL) {
        machine_open(&m);
        t = open_task(&m);
    }
    struct net *net = &m.kernel->vfs->net;
    net_fini(net);
    int error = net_init(net);
    assert(error == 0);
    static const int protocols[] = {NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_NETFILTER};
    if ((data[0] & 3) == 3) {
        read_table(span_of(data + 3, size - 3));
        return 0;
    }
    int protocol = protocols[data[0] & 3];
    struct socket *s = socket_new(m.kernel->vfs, AF_NETLINK, SOCK_RAW, protocol);
    struct file *f = s != NULL ? socket_open(s, 0, &error) : NULL;
    assert(f != NULL);
    struct span all = span_of(data + 3, size - 3);
    size_t cut = (size_t)(data[1] | data[2] << 8);
    const struct span sent[] = {span_slice(all, 0, cut), span_slice(all, cut, all.len)};
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        (void)netlink_send(t, s, sent[i]);
        hear(s);
        look(net);
    }
    if (net->rules != NULL) {
        look_at_rules(net->rules);
        dump_rules(t, s);
    }
    file_drop(f);
    return 0;
}
