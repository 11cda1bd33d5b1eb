/* SPDX-License-Identifier: Apache-2.0 */
#include "download_choice.h"
#include "say.h"

#include <string.h>

static const struct choice GZIP[] = {
    {"gzip", FETCH_KEEP, false},
    {"tar.gz", FETCH_ARCHIVE, false},
    {"raw", FETCH_PLAIN, false},
    {NULL, FETCH_PLAIN, false},
};
/* The gzip of a disk is its raw form in fewer bytes. */
static const struct choice RAW[] = {
    {"raw", FETCH_PLAIN, true},
    {"gzip", FETCH_UNPACK, false},
    {"raw", FETCH_PLAIN, false},
    {NULL, FETCH_PLAIN, false},
};

static const struct choice *choose_format(const struct options *options, const struct json *volume)
{
    bool raw = options->format == OPTION_FORMAT_RAW;

    for (const struct choice *choice = raw ? RAW : GZIP; choice->format; choice++) {
        if ((!choice->several || options->connections > 1) && links_format(volume, choice->format))
            return choice;
    }
    return NULL;
}

/* As virtctl does, the only volume is taken whatever it is called. */
static void warn_of_volume(const struct options *options, const struct json *volume)
{
    const char *name = json_text(volume, "name");

    if (options->volume && name && strcmp(options->volume, name) != 0)
        say_warning("there is no volume '%s': the only one, '%s', is taken", options->volume, name);
}

static void append_formats(const struct json *volume, struct str *text)
{
    for (const struct json *f = json_first(json_get(volume, "formats")); f; f = json_next(f)) {
        const char *name = json_text(f, "format");
        str_printf(text, "%s%s", text->len ? ", " : "", name ? name : "?");
    }
}

static int not_offered(const struct options *options, const struct json *volume, struct err *err)
{
    cleanup_str struct str formats = STR_INIT;

    append_formats(volume, &formats);
    return err_set(err, ERR_NOT_FOUND, "volume '%s' is not offered as %s, but as: %s%s",
                   json_text(volume, "name"),
                   options->format == OPTION_FORMAT_RAW ? "a disk (raw or gzip)"
                                                        : "gzip, tar.gz or raw",
                   formats.len ? str_get(&formats) : "nothing",
                   links_format(volume, "tar.gz") ? "; without --format=raw it is downloaded as an "
                                                    "archive"
                                                  : "");
}

static int first_choice(struct reach *reach, struct wanted *wanted, const struct json *volume,
                        struct err *err)
{
    const char *name = json_text(volume, "name");

    if (!name)
        return err_set(err, ERR_NOT_FOUND, "the export's volume has no name");
    warn_of_volume(reach->options, volume);
    wanted->choice = choose_format(reach->options, volume);
    if (!wanted->choice)
        return not_offered(reach->options, volume, err);
    wanted->volume = strdup(name);
    return 0;
}

int download_choose_volume(struct reach *reach, const struct json *links, struct err *err)
{
    struct wanted *wanted = reach->choose_ctx;
    const struct json *volume;

    if (links_volume(links, wanted->volume ? wanted->volume : reach->options->volume, &volume, err))
        return -1;
    if (!wanted->choice && first_choice(reach, wanted, volume, err))
        return -1;
    const char *name = json_text(volume, "name"),
               *url = links_format(volume, wanted->choice->format);
    if (!name || strcmp(name, wanted->volume) != 0 || !url)
        return err_set(err, ERR_NOT_FOUND, "volume '%s' is no longer offered as %s", wanted->volume,
                       wanted->choice->format);
    reach->source.url = url;
    reach->source.size_url =
        wanted->choice->mode == FETCH_ARCHIVE ? NULL : links_format(volume, "raw");
    return 0;
}

int download_choose_oci(struct reach *reach, const struct json *links, struct err *err)
{
    struct wanted *wanted = reach->choose_ctx;
    static const struct choice OCI = {"oci", FETCH_PLAIN, false};
    const char *kind = json_text(reach->object, "spec.source.kind");

    if (kind && strcmp(kind, "PersistentVolumeClaim") == 0)
        return err_set(err, ERR_INPUT, "OCI export is not supported for \"%s\" sources", kind);
    wanted->choice = &OCI;
    reach->source.url = links_manifest(links, "oci");
    if (reach->source.url)
        return 0;
    return err_set(err, ERR_NOT_FOUND,
                   "OCI export format not available for '%s/%s': its server does not offer it",
                   reach->exports->cluster->ns, reach->options->name);
}
