/* The integer instructions that are rare enough, or long enough, to be functions of their own. */
#include "cpu/mips_decode.h"
#include "cpu/mips_run.h"

static uint32_t address(const struct mips *cpu, const struct mips_insn *insn)
{
    return cpu->r[insn->rs] + insn->imm;
}

/* How many bytes of the register, from its most significant one, lwl and swl touch: from the address
 * to the end of its word, as the byte order has it. */
static unsigned left_bytes(const struct mips *cpu, uint32_t addr)
{
    return cpu->order == MIPS_BIG ? 4 - addr % 4 : addr % 4 + 1;
}

/* The same of lwr and swr, from the least significant one. */
static unsigned right_bytes(const struct mips *cpu, uint32_t addr)
{
    return cpu->order == MIPS_BIG ? addr % 4 + 1 : 4 - addr % 4;
}

/* The lowest address that is touched. Left: in little endian the word's first byte. */
static uint32_t left_address(const struct mips *cpu, uint32_t addr)
{
    return cpu->order == MIPS_BIG ? addr : addr & ~3u;
}

static uint32_t right_address(const struct mips *cpu, uint32_t addr)
{
    return cpu->order == MIPS_BIG ? addr & ~3u : addr;
}

/* So many bytes at `addr` as a number. A fault names the address of the instruction. */
static int load_bytes(struct mips *cpu, uint32_t addr, uint32_t from, unsigned n, uint32_t *out)
{
    uint8_t bytes[4];
    int stop = cpu_core_load(&cpu->core, from, bytes, n);
    if (stop == CPU_STOP_PAGE || stop == CPU_STOP_ALIGN)
        cpu->core.trap.addr = addr;
    if (stop)
        return stop;
    *out = 0;
    for (unsigned i = 0; i < n; i++)
        *out = *out << 8 | bytes[cpu->order == MIPS_BIG ? i : n - 1 - i];
    return 0;
}

static int store_bytes(struct mips *cpu, uint32_t addr, uint32_t to, unsigned n, uint32_t value)
{
    uint8_t bytes[4];
    for (unsigned i = 0; i < n; i++) {
        bytes[cpu->order == MIPS_BIG ? n - 1 - i : i] = (uint8_t)value;
        value >>= 8;
    }
    int stop = cpu_core_store(&cpu->core, to, bytes, n);
    if (stop == CPU_STOP_PAGE || stop == CPU_STOP_ALIGN)
        cpu->core.trap.addr = addr;
    return stop;
}

int mips_do_lwl(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t addr = address(cpu, insn), value;
    unsigned n = left_bytes(cpu, addr);
    int stop = load_bytes(cpu, addr, left_address(cpu, addr), n, &value);
    if (stop)
        return stop;
    uint64_t keep = (UINT64_C(1) << (32 - 8 * n)) - 1;
    cpu->r[insn->rd] = (cpu->r[insn->rt] & (uint32_t)keep) | value << (32 - 8 * n);
    return 0;
}

int mips_do_lwr(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t addr = address(cpu, insn), value;
    unsigned n = right_bytes(cpu, addr);
    int stop = load_bytes(cpu, addr, right_address(cpu, addr), n, &value);
    if (stop)
        return stop;
    uint32_t mask = (uint32_t)((UINT64_C(1) << 8 * n) - 1);
    cpu->r[insn->rd] = (cpu->r[insn->rt] & ~mask) | value;
    return 0;
}

int mips_do_swl(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t addr = address(cpu, insn);
    unsigned n = left_bytes(cpu, addr);
    return store_bytes(cpu, addr, left_address(cpu, addr), n, cpu->r[insn->rt] >> (32 - 8 * n));
}

int mips_do_swr(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t addr = address(cpu, insn);
    return store_bytes(cpu, addr, right_address(cpu, addr), right_bytes(cpu, addr),
                       cpu->r[insn->rt]);
}

int mips_do_ll(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t addr = address(cpu, insn), value;
    if (addr % 4)
        return cpu_core_misaligned(&cpu->core, addr, CPU_READ);
    int stop = cpu_core_load(&cpu->core, addr, &value, sizeof(value));
    if (stop)
        return stop;
    struct mips_state *s = &cpu->state;
    s->link_addr = addr;
    s->link_value = mips_swap32(cpu, value);
    s->link_set = 1;
    cpu->r[insn->rd] = s->link_value;
    return 0;
}

/* Others may have run since ll: it succeeds when the word is still what ll read. */
int mips_do_sc(struct mips *cpu, const struct mips_insn *insn)
{
    struct mips_state *s = &cpu->state;
    uint32_t addr = address(cpu, insn), value;
    if (addr % 4)
        return cpu_core_misaligned(&cpu->core, addr, CPU_WRITE);
    bool good = s->link_set && s->link_addr == addr;
    int stop = good ? cpu_core_load(&cpu->core, addr, &value, sizeof(value)) : 0;
    if (stop)
        return stop;
    good = good && mips_swap32(cpu, value) == s->link_value;
    if (good) {
        value = mips_swap32(cpu, cpu->r[insn->rt]);
        stop = cpu_core_store(&cpu->core, addr, &value, sizeof(value));
        if (stop)
            return stop;
    }
    s->link_set = 0;
    cpu->r[insn->rd] = good;
    return 0;
}

int mips_do_rdhwr(struct mips *cpu, const struct mips_insn *insn)
{
    enum { PROCESSOR = 0, SYNCI_STEP = 1, COUNT_CYCLES = 3, LINE_BYTES = 32 };
    uint32_t value = cpu->state.tls;
    switch (mips_rd(insn->word)) {
    case PROCESSOR: value = 0; break;
    case SYNCI_STEP: value = LINE_BYTES; break;
    case COUNT_CYCLES: value = MIPS_COUNT_CYCLES; break;
    default: break;
    }
    cpu->r[insn->rd] = value;
    return 0;
}

int mips_do_movci(struct mips *cpu, const struct mips_insn *insn)
{
    unsigned cc = insn->word >> 18 & 7;
    bool is_set = cpu->state.fcsr >> (cc ? 24 + cc : 23) & 1;
    if (is_set == (insn->word >> 16 & 1))
        cpu->r[insn->rd] = cpu->r[insn->rs];
    return 0;
}

int mips_do_take_condition(struct mips *cpu, const struct mips_insn *insn)
{
    cpu->r[MIPS_R_TEMP] = cpu->state.fcsr >> insn->sa & 1;
    return 0;
}
