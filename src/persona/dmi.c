#include "persona/dmi.h"

#include <string.h>

enum {
    HEAD = 4,               /* type, length, handle */
    FEATURES = 0x078bfbfd,  /* CPUID 1, EDX */
    TABLE_END = 0x000f5b68, /* SeaBIOS puts the tables below this */
    KIB = 1024,             /* of a MiB */
    LOW_MIB = 3072, /* more memory than LOW_MAX_MIB is split there, the rest is above 4 GiB */
    LOW_MAX_MIB = 3584,
    HIGH_MIB = 4096,
    NO_HANDLE = 0xffff,
    NO_ERROR_HANDLE = 0xfffe,
    TYPE_END = 127,
};

struct dmi {
    struct buffer *out;
    int error;   /* the first */
    size_t from; /* of the structure that is being made */
};

/* Little-endian; a field may be wider than its number. */
static void put(struct dmi *d, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width && d->error == 0; i++, value >>= 8)
        d->error = buffer_put_u8(d->out, (uint8_t)value);
}

static void begin(struct dmi *d, uint8_t type, uint8_t length, uint16_t handle)
{
    d->from = buffer_len(d->out);
    put(d, type, 1);
    put(d, length, 1);
    put(d, handle, 2);
}

/* The strings that the structure names by their place, from 1; NULL ends them. */
static void end(struct dmi *d, const char *const *strings_z)
{
    bool none = strings_z[0] == NULL;
    for (; *strings_z != NULL && d->error == 0; strings_z++)
        d->error = buffer_put(d->out, span_of(*strings_z, strlen(*strings_z) + 1));
    put(d, 0, none ? 2 : 1);
}

static void put_bios(struct dmi *d)
{
    begin(d, 0, 24, 0);
    put(d, 1, 1);         /* vendor */
    put(d, 2, 1);         /* version */
    put(d, 0xe800, 2);    /* segment */
    put(d, 3, 1);         /* date */
    put(d, 0, 1);         /* 64 KiB of ROM */
    put(d, 8, 8);         /* characteristics are not supported ... */
    put(d, 0x0400, 2);    /* ... targeted content distribution is */
    put(d, 0, 2);         /* release */
    put(d, NO_HANDLE, 2); /* of the embedded controller: none */
    end(d, (const char *const[]){"SeaBIOS", "1.16.2-debian-1.16.2-1", "04/01/2014", NULL});
}

