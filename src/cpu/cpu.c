#include "cpu/cpu.h"
#include "cpu/store.h"

#include <stdlib.h>

struct cpu_code {
    size_t max_bytes;
    struct cpu_work work;
    const struct cpu_ops *ops[CPU_FAMILY_COUNT]; /* that made the store beside */
    void *store[CPU_FAMILY_COUNT];               /* NULL: not made yet */
};

struct cpu_code *cpu_code_new(size_t max_bytes)
{
    struct cpu_code *code = calloc(1, sizeof(*code));
    if (code) {
        code->max_bytes = max_bytes;
        code->work.allowed = UINT64_MAX;
    }
    return code;
}

void cpu_code_allow(struct cpu_code *code, uint64_t work)
{
    code->work = (struct cpu_work){.allowed = work};
}

bool cpu_code_is_tired(const struct cpu_code *code)
{
    return code->work.done >= code->work.allowed;
}

uint64_t cpu_code_work(const struct cpu_code *code)
{
    return code->work.done;
}

void cpu_code_free(struct cpu_code *code)
{
    if (!code)
        return;
    for (unsigned i = 0; i < CPU_FAMILY_COUNT; i++)
        if (code->store[i])
            code->ops[i]->store_free(code->store[i]);
    free(code);
}

/* False: out of memory. A family without a store has NULL. */
static bool find_store(struct cpu_code *code, const struct cpu_ops *ops, void **store)
{
    enum cpu_family family = ops->family;
    if (!code->store[family] && ops->store_new) {
        code->store[family] = ops->store_new(code->max_bytes);
        code->ops[family] = ops;
        if (!code->store[family])
            return false;
        cpu_store_set_work(code->store[family], &code->work);
    }
    *store = code->store[family];
    return true;
}

struct cpu *cpu_new(const struct cpu_ops *ops, struct cpu_code *code, struct cpu_space *space)
{
    void *store;
    return find_store(code, ops, &store) ? ops->new (ops, store, space) : NULL;
}

struct cpu *cpu_clone(const struct cpu *cpu, struct cpu_code *code, struct cpu_space *space)
{
    const struct cpu_ops *ops = cpu->ops;
    struct cpu *clone = NULL;
    void *state = malloc(ops->state_bytes);
    if (state)
        clone = cpu_new(ops, code, space);
    if (clone) {
        ops->save(cpu, state);
        if (ops->load(clone, state) != 0) {
            cpu_free(clone);
            clone = NULL;
        }
    }
    free(state);
    return clone;
}

void cpu_free(struct cpu *cpu)
{
    if (cpu)
        cpu->ops->free(cpu);
}
