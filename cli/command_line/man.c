/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page, in the macros of man(7), from the tables of flags.h. */
#include "command_line/flags.h"
#include "commands.h"
#include "exit_code.h"

#include "base/str.h"
#include "base/version.h"

#include <stdio.h>
#include <string.h>

/* ---- troff ---- */

/* Text as it is: a '-' is what can be copied, not a hyphen. */
static void add_text(struct str *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        str_puts(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            str_puts(out, "\\e");
        else if (*text == '-')
            str_puts(out, "\\-");
        else if (*text == '~')
            str_puts(out, "\\(ti");
        else if (*text == '^')
            str_puts(out, "\\(ha");
        else if (*text == '\'')
            str_puts(out, "\\(aq");
        else if (*text == '`')
            str_puts(out, "\\(ga");
        else
            str_putc(out, *text);
    }
}

static void add_line(struct str *out, const char *before, const char *text, const char *after)
{
    str_puts(out, before);
    add_text(out, text);
    str_puts(out, after);
}

static void add_paragraph(struct str *out, const char *text)
{
    add_line(out, ".PP\n", text, "\n");
}

/* ---- commands and flags ---- */

static void add_examples(struct str *out, const struct command_info *command)
{
    str_printf(out, ".SS %s\n", command->name);
    for (size_t i = 0; i < COMMAND_EXAMPLES_MAX && command->examples[i].line; i++) {
        add_line(out, ".TP\n", command->examples[i].what, "\n");
        add_line(out, ".nf\nvmexport ", command->examples[i].line, "\n.fi\n");
    }
}

static void add_flag(struct str *out, const struct flag *flag)
{
    str_puts(out, ".TP\n");
    if (flag->letter)
        str_printf(out, "\\fB\\-%c\\fR", flag->letter);
    if (strlen(flag->name) > 1)
        add_line(out, flag->letter ? ", \\fB\\-\\-" : "\\fB\\-\\-", flag->name, "\\fR");
    if (flag->value)
        add_line(out, " \\fI", flag->value, "\\fR");
    add_line(out, "\n", flag->help, "\n");
}

static void add_command(struct str *out, enum command command)
{
    const struct command_info *info = &command_table[command];

    str_printf(out, ".SS \"%s %s\"\n", info->name, info->argument ? info->argument : "");
    add_text(out, info->summary);
    str_puts(out, ".\n");
    add_paragraph(out, info->text);
    for (const struct flag *flag = flag_table; flag->name; flag++)
        if (flag->commands & (1u << command) && !flag_is_common(flag))
            add_flag(out, flag);
}

static void add_head(struct str *out)
{
    str_printf(out,
               ".TH VMEXPORT 1 \"\" \"vmexport %s\" \"User Commands\"\n"
               ".SH NAME\nvmexport \\- export disks of virtual machines on Kubernetes, and "
               "download them\n.SH SYNOPSIS\n",
               VMEXPORT_VERSION);
    for (int i = COMMAND_NONE + 1; i < COMMANDS; i++) {
        str_printf(out, "%s\\fBvmexport %s\\fR", i == COMMAND_NONE + 1 ? "" : ".br\n",
                   command_table[i].name);
        if (command_table[i].argument)
            str_printf(out, " \\fI%s\\fR", command_table[i].argument);
        str_puts(out, " [\\fIFLAGS\\fR]\n");
    }
    str_puts(out, ".SH DESCRIPTION\n");
    add_text(out, "Makes VirtualMachineExports, waits until they are ready, and downloads disks "
                  "and manifests from them, verified and without ever leaving a part under the "
                  "name of the whole. Works with the exports of vmexport and of KubeVirt itself; "
                  "commands and flags are those of `virtctl vmexport`, and more.");
    str_puts(out, "\n");
    add_paragraph(out, "Started as `kubectl-vmexport` it is a plugin: `kubectl vmexport`. Standard "
                       "output carries data only; what there is to say goes to standard error.");
}

/* ---- the rest ---- */

struct term {
    const char *name, *text;
};

static const struct {
    enum exit_code code;
    const char *text;
} exits[] = {
    {EXIT_CODE_OK, "all of it was done"},
    {EXIT_CODE_FAILED, "this machine's disk, the API server, or anything else, failed"},
    {EXIT_CODE_USAGE, "the command line or the kubeconfig makes no sense"},
    {EXIT_CODE_NOT_FOUND, "the export, its source, a volume or a format is not there"},
    {EXIT_CODE_NOT_READY, "the export is not ready, or there is no way in"},
    {EXIT_CODE_DENIED, "the API server or the export's server denied it"},
    {EXIT_CODE_TRANSFER, "connections broke too often; what came is kept for the next run"},
    {EXIT_CODE_INTEGRITY, "what came is not what is there; nothing was kept"},
    {EXIT_CODE_INTERRUPTED, "interrupted by SIGINT (128 and the signal's number for others); what "
                            "came is kept for the next run"},
};

static const struct term environment[] = {
    {"KUBECONFIG", "the kubeconfig files, with colons between them; ~/.kube/config otherwise"},
    {"HTTPS_PROXY, ALL_PROXY, NO_PROXY",
     "proxies to the API server and to the export, and the hosts without one; also in lower case"},
    {"TERM", "dumb: no progress line is drawn, as without a terminal"},
};

static const struct term files[] = {
    {"~/.kube/config", "the kubeconfig, unless --kubeconfig or KUBECONFIG names another"},
    {"FILE.part", "what has come so far of a download to FILE"},
    {"FILE.part.json", "what it is a part of; the next run goes on by it"},
};

static void add_terms(struct str *out, const struct term *terms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add_line(out, ".TP\n.B ", terms[i].name, "\n");
        add_line(out, "", terms[i].text, "\n");
    }
}

static void add_exits(struct str *out)
{
    str_puts(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        str_printf(out, ".TP\n.B %d\n", exits[i].code);
        add_line(out, "", exits[i].text, "\n");
    }
}

static void add_page(struct str *out)
{
    add_head(out);
    str_puts(out, ".SH COMMANDS\n");
    for (int i = COMMAND_NONE + 1; i < COMMANDS; i++)
        add_command(out, (enum command)i);
    str_puts(out, ".SH COMMON FLAGS\n");
    for (const struct flag *flag = flag_table; flag->name; flag++)
        if (flag_is_common(flag))
            add_flag(out, flag);
    add_exits(out);
    str_puts(out, ".SH ENVIRONMENT\n");
    add_terms(out, environment, sizeof(environment) / sizeof(environment[0]));
    str_puts(out, ".SH FILES\n");
    add_terms(out, files, sizeof(files) / sizeof(files[0]));
    str_puts(out, ".SH EXAMPLES\n");
    for (int i = COMMAND_NONE + 1; i < COMMANDS; i++)
        add_examples(out, &command_table[i]);
    str_puts(out, ".SH SEE ALSO\n.BR kubectl (1)\n");
}

int command_man(const struct options *options, struct err *err)
{
    cleanup_str struct str page = STR_INIT;

    (void)options;
    (void)err;
    add_page(&page);
    fputs(str_get(&page), stdout);
    return 0;
}
