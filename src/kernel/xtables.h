/* The matches and targets of iptables that the kernel has: a program asks for them before it uses them. */
#ifndef KERNEL_XTABLES_H
#define KERNEL_XTABLES_H

#include "base/span.h"

struct xtables {
    const char *name_z;
    bool is_target;
    uint8_t families;    /* enum xtables_family */
    uint8_t revisions;   /* a bit each */
    const char *table_z; /* the only one that it may be used in; "": any */
    uint8_t hooks;       /* a bit for each hook of base chains in which it may stand */
};

/* The one of a family (NFPROTO_...); NULL: there is none. */
const struct xtables *xtables_find(uint8_t family, struct span name, bool is_target,
                                   uint32_t revision);
/* The highest revision of a name in a family. -ENOENT: it is not there; -EPROTONOSUPPORT: it is, but not in
 * `revision`. */
int xtables_best(uint8_t family, struct span name, bool is_target, uint32_t revision);

#endif
