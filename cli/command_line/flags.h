/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of commands and flags: what the parser takes, what --help, the man page and completion
 * show. Whoever adds one adds a row to flags.c, and nothing else.
 */
#pragma once

#include "command_line/options.h"

struct flag;

/* Reads a value into `options`; of a switch "true" or "false". */
typedef int flag_read_fn(const struct flag *flag, char *value, struct options *options,
                         struct err *err);

struct flag {
    const char *name;  /* without the two dashes */
    char letter;       /* 0: none */
    const char *value; /* what stands for its value in --help; NULL: a switch */
    flag_read_fn *read;
    size_t offset;     /* in struct options */
    unsigned commands; /* bits of FLAG_OF; of a name that two rows have, one at most fits */
    unsigned ignored;  /* virtctl takes it with these without effect: taken, with a warning */
    /* What it may be: words; or, for completion only, "@" and where they are found: "@files", "@dirs",
     * or one of complete_names.h; NULL: anything. */
    const char *values;
    const char *help;
};

#define FLAG_OF(command) (1u << COMMAND_##command)

#define COMMANDS (COMMAND_MAN + 1)

enum {
    FLAG_OF_CLUSTER =
        FLAG_OF(CREATE) | FLAG_OF(DELETE) | FLAG_OF(DOWNLOAD) | FLAG_OF(LIST) | FLAG_OF(STATUS),
    FLAG_OF_ALL = (1u << COMMANDS) - 1,
};

/* Ended by one without a name. */
extern const struct flag flag_table[];

/* The flag as `command` has it; with COMMAND_NONE as any has it, which is enough to know whether it
 * takes a value. NULL: there is none. */
const struct flag *flag_find(const char *name, size_t len, enum command command);
const struct flag *flag_of_letter(char letter, enum command command);
/* Whether all commands that ask the cluster have it: shown apart from a command's own. */
bool flag_is_common(const struct flag *flag);

enum { COMMAND_EXAMPLES_MAX = 6 };

struct command_info {
    const char *name;
    const char *argument; /* what stands for its one argument; NULL: it takes none */
    const char *values;   /* of the argument, as those of a flag */
    const char *summary;
    const char *text; /* one paragraph more */
    struct {
        const char *what, *line; /* without the program's name */
    } examples[COMMAND_EXAMPLES_MAX];
};

/* By enum command; the first has no name. */
extern const struct command_info command_table[COMMANDS];

/* In any case; COMMAND_NONE: there is none. */
enum command command_find(const char *name);

/* The readers of values (flags_read.c): the ones that several flags use, and the others. */
flag_read_fn flag_read_switch, flag_read_text, flag_read_nothing;
/* One of `values`: as its text; as a switch that is on for all but the first. */
flag_read_fn flag_read_word, flag_read_choice;
/* key=value,... and, for those that may have commas of their own, one text each time. */
flag_read_fn flag_read_pairs, flag_read_texts;
/* The name of an object: a DNS subdomain (RFC 1123). */
flag_read_fn flag_read_name;
flag_read_fn flag_read_format, flag_read_ttl, flag_read_readiness, flag_read_request_timeout;
flag_read_fn flag_read_port, flag_read_retry, flag_read_connections, flag_read_listen;

/* Whether `text` can be an object's name:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names */
bool flag_is_name(const char *text);
/* Whether this value says as much as leaving the flag away. */
bool flag_is_unset(const struct flag *flag, const char *value);
