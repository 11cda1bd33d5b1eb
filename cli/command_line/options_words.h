/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a command line, as kubectl's is read (github.com/spf13/pflag): --flag=value, --flag value,
 * -nvalue, -n value, -n=value, switches with or without =true or =false, several letters behind one dash,
 * flags and arguments in any order, and "--", after which all are arguments. Names are never abbreviated.
 */
#pragma once

#include "command_line/flags.h"

struct words {
    char **argv;
    int argc, next;
    char *letters; /* that are left behind one dash; or NULL */
    bool no_flags; /* "--" came */
};

#define WORDS_INIT(argc, argv) \
    { \
        argv, argc, 1, NULL, false \
    }

struct word {
    const struct flag *flag; /* as any command has it; NULL: an argument */
    char *text;              /* the flag's value, or the argument */
};

/* The next one: 1, or 0 at the end, or -1, ERR_INPUT: then `out->flag` is the flag whose value is
 * missing; NULL: there is no such flag. */
int options_word(struct words *words, struct word *out, struct err *err);
