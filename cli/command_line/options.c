/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line is gone through twice: for the command first, as it may come after its flags and
 * decides what they are, and then for the flags.
 */
#include "command_line/options_rules.h"
#include "command_line/options_words.h"
#include "say.h"

#include <string.h>
#include <strings.h>

enum { RETRY_OTHERWISE = 10, READINESS_OTHERWISE_MS = 120000 };

/* ---- the command and its argument ---- */

/* --help and --version count wherever they stand. */
static void take_early(const struct word *word, struct options *options)
{
    if (strcmp(word->flag->name, "help") == 0)
        options->help = strcmp(word->text, "false") != 0;
    if (strcmp(word->flag->name, "version") == 0)
        options->version = strcmp(word->text, "false") != 0;
}

static int take_command(const char *text, struct options *options, struct err *err)
{
    if (!options->help && strcasecmp(text, "help") == 0) {
        options->help = true;
        return 0;
    }
    if (strcasecmp(text, "version") == 0) {
        options->version = true;
        return 0;
    }
    options->command = command_find(text);
    if (options->command == COMMAND_NONE)
        return err_set(err, ERR_INPUT,
                       "invalid function '%s': it is one of create, delete, download, list, "
                       "status, serve, completion and man",
                       text);
    return 0;
}

static int take_argument(const char *text, struct options *options, struct err *err)
{
    const struct command_info *command = &command_table[options->command];

    if (options->command == COMMAND_NONE && !options->version)
        return take_command(text, options, err);
    if (!command->argument || options->name)
        return err_set(err, ERR_INPUT, "'%s' takes %s%s: '%s' is too much",
                       command->name ? command->name : "version",
                       command->argument ? "one " : "no argument",
                       command->argument ? command->argument : "", text);
    options->name = text;
    return 0;
}

/* Who asks for help gets it, whatever else is wrong with the arguments. */
static int find_command(int argc, char **argv, struct options *options, struct err *err)
{
    struct words words = WORDS_INIT(argc, argv);
    struct word word;
    bool wrong = false;
    int rc = options_word(&words, &word, err);

    for (; rc > 0; rc = options_word(&words, &word, err)) {
        if (word.flag)
            take_early(&word, options);
        else if (!wrong)
            wrong = take_argument(word.text, options, err) < 0;
    }
    if (rc < 0)
        return -1;
    return wrong && !(options->help && options->command != COMMAND_NONE) ? -1 : 0;
}

/* ---- the flags ---- */

/* The flag as the command has it is read. One that it has not is `*misfit`, the first of them. */
static int take_flag(const struct word *word, struct options *options, const struct flag **misfit,
                     struct err *err)
{
    const char *name = word->flag->name;
    const struct flag *flag = flag_find(name, strlen(name), options->command);
    bool unset = flag_is_unset(word->flag, word->text);

    if (!flag) {
        if (!unset && !*misfit)
            *misfit = word->flag;
        return 0;
    }
    if (flag->ignored & (1u << options->command)) {
        if (!unset)
            say_warning("the '--%s' flag has no effect on '%s'", flag->name,
                        command_table[options->command].name);
        return 0;
    }
    return flag->read(flag, word->text, options, err);
}

static int read_flags(int argc, char **argv, struct options *options, const struct flag **misfit,
                      struct err *err)
{
    struct words words = WORDS_INIT(argc, argv);
    struct word word;
    int rc = options_word(&words, &word, err);

    for (; rc > 0; rc = options_word(&words, &word, err))
        if (word.flag && take_flag(&word, options, misfit, err) < 0)
            return -1;
    return rc;
}

int options_parse(int argc, char **argv, struct options *options, struct err *err)
{
    const struct flag *misfit = NULL;

    *options = (struct options){
        .retry = RETRY_OTHERWISE,
        .readiness_timeout_ms = READINESS_OTHERWISE_MS,
        .connections = 1,
        .listen = "127.0.0.1:8443",
    };
    if (find_command(argc, argv, options, err) < 0)
        return -1;
    if (options->help || options->version)
        return 0;
    if (options->command == COMMAND_NONE)
        return err_set(err, ERR_INPUT, "a command is missing");
    if (read_flags(argc, argv, options, &misfit, err) < 0)
        return -1;
    return options_check(options, misfit, err);
}
