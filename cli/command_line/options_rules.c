/* SPDX-License-Identifier: Apache-2.0 */
/* The rules, and the order in which they are looked at, are those of `virtctl vmexport`, whose wording
 * the messages begin with. */
#include "command_line/options_rules.h"
#include "say.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SOURCES = 4 };

static const struct {
    const char *flag, *group, *kind;
    size_t offset;
} sources[SOURCES] = {
    {"--vm", "kubevirt.io", "VirtualMachine", offsetof(struct options, vm)},
    {"--snapshot", "snapshot.kubevirt.io", "VirtualMachineSnapshot",
     offsetof(struct options, snapshot)},
    {"--pvc", "", "PersistentVolumeClaim", offsetof(struct options, pvc)},
    {"--vmtemplate", "template.kubevirt.io", "VirtualMachineTemplate",
     offsetof(struct options, vmtemplate)},
};

static const char *source_name(const struct options *options, size_t i)
{
    return *(const char *const *)(const void *)((const char *)options + sources[i].offset);
}

const struct option_source *options_source(const struct options *options, struct option_source *out)
{
    for (size_t i = 0; i < SOURCES; i++) {
        const char *name = source_name(options, i);

        if (!name)
            continue;
        *out = (struct option_source){sources[i].flag, sources[i].group, sources[i].kind, name};
        return out;
    }
    return NULL;
}

static bool has_source(const struct options *options)
{
    struct option_source source;

    return options_source(options, &source) != NULL;
}

/* ---- what every command is checked for ---- */

static int exclude(const char *group, const char *first, const char *second, struct err *err)
{
    return err_set(err, ERR_INPUT,
                   "if any flags in the group [%s] are set none of the others can be; [%s %s] were "
                   "all set",
                   group, first, second);
}

static int check_groups(const struct options *options, struct err *err)
{
    const char *set[SOURCES];
    size_t count = 0;

    for (size_t i = 0; i < SOURCES; i++)
        if (source_name(options, i))
            set[count++] = sources[i].flag + 2;
    if (count > 1)
        return exclude("vm snapshot pvc vmtemplate", set[0], set[1], err);
    if (options->keep_vme && options->delete_vme)
        return exclude("keep-vme delete-vme", "delete-vme", "keep-vme", err);
    return 0;
}

static int check_argument(const struct options *options, struct err *err)
{
    const struct command_info *command = &command_table[options->command];

    if (command->argument && !options->name)
        return err_set(err, ERR_INPUT, "'%s' needs a %s", command->name, command->argument);
    if (command->argument && strcmp(command->argument, "NAME") == 0 && !flag_is_name(options->name))
        return err_set(err, ERR_INPUT,
                       "'%s' cannot be an export's name, which has a-z, 0-9, '-' and '.'",
                       options->name);
    return 0;
}

static int check_misfit(const struct options *options, const struct flag *misfit, struct err *err)
{
    const char *command = command_table[options->command].name;

    if (!misfit)
        return 0;
    for (size_t i = 0; i < SOURCES; i++)
        if (strcmp(misfit->name, sources[i].flag + 2) == 0)
            return err_set(err, ERR_INPUT,
                           "should not specify export kind: the '%s' flag is incompatible with "
                           "'%s'",
                           sources[i].flag, command);
    return err_set(err, ERR_INPUT, "the '--%s' flag is incompatible with '%s'", misfit->name,
                   command);
}

/* ---- create, download ---- */

static int check_create(const struct options *options, struct err *err)
{
    if (!has_source(options))
        return err_set(err, ERR_INPUT,
                       "need to specify export kind when attempting to create a "
                       "VirtualMachineExport [--pvc|--vm|--snapshot|--vmtemplate]");
    return 0;
}

