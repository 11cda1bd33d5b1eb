/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/complete.h"

#include "command_line/complete_names.h"
#include "command_line/options_words.h"

#include <string.h>
#include <strings.h>

/* kubectl's (github.com/spf13/cobra, ShellCompDirective). */
enum { DIRECTIVE_FILES = 0, DIRECTIVE_NOTHING_ELSE = 4, DIRECTIVE_FOLDERS = 16 };

/* What is known of the line before the word that is being written. */
struct line {
    int argc;
    char **argv;
    enum command command;
    bool help;         /* its first argument is "help" */
    bool has_argument; /* the command's */
    bool no_flags;
    const struct flag *flag; /* whose value is being written; or NULL */
};

/* A candidate, when it begins with what is typed; `before` stands before it in the word. */
static void offer(struct str *out, const char *word, size_t len, const char *typed,
                  const char *before, const char *what)
{
    if (strlen(typed) > len || strncmp(word, typed, strlen(typed)) != 0)
        return;
    str_puts(out, before);
    str_append(out, word, len);
    if (what)
        str_printf(out, "\t%s", what);
    str_putc(out, '\n');
}

/* ---- values ---- */

static void offer_words(struct str *out, const char *words, char separator, const char *typed,
                        const char *before)
{
    const char end[] = {separator, '\0'};

    while (*words) {
        size_t len = strcspn(words, end);

        offer(out, words, len, typed, before, NULL);
        words += len + (words[len] == separator);
    }
}

/* Of the cluster that the line says. It is not whole yet: what is wrong with it counts as not said. */
static void offer_names(struct str *out, const char *kind, const struct line *line,
                        const char *typed, const char *before)
{
    cleanup_str struct str names = STR_INIT;
    struct options options;
    struct err err;

    (void)options_parse(line->flag ? line->argc - 1 : line->argc, line->argv, &options, &err);
    complete_names(kind, &options, &names);
    offer_words(out, str_get(&names), '\n', typed, before);
}

static int offer_values(struct str *out, const char *values, const struct line *line,
                        const char *typed, const char *before)
{
    if (!values)
        return DIRECTIVE_NOTHING_ELSE;
    if (strcmp(values, "@files") == 0)
        return DIRECTIVE_FILES;
    if (strcmp(values, "@dirs") == 0)
        return DIRECTIVE_FOLDERS;
    if (*values == '@')
        offer_names(out, values, line, typed, before);
    else
        offer_words(out, values, ' ', typed, before);
    return DIRECTIVE_NOTHING_ELSE;
}

/* ---- flags and commands ---- */

/* For "-" and "--..."; what begins with a letter's dash is whole. */
static void offer_flags(struct str *out, enum command command, const char *typed)
{
    const char *name = str_starts(typed, "--") ? typed + 2 : typed + 1;

    if (name == typed + 1 && *name)
        return;
    for (const struct flag *flag = flag_table; flag->name; flag++) {
        const bool fits = command == COMMAND_NONE ? flag->commands == FLAG_OF_ALL
                                                  : (flag->commands & (1u << command)) != 0;

        if (fits && strlen(flag->name) > 1)
            offer(out, flag->name, strlen(flag->name), name, "--", flag->help);
    }
}

static void offer_commands(struct str *out, bool all, const char *typed)
{
    for (int i = COMMAND_NONE + 1; i < COMMANDS; i++)
        offer(out, command_table[i].name, strlen(command_table[i].name), typed, "",
              command_table[i].summary);
    if (!all)
        return;
    offer(out, "help", 4, typed, "", "show the flags and examples of a command");
    offer(out, "version", 7, typed, "", "print the version");
}

/* "--flag=typed" */
static int offer_attached(struct str *out, const struct line *line, const char *word)
{
    cleanup_str struct str before = STR_INIT;
    const char *typed = strchr(word, '=') + 1;
    const struct flag *flag =
        flag_find(word + 2, (size_t)(typed - word) - strlen("--="), line->command);

    if (!flag)
        return DIRECTIVE_NOTHING_ELSE;
    str_append(&before, word, (size_t)(typed - word));
    return offer_values(out, flag->value ? flag->values : "true false", line, typed,
                        str_get(&before));
}

static int offer_argument(struct str *out, const struct line *line, const char *word)
{
    if (line->command == COMMAND_NONE)
        offer_commands(out, !line->help, word);
    else if (!line->has_argument && !line->help)
        return offer_values(out, command_table[line->command].values, line, word, "");
    return DIRECTIVE_NOTHING_ELSE;
}

/* ---- all of it ---- */

static void take_argument(struct line *line, const char *text)
{
    if (line->command != COMMAND_NONE)
        line->has_argument = true;
    else if (strcasecmp(text, "help") == 0)
        line->help = true;
    else
        line->command = command_find(text);
}

/* False when the line is wrong already. */
static bool read_line(struct line *line)
{
    struct words words = WORDS_INIT(line->argc, line->argv);
    struct word word;
    struct err err;
    int rc;

    while ((rc = options_word(&words, &word, &err)) > 0)
        if (!word.flag)
            take_argument(line, word.text);
    line->no_flags = words.no_flags;
    if (rc < 0 && word.flag)
        line->flag = flag_find(word.flag->name, strlen(word.flag->name), line->command);
    return rc == 0 || line->flag;
}

static int answer(struct str *out, struct line *line, const char *word)
{
    if (!read_line(line))
        return DIRECTIVE_NOTHING_ELSE;
    if (line->flag)
        return offer_values(out, line->flag->values, line, word, "");
    if (line->no_flags || *word != '-')
        return offer_argument(out, line, word);
    if (str_starts(word, "--") && strchr(word, '='))
        return offer_attached(out, line, word);
    offer_flags(out, line->command, word);
    return DIRECTIVE_NOTHING_ELSE;
}

void complete(int argc, char **argv, struct str *out)
{
    struct line line = {.argc = argc - 1, .argv = argv};
    int directive = argc > 1 ? answer(out, &line, argv[argc - 1]) : DIRECTIVE_NOTHING_ELSE;

    str_printf(out, ":%d\n", directive);
}
