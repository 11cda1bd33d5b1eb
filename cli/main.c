/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/complete.h"
#include "command_line/help.h"
#include "commands.h"
#include "exit_code.h"
#include "interrupt.h"
#include "say.h"

#include "base/log.h"
#include "base/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNAL_EXIT = 128 }; /* and the signal's number, as a shell says it */

typedef int command_fn(const struct options *options, struct err *err);

static command_fn *const commands[COMMANDS] = {
    [COMMAND_CREATE] = command_create,         [COMMAND_DELETE] = command_delete,
    [COMMAND_DOWNLOAD] = command_download,     [COMMAND_LIST] = command_list,
    [COMMAND_STATUS] = command_status,         [COMMAND_SERVE] = command_serve,
    [COMMAND_COMPLETION] = command_completion, [COMMAND_MAN] = command_man,
};

/* A descriptor 0, 1 or 2 that is closed would become that of the next file: messages would then be
 * written into a disk. Standard output that was closed cannot be written to still: what nobody gets is
 * an error (EBADF). Each gets its own number, the lowest that is free (open(2)). */
static void fill_standard_descriptors(void)
{
    static const int flags[] = {
        [STDIN_FILENO] = O_RDONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) < 0)
            return;
}

/* What was printed has to be somewhere, too. */
static int flush(struct err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return err_errno(err, ERR_IO, errno, "cannot write to standard output");
}

static int run(const char *program, const struct options *options, struct err *err)
{
    cleanup_str struct str help = STR_INIT;

    if (options->help)
        help_command(program, options->command, &help);
    else if (options->version)
        str_puts(&help, "vmexport " VMEXPORT_VERSION "\n");
    else if (commands[options->command](options, err) < 0)
        return -1;
    fputs(str_get(&help), stdout);
    return flush(err);
}

static int refuse(const char *program, int argc, const struct options *options,
                  const struct err *err)
{
    cleanup_str struct str help = STR_INIT;
    const char *command = command_table[options->command].name;

    if (argc < 2) {
        help_overview(program, &help);
        fputs(str_get(&help), stderr);
        return EXIT_CODE_USAGE;
    }
    say_error("%s", err->msg);
    say("see '%s%s%s --help'", program, command ? " " : "", command ? command : "");
    return EXIT_CODE_USAGE;
}

/* `vmexport __complete WORD...`, and what kubectl looks for: `kubectl_complete-vmexport WORD...` */
static bool is_completion(int argc, char **argv, int *ret_skip)
{
    static const char plugin[] = "kubectl_complete-vmexport";

    *ret_skip = argc > 1 && strcmp(argv[1], "__complete") == 0;
    return *ret_skip || (argc > 0 && str_ends(argv[0], plugin));
}

static int answer_completion(int argc, char **argv)
{
    cleanup_str struct str answer = STR_INIT;

    complete(argc, argv, &answer);
    fputs(str_get(&answer), stdout);
    return EXIT_CODE_OK;
}

int main(int argc, char **argv)
{
    const char *program = help_program(argv[0]);
    struct options options;
    struct err err;
    int skip;

    fill_standard_descriptors();
    interrupt_open();
    setenv("VMEXPORT_LOG", "text", 0);
    log_open("vmexport");
    say_open(false);
    if (is_completion(argc, argv, &skip))
        return answer_completion(argc - skip, argv + skip);
    if (options_parse(argc, argv, &options, &err) < 0)
        return refuse(program, argc, &options, &err);
    say_open(options.quiet);
    if (run(program, &options, &err) == 0)
        return EXIT_CODE_OK;
    say_status("");
    say_error("%s", err.msg);
    return interrupt_came() ? SIGNAL_EXIT + interrupt_signal() : (int)exit_code_of(&err);
}
