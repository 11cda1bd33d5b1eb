/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/help.h"

#include <string.h>

enum { WIDTH = 100, TEXT_COLUMN = 34, COMMAND_COLUMN = 22 };

const char *help_program(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    const char *base = slash ? slash + 1 : argv0;

    return base && strcmp(base, "kubectl-vmexport") == 0 ? "kubectl vmexport" : "vmexport";
}

/* Appends words from the column where the line is, and from `indent` on the lines after. */
static void wrap(struct str *out, size_t column, size_t indent, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, " ");

        if (column + len > WIDTH && column > indent) {
            out->data[--out->len] = '\0'; /* the blank before the word */
            str_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        str_append(out, text, len);
        str_puts(out, text[len] ? " " : "");
        column += len + 1;
        text += len + (text[len] == ' ');
    }
    str_putc(out, '\n');
}

/* A term that begins at `start` in `out`, and what it means, beside it or below. */
static void explain(struct str *out, size_t start, size_t column, const char *text)
{
    size_t len = out->len - start;

    if (len + 2 > column) {
        str_putc(out, '\n');
        len = 0;
    }
    str_printf(out, "%*s", (int)(column - len), "");
    wrap(out, column, column, text);
}

static void add_flag(const struct flag *flag, struct str *out)
{
    size_t start = out->len;

    if (strlen(flag->name) == 1)
        str_printf(out, "  -%s", flag->name);
    else if (flag->letter)
        str_printf(out, "  -%c, --%s", flag->letter, flag->name);
    else
        str_printf(out, "      --%s", flag->name);
    if (flag->value)
        str_printf(out, " %s", flag->value);
    explain(out, start, TEXT_COLUMN, flag->help);
}

static void add_flags(const char *title, enum command command, bool common, struct str *out)
{
    bool any = false;

    for (const struct flag *flag = flag_table; flag->name; flag++) {
        if (!(flag->commands & (1u << command)) || flag_is_common(flag) != common)
            continue;
        if (!any)
            str_printf(out, "\n%s:\n", title);
        any = true;
        add_flag(flag, out);
    }
}

static void add_examples(const char *program, const struct command_info *command, struct str *out)
{
    str_puts(out, "\nExamples:\n");
    for (size_t i = 0; i < COMMAND_EXAMPLES_MAX && command->examples[i].line; i++)
        str_printf(out, "  # %s\n  %s %s\n", command->examples[i].what, program,
                   command->examples[i].line);
}

void help_command(const char *program, enum command command, struct str *out)
{
    const struct command_info *info = &command_table[command];

    if (command == COMMAND_NONE) {
        help_overview(program, out);
        return;
    }
    str_printf(out, "%s %s: %s\n\nUsage:\n  %s %s %s%s[FLAGS]\n\n", program, info->name,
               info->summary, program, info->name, info->argument ? info->argument : "",
               info->argument ? " " : "");
    wrap(out, 0, 0, info->text);
    add_examples(program, info, out);
    add_flags("Flags", command, false, out);
    add_flags("Common flags", command, true, out);
}

static void add_command(const char *name, const char *argument, const char *summary,
                        struct str *out)
{
    size_t start = out->len;

    str_printf(out, "  %s%s%s", name, argument ? " " : "", argument ? argument : "");
    explain(out, start, COMMAND_COLUMN, summary);
}

void help_overview(const char *program, struct str *out)
{
    str_printf(out,
               "%s: export disks of virtual machines on Kubernetes, and download them\n\n"
               "Usage:\n  %s COMMAND [NAME] [FLAGS]\n\nCommands:\n",
               program, program);
    for (int i = COMMAND_NONE + 1; i < COMMANDS; i++)
        add_command(command_table[i].name, command_table[i].argument, command_table[i].summary,
                    out);
    add_command("help", "[COMMAND]", "show the flags and examples of a command", out);
    add_command("version", NULL, "print the version", out);
    add_examples(program, &command_table[COMMAND_DOWNLOAD], out);
    str_printf(out, "\n'%s COMMAND --help' shows the flags and examples of a command.\n", program);
}
