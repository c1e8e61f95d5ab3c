/* The integer instructions that 32-bit code alone has, and 16-bit addresses. */
#include "x86_case.h"

#include <stddef.h>

#define CF 0x001
#define PF 0x004
#define AF 0x010
#define ZF 0x040
#define SF 0x080
#define OF 0x800

const struct x86_form x86_forms_32[] = {
    /* One byte for a register. */
    {"40 +r sizes64", 0},
    {"48 +r sizes64", 0},

    /* All registers. */
    {"60 sizes64 alone", 0},
    {"61 sizes64 alone", 0},

    /* Decimals. */
    {"27", OF},
    {"2f", OF},
    {"37", OF | SF | ZF | PF},
    {"3f", OF | SF | ZF | PF},
    {"d4 ib", OF | AF | CF},
    {"d5 ib", OF | AF | CF},
    {"d6", 0},

    /* Segments. */
    {"06 sizes64 alone", 0},
    {"0e sizes64 alone", 0},
    {"16 sizes64 alone", 0},
    {"1e sizes64 alone", 0},
    {"0f a0 sizes64 alone", 0},
    {"0f a8 sizes64 alone", 0},
    {"07 flat sizes64 alone", 0},
    {"17 refused sizes64 alone", 0},
    {"1f flat sizes64 alone", 0},
    {"0f a1 segment sizes64 alone", 0},
    {"0f a9 segment sizes64 alone", 0},
    {"8c /0 sizes64", 0},
    {"8c /1 sizes64", 0},
    {"8c /2 sizes64", 0},
    {"8c /3 sizes64", 0},
    {"8c /4 sizes64", 0},
    {"8c /5 sizes64", 0},
    {"8e /0 mem flat alone", 0},
    {"8e /1 mem segment alone", 0},
    {"8e /2 mem refused alone", 0},
    {"8e /3 mem flat alone", 0},
    {"8e /4 mem segment alone", 0},
    {"8e /5 mem segment alone", 0},
    {"8e /6 mem segment alone", 0},
    {"c4 /r mem flat sizes64 alone", 0},
    {"c5 /r mem flat sizes64 alone", 0},
    {"0f b2 /r mem refused sizes64 alone", 0},
    {"0f b4 /r mem segment sizes64 alone", 0},
    {"0f b5 /r mem segment sizes64 alone", 0},
    {"63 /r", 0},

    /* Checks. */
    {"62 /r mem bounds sizes64 alone", 0},
    {"ce alone", 0},

    /* The row of immediate operands once more. */
    {"82 /0 ib lock", 0},
    {"82 /1 ib", AF},
    {"82 /2 ib", 0},
    {"82 /3 ib", 0},
    {"82 /4 ib", AF},
    {"82 /5 ib", 0},
    {"82 /6 ib", AF},
    {"82 /7 ib", 0},

    /* 16-bit addresses. */
    {"01 /r sizes64 mem address16 alone", 0},
    {"8a /r mem address16 alone", 0},
    {"8b /r sizes64 mem address16 alone", 0},
    {"88 /r mem address16 alone", 0},
    {"8d /r sizes64 mem address16 alone", 0},
    {"0f af /r sizes64 mem address16 alone", SF | ZF | AF | PF},
    {"ff /6 sizes64 mem address16 alone", 0},
    {"8f /0 sizes64 mem address16 alone", 0},

    /* Not for programs. */
    {"6c alone", 0},
    {"6e alone", 0},
    {"e4 ib alone", 0},
    {"e6 ib alone", 0},
    {"ec alone", 0},
    {"ee alone", 0},
    {"fa alone", 0},
    {"fb alone", 0},
    {NULL, 0},
};
