/* The x87 floating-point unit: opcodes D8 to DF. Operations go to x86_fpu_host_run on an image of
 * the unit; what moves its control, status and environment is done here. */
#include "cpu/x86_fpu.h"

#include "cpu/x86_fpu_host.h"

/* The two tag bits of an image: a register is empty or not, the unit sees the rest itself. */
enum { TAG_EMPTY = 3 };

static void image_from_state(struct x86_fpu_image *image, const struct x86_state *state)
{
    *image = (struct x86_fpu_image){.control = 0xffff0000u | state->fpu_control,
                                    .status = 0xffff0000u | state->fpu_status,
                                    .tag = 0xffff0000u};
    for (unsigned i = 0; i < 8; i++) {
        if (!(state->fpu_tag >> i & 1))
            image->tag |= (uint32_t)TAG_EMPTY << 2 * i;
        memcpy(image->st[i], state->fpu[x86_fpu_slot(state, i)], 10);
    }
}

static void image_to_state(struct x86_state *state, const struct x86_fpu_image *image)
{
    state->fpu_control = (uint16_t)image->control;
    state->fpu_status = (uint16_t)image->status;
    state->fpu_tag = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((image->tag >> 2 * i & 3) != TAG_EMPTY)
            state->fpu_tag |= (uint8_t)(1u << i);
        memcpy(state->fpu[x86_fpu_slot(state, i)], image->st[i], 10);
    }
}

/* insn->imm holds the opcode and the ModRM byte. */
static uint8_t opcode_of(const struct x86_insn *insn)
{
    return (uint8_t)(insn->imm >> 8);
}

static uint8_t modrm_of(const struct x86_insn *insn)
{
    return (uint8_t)insn->imm;
}

/* Where the last operation stood, for the handlers of exceptions. */
static void note_place(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->state.fpu_ip = x86_insn_rip(cpu, insn);
    cpu->state.fpu_opcode = (uint16_t)(insn->imm & 0x7ff);
    if (insn->flags & X86_INSN_MEM)
        cpu->state.fpu_dp = x86_address(cpu, insn);
}

static int operate(struct x86 *cpu, const struct x86_insn *insn)
{
    struct x86_fpu_image image;
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    image_from_state(&image, &cpu->state);
    x86_fpu_host_run(opcode_of(insn), modrm_of(insn), &image, NULL, 0);
    image_to_state(&cpu->state, &image);
    note_place(cpu, insn);
    return 0;
}

/* fcmov: by the flags. */
static int operate_by_flags(struct x86 *cpu, const struct x86_insn *insn)
{
    struct x86_fpu_image image;
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    image_from_state(&image, &cpu->state);
    x86_fpu_host_run(opcode_of(insn), modrm_of(insn), &image, NULL, (uint8_t)x86_flags(cpu));
    image_to_state(&cpu->state, &image);
    note_place(cpu, insn);
    return 0;
}

/* fcomi and its kin. Also an unmasked invalid operation sets the flags. */
static int operate_to_flags(struct x86 *cpu, const struct x86_insn *insn)
{
    struct x86_fpu_image image;
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    image_from_state(&image, &cpu->state);
    uint8_t flags = x86_fpu_host_run(opcode_of(insn), modrm_of(insn), &image, NULL, 0);
    image_to_state(&cpu->state, &image);
    note_place(cpu, insn);
    x86_flags_set_compare(cpu, flags >> 6 & 1, flags >> 2 & 1, flags & 1);
    return 0;
}

enum { OPERAND_MAX = 10 };

static int operate_load(struct x86 *cpu, const struct x86_insn *insn)
{
    struct x86_fpu_image image;
    uint8_t operand[OPERAND_MAX];
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        stop = x86_load(cpu, x86_address(cpu, insn), operand, insn->size);
    if (stop)
        return stop;
    image_from_state(&image, &cpu->state);
    x86_fpu_host_run(opcode_of(insn), modrm_of(insn), &image, operand, 0);
    image_to_state(&cpu->state, &image);
    note_place(cpu, insn);
    return 0;
}

/* An unmasked exception keeps the result from being stored; all but that of precision. */
static bool is_stored(const struct x86_fpu_image *image)
{
    return !(image->status & ~image->control & X86_FPU_EXCEPTIONS & ~X86_FPU_PRECISION);
}

static int operate_store(struct x86 *cpu, const struct x86_insn *insn)
{
    struct x86_fpu_image image;
    uint8_t operand[OPERAND_MAX] = {0};
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    image_from_state(&image, &cpu->state);
    x86_fpu_host_run(opcode_of(insn), modrm_of(insn), &image, operand, 0);
    if (is_stored(&image))
        stop = x86_store(cpu, x86_address(cpu, insn), operand, insn->size);
    else /* the address is checked all the same */
        stop = x86_load_to_modify(cpu, x86_address(cpu, insn), operand, insn->size);
    if (stop)
        return stop;
    image_to_state(&cpu->state, &image);
    note_place(cpu, insn);
    return 0;
}

/* The bytes of a memory operand, by opcode and ModRM.reg; 0: not an operation. */
static const uint8_t operand_bytes[8][8] = {
    {4, 4, 4, 4, 4, 4, 4, 4},   {4, 0, 4, 4, 0, 0, 0, 0},   {4, 4, 4, 4, 4, 4, 4, 4},
    {4, 0, 4, 4, 0, 10, 0, 10}, {8, 8, 8, 8, 8, 8, 8, 8},   {8, 0, 8, 8, 0, 0, 0, 0},
    {2, 2, 2, 2, 2, 2, 2, 2},   {2, 0, 2, 2, 10, 8, 10, 8},
};

/* Bit i: ModRM.reg i stores. */
static const uint8_t stores[8] = {0, 0x0c, 0, 0x8c, 0, 0x0c, 0, 0xcc};

static bool decode_memory(const struct x86_decoder *d, struct x86_insn *insn)
{
    unsigned row = d->opcode & 7, reg = d->modrm >> 3 & 7;
    if (!operand_bytes[row][reg])
        return false;
    insn->size = operand_bytes[row][reg];
    insn->handler = stores[row] >> reg & 1 ? operate_store : operate_load;
    return true;
}

static x86_handler register_handler(uint8_t opcode, uint8_t modrm)
{
    if ((opcode == 0xda || opcode == 0xdb) && modrm < 0xe0)
        return operate_by_flags;
    if ((opcode == 0xdb || opcode == 0xdf) && modrm >= 0xe8)
        return operate_to_flags;
    return operate;
}

static int fwait(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    return x86_fpu_wait(cpu);
}

bool x86_decode_fpu(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->lock)
        return false;
    if (d->opcode == 0x9b) {
        insn->handler = fwait;
        return true;
    }
    insn->imm = (uint64_t)d->opcode << 8 | d->modrm;
    if (x86_decode_fpu_control(d, insn))
        return true;
    if (!x86_fpu_host_has(d->opcode, d->modrm))
        return false;
    if (insn->flags & X86_INSN_MEM)
        return decode_memory(d, insn);
    insn->handler = register_handler(d->opcode, d->modrm);
    return true;
}
