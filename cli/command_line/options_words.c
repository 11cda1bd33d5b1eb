/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/options_words.h"

#include <string.h>

static char word_true[] = "true";

/* The value of a flag that has none attached. */
static int take_value(struct words *words, const struct flag *flag, struct word *out,
                      struct err *err)
{
    out->flag = flag;
    out->text = word_true;
    if (!flag->value)
        return 1;
    if (words->next == words->argc)
        return err_set(err, ERR_INPUT, "flag needs an argument: --%s %s", flag->name, flag->value);
    out->text = words->argv[words->next++];
    return 1;
}

static int take_letter(struct words *words, struct word *out, struct err *err)
{
    char *letters = words->letters;
    const struct flag *flag = flag_of_letter(*letters, COMMAND_NONE);

    if (!flag)
        return err_set(err, ERR_INPUT, "unknown shorthand flag: '%c' in -%s", *letters, letters);
    words->letters = NULL;
    if (letters[1] == '=') {
        *out = (struct word){flag, letters + 2};
        return 1;
    }
    if (letters[1] && flag->value) {
        *out = (struct word){flag, letters + 1};
        return 1;
    }
    if (letters[1])
        words->letters = letters + 1;
    return take_value(words, flag, out, err);
}

static int take_name(struct words *words, char *name, struct word *out, struct err *err)
{
    char *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    const struct flag *flag = flag_find(name, len, COMMAND_NONE);

    if (!flag)
        return err_set(err, ERR_INPUT, "unknown flag: --%.*s", (int)len, name);
    if (!value)
        return take_value(words, flag, out, err);
    *out = (struct word){flag, value + 1};
    return 1;
}

int options_word(struct words *words, struct word *out, struct err *err)
{
    char *text;

    out->flag = NULL;
    if (words->letters)
        return take_letter(words, out, err);
    if (words->next == words->argc)
        return 0;
    text = words->argv[words->next++];
    if (words->no_flags || text[0] != '-' || !text[1]) {
        *out = (struct word){NULL, text};
        return 1;
    }
    if (text[1] != '-') {
        words->letters = text + 1;
        return take_letter(words, out, err);
    }
    if (text[2])
        return take_name(words, text + 2, out, err);
    words->no_flags = true;
    return options_word(words, out, err);
}
