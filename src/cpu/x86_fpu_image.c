/* The images of the x87 state in memory, and its state after reset. */
#include "cpu/x86_fpu.h"

/* Where things stand in the image of fxsave (SDM volume 1, section 10.5.1). */
enum {
    FXSAVE_CONTROL = 0,
    FXSAVE_STATUS = 2,
    FXSAVE_TAG = 4,
    FXSAVE_OPCODE = 6,
    FXSAVE_IP = 8,
    FXSAVE_DP = 16,
    FXSAVE_MXCSR = 24,
    FXSAVE_MXCSR_MASK = 28,
    FXSAVE_ST = 32,
    FXSAVE_XMM = 160,
};

void x86_fpu_reset(struct x86_state *state)
{
    memset(state->fpu, 0, sizeof(state->fpu));
    state->fpu_control = X86_FPU_CONTROL_RESET;
    state->fpu_status = 0;
    state->fpu_tag = 0;
    state->fpu_opcode = 0;
    state->fpu_ip = 0;
    state->fpu_dp = 0;
    state->mxcsr = X86_MXCSR_RESET;
}

void x86_fpu_set_control(struct x86_state *state, uint16_t control)
{
    state->fpu_control = (control & 0x1f3fu) | 0x40; /* bit 6 is always set */
    state->fpu_status &= (uint16_t)~X86_FPU_SUMMARY;
    if (state->fpu_status & ~control & X86_FPU_EXCEPTIONS)
        state->fpu_status |= X86_FPU_SUMMARY;
}

void x86_fxsave_image(const struct x86_state *state, uint8_t out[X86_FXSAVE_BYTES])
{
    static const uint32_t mxcsr_mask = X86_MXCSR_VALID;
    memset(out, 0, X86_FXSAVE_BYTES);
    memcpy(out + FXSAVE_CONTROL, &state->fpu_control, 2);
    memcpy(out + FXSAVE_STATUS, &state->fpu_status, 2);
    out[FXSAVE_TAG] = state->fpu_tag;
    memcpy(out + FXSAVE_OPCODE, &state->fpu_opcode, 2);
    memcpy(out + FXSAVE_IP, &state->fpu_ip, 8);
    memcpy(out + FXSAVE_DP, &state->fpu_dp, 8);
    memcpy(out + FXSAVE_MXCSR, &state->mxcsr, 4);
    memcpy(out + FXSAVE_MXCSR_MASK, &mxcsr_mask, 4);
    for (unsigned i = 0; i < 8; i++)
        memcpy(out + FXSAVE_ST + (size_t)16 * i, state->fpu[x86_fpu_slot(state, i)], 10);
    memcpy(out + FXSAVE_XMM, state->xmm, sizeof(state->xmm));
}

bool x86_fxrstor_image(struct x86_state *state, const uint8_t in[X86_FXSAVE_BYTES])
{
    uint32_t mxcsr;
    memcpy(&mxcsr, in + FXSAVE_MXCSR, 4);
    if (mxcsr & ~X86_MXCSR_VALID)
        return false;
    state->mxcsr = mxcsr;
    memcpy(&state->fpu_control, in + FXSAVE_CONTROL, 2);
    memcpy(&state->fpu_status, in + FXSAVE_STATUS, 2);
    state->fpu_tag = in[FXSAVE_TAG];
    memcpy(&state->fpu_opcode, in + FXSAVE_OPCODE, 2);
    memcpy(&state->fpu_ip, in + FXSAVE_IP, 8);
    memcpy(&state->fpu_dp, in + FXSAVE_DP, 8);
    for (unsigned i = 0; i < 8; i++)
        memcpy(state->fpu[x86_fpu_slot(state, i)], in + FXSAVE_ST + (size_t)16 * i, 10);
    memcpy(state->xmm, in + FXSAVE_XMM, sizeof(state->xmm));
    x86_fpu_set_control(state, state->fpu_control);
    return true;
}