static int hex(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* The first three fields have their bytes turned round. */
static void put_uuid(struct dmi *d, const char *uuid_z)
{
    static const uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t bytes[sizeof(order)] = {0};
    size_t count = 0;
    for (; uuid_z[0] != '\0' && uuid_z[1] != '\0' && count < sizeof(bytes); uuid_z++) {
        if (uuid_z[0] == '-')
            continue;
        bytes[count++] = (uint8_t)(hex(uuid_z[0]) << 4 | hex(uuid_z[1]));
        uuid_z++;
    }
    for (size_t i = 0; i < sizeof(order); i++)
        put(d, bytes[order[i]], 1);
}

static void put_system(struct dmi *d, const struct persona_identity *identity)
{
    begin(d, 1, 27, 0x100);
    put(d, 0x030201, 3); /* manufacturer, product, version */
    put(d, 0, 1);        /* serial number */
    put_uuid(d, identity->product_uuid_z);
    put(d, 6, 1); /* woken by the power switch */
    put(d, 0, 2); /* SKU, family */
    end(d,
        (const char *const[]){"QEMU", "Standard PC (i440FX + PIIX, 1996)", "pc-i440fx-7.2", NULL});
}

static void put_chassis(struct dmi *d)
{
    begin(d, 3, 22, 0x300);
    put(d, 1, 1);        /* manufacturer */
    put(d, 1, 1);        /* other */
    put(d, 2, 1);        /* version */
    put(d, 0, 2);        /* serial number, asset tag */
    put(d, 0x030303, 3); /* boot, power, heat: safe */
    put(d, 2, 1);        /* security: unknown */
    put(d, 0, 9);
    end(d, (const char *const[]){"QEMU", "pc-i440fx-7.2", NULL});
}

/* CPUID 1, EAX. */
static uint32_t signature(const struct persona_cpu *cpu)
{
    uint32_t beyond = cpu->family > 15 ? cpu->family - 15 : 0;
    return beyond << 20 | (cpu->model >> 4) << 16 | (cpu->family - beyond) << 8 |
           (cpu->model & 15) << 4 | cpu->stepping;
}

static void put_processor(struct dmi *d, const struct persona_cpu *cpu, unsigned number)
{
    char socket_z[] = "CPU 0";
    socket_z[4] = (char)('0' + number);
    begin(d, 4, 42, (uint16_t)(0x400 + number));
    put(d, 1, 1); /* socket */
    put(d, 3, 1); /* central processor */
    put(d, 1, 1); /* family: other */
    put(d, 2, 1); /* manufacturer */
    put(d, signature(cpu), 4);
    put(d, FEATURES, 4);
    put(d, 3, 1);    /* version */
    put(d, 0, 3);    /* voltage, clock */
    put(d, 2000, 2); /* MHz, as QEMU says for every processor */
    put(d, 2000, 2);
    put(d, 0x41, 1);                     /* populated, enabled */
    put(d, 1, 1);                        /* upgrade: other */
    put(d, UINT64_C(0xffffffffffff), 6); /* caches */
    put(d, 0, 3);                        /* serial number, asset tag, part number */
    put(d, 0x010101, 3);                 /* cores, cores enabled, threads */
    put(d, 2, 2);                        /* characteristics: unknown */
    put(d, 1, 2);                        /* family */
    end(d, (const char *const[]){socket_z, "QEMU", "pc-i440fx-7.2", NULL});
}

static void put_memory(struct dmi *d, uint32_t memory_mib)
{
    begin(d, 16, 23, 0x1000);
    put(d, 0x060301, 3); /* other place, system memory, ECC of several bits */
    put(d, (uint64_t)memory_mib * KIB, 4);
    put(d, NO_ERROR_HANDLE, 2);
    put(d, 1, 2); /* devices */
    put(d, 0, 8);
    end(d, (const char *const[]){NULL});

    begin(d, 17, 40, 0x1100);
    put(d, 0x1000, 2);
    put(d, NO_ERROR_HANDLE, 2);
    put(d, 0xffffffff, 4); /* widths: unknown */
    put(d, memory_mib, 2);
    put(d, 9, 1);      /* DIMM */
    put(d, 0x0100, 2); /* of no set; locator */
    put(d, 0, 1);      /* bank */
    put(d, 7, 1);      /* RAM */
    put(d, 2, 2);      /* other */
    put(d, 0, 2);      /* speed */
    put(d, 2, 1);      /* manufacturer */
    put(d, 0, 16);
    end(d, (const char *const[]){"DIMM 0", "QEMU", NULL});
}

static void put_range(struct dmi *d, uint16_t handle, uint64_t from_mib, uint64_t to_mib)
{
    begin(d, 19, 31, handle);
    put(d, from_mib * KIB, 4);
    put(d, to_mib * KIB - 1, 4);
    put(d, 0x1000, 2);
    put(d, 1, 1); /* partition width */
    put(d, 0, 16);
    end(d, (const char *const[]){NULL});
}

int persona_dmi_tables(const struct persona_identity *identity, struct buffer *out)
{
    struct dmi d = {.out = out};
    uint32_t memory_mib = identity->memory_mib;
    bool split = memory_mib >= LOW_MAX_MIB;
    put_bios(&d);
    put_system(&d, identity);
    put_chassis(&d);
    for (unsigned i = 0; i < identity->cpus; i++)
        put_processor(&d, identity->cpu, i);
    put_memory(&d, memory_mib);
    put_range(&d, 0x1300, 0, split ? LOW_MIB : memory_mib);
    if (split)
        put_range(&d, 0x1301, HIGH_MIB, HIGH_MIB + memory_mib - LOW_MIB);
    begin(&d, 32, 11, 0x2000);
    put(&d, 0, 7); /* no errors detected */
    end(&d, (const char *const[]){NULL});
    begin(&d, TYPE_END, HEAD, 0x7f00);
    end(&d, (const char *const[]){NULL});
    return d.error;
}

/* Makes a range's bytes, of which one is at `place`, add up to 0. */
static void set_checksum(uint8_t *bytes, size_t len, size_t place)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[place] = (uint8_t)(bytes[place] - sum);
}

/* How many structures there are, and the length of the longest with its strings. */
static uint16_t count(struct span tables, size_t *longest)
{
    uint16_t structures = 0;
    *longest = 0;
    for (size_t from = 0; from + HEAD <= tables.len; structures++) {
        size_t to = from + tables.data[from + 1];
        while (to + 2 <= tables.len && (tables.data[to] != 0 || tables.data[to + 1] != 0))
            to++;
        to += 2;
        *longest = to - from > *longest ? to - from : *longest;
        from = to;
    }
    return structures;
}

void persona_dmi_entry(struct span tables, uint8_t out[PERSONA_DMI_ENTRY])
{
    static const uint8_t head[] = {'_', 'S', 'M', '_', 0, PERSONA_DMI_ENTRY,
                                   2,   8}; /* version 2.8 */
    static const uint8_t middle[] = {'_', 'D', 'M', 'I', '_'};
    size_t longest;
    uint16_t structures = count(tables, &longest);
    uint32_t address = (TABLE_END - (uint32_t)tables.len) & ~UINT32_C(15);
    memset(out, 0, PERSONA_DMI_ENTRY);
    memcpy(out, head, sizeof(head));
    out[8] = (uint8_t)longest;
    out[9] = (uint8_t)(longest >> 8);
    memcpy(out + 16, middle, sizeof(middle));
    out[22] = (uint8_t)tables.len;
    out[23] = (uint8_t)(tables.len >> 8);
    for (unsigned i = 0; i < 4; i++)
        out[24 + i] = (uint8_t)(address >> 8 * i);
    out[28] = (uint8_t)structures;
    out[29] = (uint8_t)(structures >> 8);
    out[30] = 0x28;
    set_checksum(out + 16, 15, 5);
    set_checksum(out, PERSONA_DMI_ENTRY, 4);
}
