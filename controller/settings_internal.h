/* SPDX-License-Identifier: Apache-2.0 */
/* Within settings*.c: the table of settings, and what a value may be. */
#pragma once

#include "settings.h"

#include <stddef.h>

enum setting_type { TEXT, NUMBER, DURATION, LIST, MAP, USER, MODE, TRUST };

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;         /* in struct settings */
    const char *otherwise; /* YAML; NULL: none */
    const char *help;
};

enum { SETTINGS = 37 };
extern const struct setting setting_table[SETTINGS];

/* NULL when there is none of that name. */
const struct setting *setting_find(const char *name, size_t len);

/* As settings_from; on failure `*which` is the name of the setting that is wrong, and `err` says
 * what of it. */
int settings_read(const struct json *values, struct settings *settings, const char **which,
                  struct err *err);

/* What the value of this setting must be, when it is not: as in "must be ..."; NULL when it may be
 * as it is. Its type has been looked at. */
const char *settings_rule(const char *name, const struct json *value);
/* What concerns more than one; errors as those of settings_read. */
int settings_agree(const struct settings *settings, const char **which, struct err *err);