/* Flags that make no sense together. */
static int check_pairs(const struct options *options, struct err *err)
{
    const bool oci = options->format == OPTION_FORMAT_OCI;
    const struct {
        bool both;
        const char *flag, *with;
    } rows[] = {
        {oci && options->volume, "--volume", "--format=oci"},
        {oci && options->manifest, "--manifest", "--format=oci"},
        {oci && options->pvc, "--pvc", "--format=oci"},
        {options->manifest && options->volume, "--volume", "--manifest"},
        {options->manifest && options->pvc, "--pvc", "--manifest"},
        {options->port_forward && options->service_url, "--service-url", "--port-forward"},
        {options->snapshot_first && !options->vm, "--snapshot-first", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].both && rows[i].with)
            return err_set(err, ERR_INPUT, "the '%s' flag is incompatible with '%s'", rows[i].flag,
                           rows[i].with);
        if (rows[i].both)
            return err_set(err, ERR_INPUT, "need to specify the '--vm' flag when using '%s'",
                           rows[i].flag);
    }
    return 0;
}

/* What virtctl takes and ignores. */
static void warn_of_idle(const struct options *options)
{
    const bool makes = has_source(options);
    const struct {
        bool idle;
        const char *flag, *without;
    } rows[] = {
        {options->include_secret && !options->manifest, "--include-secret", "--manifest"},
        {options->manifest_json && !options->manifest, "--manifest-output-format", "--manifest"},
        {options->manifest_namespace && !options->manifest, "--manifest-namespace", "--manifest"},
        {options->local_port && !options->port_forward, "--local-port", "--port-forward"},
        {options->ttl_s && !makes, "--ttl", "a source flag"},
        {options->labels.count && !makes, "--labels", "a source flag"},
        {options->annotations.count && !makes, "--annotations", "a source flag"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].idle)
            say_warning("the '%s' flag has no effect without %s", rows[i].flag, rows[i].without);
}

static int check_download(const struct options *options, struct err *err)
{
    if (check_pairs(options, err) < 0)
        return -1;
    if (!options->output && !options->manifest)
        return err_set(err, ERR_INPUT,
                       "the '--output' flag is missing: '--output FILE' saves to a file, '--output "
                       "-' writes to standard output, which can mess up a terminal");
    if (options->service_url && strchr(options->service_url, '/'))
        return err_set(err, ERR_INPUT, "--service-url is HOST or HOST:PORT, and no URL: '%s'",
                       options->service_url);
    if (options->sha256 && options->output && strcmp(options->output, "-") == 0)
        return err_set(err, ERR_INPUT,
                       "the '--checksum=sha256' flag is incompatible with '--output -': what went "
                       "to standard output cannot be read back");
    warn_of_idle(options);
    return 0;
}

static int check_serve(const struct options *options, struct err *err)
{
    return options->disk || options->dir
               ? 0
               : err_set(err, ERR_INPUT, "need to specify what to serve [--disk|--dir]");
}

static int check_completion(const struct options *options, struct err *err)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};

    for (size_t i = 0; i < COUNT(shells); i++)
        if (strcmp(options->name, shells[i]) == 0)
            return 0;
    return err_set(err, ERR_INPUT, "no completion for the shell '%s': bash, zsh and fish have one",
                   options->name);
}

typedef int check_fn(const struct options *options, struct err *err);

static check_fn *const checks[COMMANDS] = {
    [COMMAND_CREATE] = check_create,
    [COMMAND_DOWNLOAD] = check_download,
    [COMMAND_SERVE] = check_serve,
    [COMMAND_COMPLETION] = check_completion,
};

int options_check(const struct options *options, const struct flag *misfit, struct err *err)
{
    check_fn *check = checks[options->command];

    if (check_argument(options, err) < 0 || check_groups(options, err) < 0)
        return -1;
    /* What is to be exported is asked for first: the rest may be wrong for the lack of it. */
    if (options->command == COMMAND_CREATE && check_create(options, err) < 0)
        return -1;
    if (check_misfit(options, misfit, err) < 0)
        return -1;
    return check ? check(options, err) : 0;
}
