#include "kernel/lines.h"

#include "cpu/x86.h"
#include "kernel/elf.h"
#include "kernel/mm.h"
#include "kernel/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 65536, /* what is told of a line, or of a here-document */
    /* struct redirect of bash's command.h: the union `redirectee`, whose word is a WORD_DESC, which
     * begins with its text. */
    REDIRECTEE = 0x20,
};

static void tell(struct task *t, enum kernel_event_type type, struct span text)
{
    struct kernel_event event = {.type = type, .text = text, .program = t->process->program};
    kernel_emit(t->kernel, t, &event);
}

/* ---- What a program reads ---- */

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

static void tell_kept(struct task *t)
{
    tell(t, t->process->is_shell ? KERNEL_LINE : KERNEL_INPUT, span_of(t->line, t->line_len));
    t->line_len = 0;
}

void lines_read(struct task *t, struct span bytes, bool terminal)
{
    if (t == NULL || (!t->process->is_shell && !terminal))
        return;
    /* The end of the input ends the last line. */
    if (bytes.len == 0 && t->line_len > 0)
        tell_kept(t);
    while (bytes.len > 0) {
        ptrdiff_t end = span_find(bytes, '\n', 0);
        size_t n = end < 0 ? bytes.len : (size_t)end;
        keep(t, span_slice(bytes, 0, n));
        if (end < 0)
            return;
        tell_kept(t);
        bytes = span_slice(bytes, n + 1, bytes.len);
    }
}

/* ---- The keys of a shell that edits its lines itself ---- */

enum {
    KEYS_LINE_MAX = 1024, /* busybox's own limit */
    KEYS_HISTORY = 16,    /* lines that "up" finds again */
    KEY_CTRL = 0x40,      /* ^X is 'X' less this */
    KEY_ESCAPE = 27,
    KEY_DELETE = 127,
};

struct line_keys {
    size_t len, at;
    char line[KEYS_LINE_MAX];
    char *history[KEYS_HISTORY]; /* the newest first; owned */
    unsigned back;               /* how far "up" has gone */
    enum { KEYS_PLAIN, KEYS_ESCAPE, KEYS_SEQUENCE } escape;
    uint8_t number; /* of a sequence: its first digit */
};

static void cut(struct line_keys *k, size_t from, size_t to)
{
    memmove(k->line + from, k->line + to, k->len - to);
    k->len -= to - from;
    k->at = from;
}

static void insert(struct line_keys *k, uint8_t key)
{
    if (k->len == KEYS_LINE_MAX)
        return;
    memmove(k->line + k->at + 1, k->line + k->at, k->len - k->at);
    k->line[k->at++] = (char)key;
    k->len++;
}

static size_t word_start(const struct line_keys *k)
{
    size_t at = k->at;
    while (at > 0 && k->line[at - 1] == ' ')
        at--;
    while (at > 0 && k->line[at - 1] != ' ')
        at--;
    return at;
}

/* The line that stands so far back in the history; 0: a new one. */
static void recall(struct line_keys *k, unsigned back)
{
    if (back > KEYS_HISTORY || (back > 0 && k->history[back - 1] == NULL))
        return;
    struct span text = span_z(back > 0 ? k->history[back - 1] : "");
    k->back = back;
    k->at = k->len = text.len;
    memcpy(k->line, text.data, text.len);
}

static void remember(struct line_keys *k)
{
    char *copy_z = kernel_copy_z(span_of(k->line, k->len));
    if (copy_z == NULL)
        return;
    free(k->history[KEYS_HISTORY - 1]);
    memmove(&k->history[1], &k->history[0], sizeof(k->history) - sizeof(k->history[0]));
    k->history[0] = copy_z;
}

static void clear(struct line_keys *k)
{
    k->len = k->at = 0;
    k->back = 0;
}

/* Arrows and their kin: ESC and [ or O, perhaps numbers, and a letter or a tilde. The terminal's
 * answer to where the cursor is ends in R. */
static void escape(struct line_keys *k, uint8_t key)
{
    bool opens = k->escape == KEYS_ESCAPE && (key == '[' || key == 'O');
    if (opens || (k->escape == KEYS_SEQUENCE && key < '@')) {
        k->number = opens ? 0 : k->number == 0 ? key : k->number;
        k->escape = KEYS_SEQUENCE;
        return;
    }
    k->escape = KEYS_PLAIN;
    switch (key == '~' ? k->number : key) {
    case 'A': recall(k, k->back + 1); break;
    case 'B': recall(k, k->back > 0 ? k->back - 1 : 0); break;
    case 'C': k->at += k->at < k->len; break;
    case 'D': k->at -= k->at > 0; break;
    case 'H':
    case '1': k->at = 0; break;
    case 'F':
    case '4': k->at = k->len; break;
    case '3': cut(k, k->at, k->at + (k->at < k->len)); break;
    default: break;
    }
}

