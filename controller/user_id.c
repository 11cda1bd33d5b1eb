/* SPDX-License-Identifier: Apache-2.0 */
#include "user_id.h"

#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 10 };

/* Reads up to `stop`, which may be the end, and gives what follows it; NULL when it is no id. */
static const char *read_id(const char *text, char stop, int *id)
{
    size_t len = strspn(text, "0123456789");
    unsigned long long value;

    if (!len || len > DIGITS_MAX || text[len] != stop)
        return NULL;
    value = strtoull(text, NULL, 10);
    if (value < 1 || value > USER_ID_MAX)
        return NULL;
    *id = (int)value;
    return text + len + (stop != '\0');
}

bool user_id_read(const char *text, int *id)
{
    return text && read_id(text, '\0', id);
}

bool user_ids_read(const char *text, int *user, int *group)
{
    const char *rest = text ? read_id(text, ':', user) : NULL;

    return rest && user_id_read(rest, group);
}
