#include "kernel/lines.h"

#include "cpu/x86.h"
#include "kernel/mm.h"
#include "kernel/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 65536 }; /* what is told of a line */

static void tell(struct task *t, struct span line)
{
    struct kernel_event event = {.type = KERNEL_LINE, .text = line, .program = t->process->program};
    kernel_emit(t->kernel, t, &event);
}

/* ---- What a shell reads ---- */

static void keep(struct task *t, struct span bytes)
{
    if (bytes.len == 0 || t->line_len >= LINE_MAX_BYTES)
        return;
    if (bytes.len > LINE_MAX_BYTES - t->line_len)
        bytes.len = LINE_MAX_BYTES - t->line_len;
    char *line = realloc(t->line, t->line_len + bytes.len);
    if (line == NULL)
        return;
    memcpy(line + t->line_len, bytes.data, bytes.len);
    t->line = line;
    t->line_len += bytes.len;
}

void lines_read(struct task *t, struct span bytes)
{
    if (t == NULL || !t->process->is_shell)
        return;
    /* The end of the input ends the last line. */
    if (bytes.len == 0 && t->line_len > 0) {
        tell(t, span_of(t->line, t->line_len));
        t->line_len = 0;
    }
    while (bytes.len > 0) {
        ptrdiff_t end = span_find(bytes, '\n', 0);
        size_t n = end < 0 ? bytes.len : (size_t)end;
        keep(t, span_slice(bytes, 0, n));
        if (end < 0)
            return;
        tell(t, span_of(t->line, t->line_len));
        t->line_len = 0;
        bytes = span_slice(bytes, n + 1, bytes.len);
    }
}

/* ---- bash's readline ---- */

void lines_probe(struct task *t)
{
    if (t->mm->readline != 0)
        t->cpu->ops->probe_add(t->cpu, t->mm->readline);
}

/* At its first instruction: the return address lies on the stack. */
static void entered(struct task *t, const struct x86_state *s)
{
    uint64_t back;
    if (cpu_space_read(t->mm->space, s->reg[X86_RSP], &back, sizeof(back)) != 0)
        return;
    if (t->line_return != 0 && t->line_return != t->mm->readline)
        t->cpu->ops->probe_clear(t->cpu, t->line_return);
    t->line_return = 0;
    if (t->cpu->ops->probe_add(t->cpu, back) == 0) {
        t->line_return = back;
        t->line_stack = s->reg[X86_RSP] + sizeof(back);
    }
}

static void returned(struct task *t, const struct x86_state *s)
{
    char line_z[LINE_MAX_BYTES];
    t->cpu->ops->probe_clear(t->cpu, t->line_return);
    t->line_return = 0;
    if (s->reg[X86_RAX] == 0)
        return;
    int64_t len = cpu_space_read_z(t->mm->space, s->reg[X86_RAX], line_z, sizeof(line_z));
    if (len == -ENAMETOOLONG)
        len = sizeof(line_z);
    if (len >= 0)
        tell(t, span_of(line_z, (size_t)len));
}

void lines_on_probe(struct task *t)
{
    const struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    if (s->rip == t->mm->readline)
        entered(t, s);
    else if (s->rip == t->line_return && s->reg[X86_RSP] == t->line_stack)
        returned(t, s);
}
