#include "x86_machine.h"

int machine_open(void **state)
{
    static struct machine m;
    memset(&m, 0, sizeof(m));
    m.pool = cpu_pool_new(FRAMES);
    m.space = cpu_space_new(m.pool);
    m.code = x86_store_new(1 << 20);
    m.cpu = x86_new(m.code, m.space);
    m.s = x86_state(m.cpu);
    m.s->rip = CODE;
    m.s->reg[X86_RSP] = DATA_END;
    *state = &m;
    return cpu_space_map(m.space, CODE, 2 * PAGE, RWX, span_of(NULL, 0)) ||
           cpu_space_map(m.space, DATA, 2 * PAGE, RW, span_of(NULL, 0));
}

int machine_close(void **state)
{
    struct machine *m = *state;
    x86_free(m->cpu);
    cpu_space_free(m->space);
    cpu_pool_free(m->pool);
    cpu_store_free(m->code);
    return 0;
}

void poke(struct machine *m, uint64_t addr, const void *bytes, size_t len)
{
    assert_int_equal(cpu_space_poke(m->space, addr, bytes, len), 0);
}

enum cpu_stop run(struct machine *m, uint64_t budget)
{
    enum cpu_stop stop = x86_run(m->cpu, budget, &m->used, &m->trap);
    assert_true(m->used <= budget);
    return stop;
}

uint64_t load64(struct machine *m, uint64_t addr)
{
    uint64_t value = 0;
    assert_int_equal(cpu_space_read(m->space, addr, &value, sizeof(value)), 0);
    return value;
}

void load_program(struct machine *m)
{
    CODE_AT(m, CODE, 0xb9, 50, 0, 0, 0,         /* mov ecx, 50 */
            0x48, 0x01, 0xc8,                   /* again: add rax, rcx */
            0xe8, 8, 0, 0, 0,                   /* call there */
            0xff, 0xc9,                         /* dec ecx */
            0x75, 0xf4,                         /* jnz again */
            0x0f, 0x0b,                         /* ud2 */
            0x90, 0x90,                         /* */
            0x48, 0x11, 0x04, 0x25, 0, 0, 2, 0, /* there: adc [DATA], rax */
            0x48, 0xd1, 0xc0,                   /* rol rax, 1 */
            0x48, 0x39, 0xc8,                   /* cmp rax, rcx */
            0x77, 3,                            /* ja over */
            0x48, 0xff, 0xc2,                   /* inc rdx */
            0xc3);                              /* over: ret */
}
