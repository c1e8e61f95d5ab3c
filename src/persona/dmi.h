/* The tables that a machine's firmware leaves in memory, as QEMU and SeaBIOS make them for a guest (SMBIOS 2.8,
 * DMTF DSP0134): what dmidecode reads in /sys/firmware/dmi/tables. */
#ifndef PERSONA_DMI_H
#define PERSONA_DMI_H

#include "base/buffer.h"
#include "persona/identity.h"

enum { PERSONA_DMI_MAX = 4096, PERSONA_DMI_ENTRY = 31 };

/* Appends the structures. 0, ERR_FULL or ERR_NOMEM. */
int persona_dmi_tables(const struct persona_identity *identity, struct buffer *out);

/* The entry point that leads to them. */
void persona_dmi_entry(struct span tables, uint8_t out[PERSONA_DMI_ENTRY]);

#endif
