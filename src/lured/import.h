/* Cowrie's files as ours: what of their text is taken over, and a line for each thing that is, or why it
 * is not. Opens no file. What comes out is always accepted by those who read it: config_read,
 * session_policy_new, session_bait_new. */
#ifndef LURED_IMPORT_H
#define LURED_IMPORT_H

#include "lured/config.h"

#include <sys/types.h>

/* A longer file is not Cowrie's. */
#define IMPORT_FILE_MAX ((size_t)16 << 20)

struct import {
    FILE *report;                   /* borrowed */
    struct config config;           /* the caller's, with its defaults */
    struct buffer passwords, files; /* lists: session/policy.h, session/bait.h */
    unsigned taken, left, rules, items;
};

/* The lists; `config` is as it is. */
void import_init(struct import *m, FILE *report);
void import_fini(struct import *m);

void import_take(struct import *m, const char *what_z, const char *as_z);
void import_leave(struct import *m, const char *what_z, const char *why_z);

/* cowrie.cfg, in configparser's form: sections, key = value. */
void import_config(struct import *m, struct span text);

/* userdb.txt: USER:x:PASSWORD; `*` alone is any, a leading `!` refuses, /.../ is a pattern. 0 or
 * ERR_NOMEM. */
int import_userdb(struct import *m, struct span text);

/* A file of honeyfs: its path in the machine, its mode, and where its contents stand. 0 or ERR_NOMEM. */
int import_file(struct import *m, const char *inside_z, mode_t mode, const char *source_z);

#endif