static void control(struct line_keys *k, uint8_t key)
{
    switch (key) {
    case 'A' - KEY_CTRL: k->at = 0; break;
    case 'B' - KEY_CTRL: k->at -= k->at > 0; break;
    case 'C' - KEY_CTRL: clear(k); break;
    case 'D' - KEY_CTRL: cut(k, k->at, k->at + (k->at < k->len)); break;
    case 'E' - KEY_CTRL: k->at = k->len; break;
    case 'F' - KEY_CTRL: k->at += k->at < k->len; break;
    case 'H' - KEY_CTRL:
    case KEY_DELETE: cut(k, k->at - (k->at > 0), k->at); break;
    case 'K' - KEY_CTRL: cut(k, k->at, k->len); break;
    case 'N' - KEY_CTRL: recall(k, k->back > 0 ? k->back - 1 : 0); break;
    case 'P' - KEY_CTRL: recall(k, k->back + 1); break;
    case 'U' - KEY_CTRL: cut(k, 0, k->at); break;
    case 'W' - KEY_CTRL: cut(k, word_start(k), k->at); break;
    case KEY_ESCAPE: k->escape = KEYS_ESCAPE; break;
    default: break;
    }
}

static void press(struct task *t, struct line_keys *k, uint8_t key)
{
    if (k->escape != KEYS_PLAIN) {
        escape(k, key);
    } else if (key == '\r' || key == '\n') {
        tell(t, KERNEL_LINE, span_of(k->line, k->len));
        if (k->len > 0)
            remember(k);
        clear(k);
    } else if (key < ' ' || key == KEY_DELETE) {
        control(k, key);
    } else {
        insert(k, key);
    }
}

void lines_keys(struct task *t, struct span keys)
{
    if (t == NULL || !t->process->is_shell || t->mm->functions[LINES_READLINE] != 0)
        return;
    if (t->keys == NULL)
        t->keys = calloc(1, sizeof(*t->keys));
    for (size_t i = 0; i < keys.len && t->keys != NULL; i++)
        press(t, t->keys, keys.data[i]);
}

void lines_fini(struct task *t)
{
    for (unsigned i = 0; t->keys != NULL && i < KEYS_HISTORY; i++)
        free(t->keys->history[i]);
    free(t->keys);
    free(t->line);
    t->keys = NULL;
    t->line = NULL;
}

void lines_forget(struct task *t)
{
    lines_fini(t);
    t->line_len = 0;
    memset(t->line_calls, 0, sizeof(t->line_calls));
}

/* ---- bash's own functions ---- */

void lines_find(struct cpu_space *space, uint64_t dynamic, uint64_t bias,
                uint64_t at[LINES_FUNCTIONS])
{
    static const char *const names[LINES_FUNCTIONS] = {"readline", "make_here_document"};
    for (size_t i = 0; i < LINES_FUNCTIONS; i++)
        at[i] = elf_find_symbol(space, dynamic, bias, names[i]);
}

void lines_probe(struct task *t)
{
    for (size_t i = 0; i < LINES_FUNCTIONS; i++)
        if (t->mm->functions[i] != 0)
            t->cpu->ops->probe_add(t->cpu, t->mm->functions[i]);
}

static bool is_probed(const struct task *t, uint64_t at)
{
    for (size_t i = 0; i < LINES_FUNCTIONS; i++)
        if (t->mm->functions[i] == at || t->line_calls[i].back == at)
            return true;
    return false;
}

static void forget_call(struct task *t, struct lines_call *call)
{
    uint64_t back = call->back;
    *call = (struct lines_call){0};
    if (back != 0 && !is_probed(t, back))
        t->cpu->ops->probe_clear(t->cpu, back);
}

/* At its first instruction: the return address lies on the stack. */
static void entered(struct task *t, struct lines_call *call, const struct x86_state *s)
{
    uint64_t back;
    if (cpu_space_read(t->mm->space, s->reg[X86_RSP], &back, sizeof(back)) != 0)
        return;
    forget_call(t, call);
    if (is_probed(t, back) || t->cpu->ops->probe_add(t->cpu, back) == 0)
        *call = (struct lines_call){
            .back = back, .stack = s->reg[X86_RSP] + sizeof(back), .argument = s->reg[X86_RDI]};
}

/* Tells of the text at `addr`. */
static void tell_text(struct task *t, enum kernel_event_type type, uint64_t addr)
{
    char text_z[LINE_MAX_BYTES];
    int64_t len =
        addr != 0 ? cpu_space_read_z(t->mm->space, addr, text_z, sizeof(text_z)) : -EFAULT;
    if (len == -ENAMETOOLONG)
        len = sizeof(text_z);
    if (len >= 0)
        tell(t, type, span_of(text_z, (size_t)len));
}

static void tell_heredoc(struct task *t, uint64_t redirect)
{
    uint64_t word, text;
    if (cpu_space_read(t->mm->space, redirect + REDIRECTEE, &word, sizeof(word)) == 0 &&
        cpu_space_read(t->mm->space, word, &text, sizeof(text)) == 0)
        tell_text(t, KERNEL_HEREDOC, text);
}

void lines_on_probe(struct task *t)
{
    const struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    for (size_t i = 0; i < LINES_FUNCTIONS; i++) {
        struct lines_call call = t->line_calls[i];
        if (call.back == s->rip && call.stack == s->reg[X86_RSP]) {
            forget_call(t, &t->line_calls[i]);
            if (i == LINES_READLINE)
                tell_text(t, KERNEL_LINE, s->reg[X86_RAX]);
            else
                tell_heredoc(t, call.argument);
        }
        if (s->rip == t->mm->functions[i])
            entered(t, &t->line_calls[i], s);
    }
}
