/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `vmexport download`: from a disk in the cluster to a file here. An export that was made for it goes
 * again, but only once the download is whole.
 */
#include "api/snapshot.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "commands.h"
#include "download_manifests.h"
#include "interrupt.h"
#include "reach.h"
#include "say.h"
#include "transfer/fetch.h"

#include <inttypes.h>
#include <string.h>

/* ---- which link ---- */

/* What of a volume's formats is taken for --format, the best first. */
struct choice {
    const char *format;
    enum fetch_mode mode;
    bool several; /* only by --connections */
};

static const struct choice GZIP[] = {
    {"gzip", FETCH_KEEP, false},
    {"tar.gz", FETCH_ARCHIVE, false},
    {"raw", FETCH_PLAIN, false},
};
/* The gzip of a disk is its raw form in fewer bytes. */
static const struct choice RAW[] = {
    {"raw", FETCH_PLAIN, true},
    {"gzip", FETCH_UNPACK, false},
    {"raw", FETCH_PLAIN, false},
};

/* Everything about the volume that is downloaded. */
struct wanted {
    const struct options *options;
    const struct choice *choice;
};

static const struct choice *choose_format(const struct options *options, const struct json *volume)
{
    bool raw = options->format == OPTION_FORMAT_RAW;
    const struct choice *choices = raw ? RAW : GZIP;
    for (size_t i = 0; i < sizeof RAW / sizeof RAW[0]; i++) {
        if ((!choices[i].several || options->connections > 1) &&
            links_format(volume, choices[i].format))
            return &choices[i];
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

static int choose_volume(struct reach *reach, const struct json *links, struct err *err)
{
    struct wanted *wanted = (struct wanted *)(uintptr_t)reach->choose_ctx;
    const struct json *volume;
    if (links_volume(links, reach->options->volume, &volume, err))
        return -1;
    if (!wanted->choice) {
        warn_of_volume(reach->options, volume);
        wanted->choice = choose_format(reach->options, volume);
    }
    if (!wanted->choice)
        return err_set(err, ERR_NOT_FOUND,
                       "volume '%s' is not offered as a disk, but as a directory (%s): download it "
                       "without --format=raw",
                       json_text(volume, "name"),
                       links_format(volume, "tar.gz") ? "tar.gz" : "no format that is known");
    reach->source.url = links_format(volume, wanted->choice->format);
    if (!reach->source.url)
        return err_set(err, ERR_NOT_FOUND, "volume '%s' is no longer offered as %s",
                       json_text(volume, "name"), wanted->choice->format);
    reach->source.size_url =
        wanted->choice->mode == FETCH_ARCHIVE ? NULL : links_format(volume, "raw");
    return 0;
}

static int choose_oci(struct reach *reach, const struct json *links, struct err *err)
{
    struct wanted *wanted = (struct wanted *)(uintptr_t)reach->choose_ctx;
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

static const char *volume_name(const struct reach *reach)
{
    const struct json *volume;
    struct err err;
    if (reach->options->format == OPTION_FORMAT_OCI ||
        links_volume(links_of(reach->object, reach->side), reach->options->volume, &volume, &err))
        return reach->options->name;
    return json_text(volume, "name");
}

/* ---- the download ---- */

static void tell(const struct fetch_result *result, const char *output, double seconds,
                 uint64_t wire, const char *sha256)
{
    char size[PROGRESS_SIZE], rate[PROGRESS_SIZE], time[PROGRESS_SIZE], came[PROGRESS_SIZE];
    say("Download finished successfully: %s, %s in %s (%s/s), %s received", output,
        progress_bytes(result->size, size), progress_duration(seconds, time),
        progress_bytes((uint64_t)((double)result->size / (seconds > 0.001 ? seconds : 0.001)),
                       rate),
        progress_bytes(wire, came));
    say("  size %" PRIu64 "%s, crc32 %08" PRIx32 "%s%s%s", result->size,
        result->size_verified ? " (as the server says)" : "", result->crc,
        result->crc_verified ? " (as the server says)" : "", sha256[0] ? ", sha256 " : "", sha256);
}

static int run_fetch(struct reach *reach, const struct wanted *wanted, struct output *output,
                     struct err *err)
{
    cleanup_free char *what = strdup(volume_name(reach)); /* the object may be read anew */
    struct progress progress = {.what = what};
    struct fetch fetch = {.source = &reach->source,
                          .output = output,
                          .progress = &progress,
                          .mode = wanted->choice->mode,
                          .connections = reach->options->connections,
                          .retry = reach->options->retry};
    struct fetch_result result;
    bool kept;
    if (reach->options->format == OPTION_FORMAT_GZIP && fetch.mode == FETCH_PLAIN)
        say("the server offers volume '%s' as a raw disk only: it is saved as that", progress.what);
    uint64_t begin = clock_ms();
    progress_start(&progress);
    int rc = fetch_run(&fetch, &result, &kept, err);
    progress_stop();
    char sha256[65] = "";
    if (rc == 0 && reach->options->sha256)
        rc = output_sha256(output, result.bytes, sha256, err);
    if (rc == 0)
        tell(&result, reach->options->output, (double)(clock_ms() - begin) / 1000,
             atomic_load(&progress.wire), sha256);
    else if (kept)
        say("what came is kept beside %s: the same command goes on with it", output_name(output));
    return rc;
}

static int download_volume(struct exports *exports, const struct options *options,
                           struct output *output, struct err *err)
{
    struct wanted wanted = {.options = options};
    struct reach reach;
    int rc = reach_open(&reach, exports, options, err);
    if (rc == 0)
        rc = reach_choose(&reach, options->format == OPTION_FORMAT_OCI ? choose_oci : choose_volume,
                          &wanted, err);
    if (rc == 0)
        rc = run_fetch(&reach, &wanted, output, err);
    reach_close(&reach);
    return rc;
}

static int download(struct exports *exports, const struct options *options, struct err *err)
{
    struct output *output;
    if (output_open(options->output ? options->output : "-", &output, err))
        return -1;
    int rc = options->manifest ? download_manifests(exports, options, output, err)
                               : download_volume(exports, options, output, err);
    output_close(output);
    return rc;
}

/* ---- the export that it is from ---- */

/* What was made for this download. */
struct made {
    bool created;
    struct json *object;
    char *snapshot;
};

/* The export owns the snapshot, so that they end together, whoever ends it. */
static int own_snapshot(struct exports *exports, const struct made *made, struct err *err)
{
    return made->snapshot ? snapshot_own(exports->cluster, made->snapshot, made->object, err) : 0;
}

static int make_snapshot(struct exports *exports, const struct options *options,
                         struct option_source *source, struct made *made, struct err *err)
{
    if (snapshot_make(exports->cluster, source->name, options->name, options->readiness_timeout_ms,
                      &made->snapshot, err))
        return -1;
    source->group = "snapshot.kubevirt.io";
    source->kind = "VirtualMachineSnapshot";
    source->name = made->snapshot;
    return 0;
}

/* The snapshot of an export that was not made is of no use to anybody. */
static void drop_snapshot(struct exports *exports, struct made *made)
{
    struct err err;
    if (made->snapshot && snapshot_delete(exports->cluster, made->snapshot, &err))
        say_warning("VirtualMachineSnapshot %s is left: %s", made->snapshot, err.msg);
    free(steal_ptr(made->snapshot));
}

static int make_from(struct exports *exports, const struct options *options,
                     struct option_source source, struct made *made, struct err *err)
{
    const struct kube_resource *resource;
    struct err none;
    if (options->snapshot_first && exports_get(exports, options->name, &resource, NULL, &none) &&
        make_snapshot(exports, options, &source, made, err))
        return -1;
    if (exports_create(exports, options, &source, options->name, &made->object, err)) {
        drop_snapshot(exports, made);
        if (err->class != ERR_PRECONDITION)
            return -1;
        say("%s: using it, and leaving it", err->msg);
        return 0;
    }
    made->created = true;
    return own_snapshot(exports, made, err);
}

static int clean_up(struct exports *exports, const struct options *options, const struct made *made,
                    struct err *err)
{
    bool was_there;
    if (options->manifest || !(options->delete_vme || (made->created && !options->keep_vme)))
        return 0;
    const char *uid = json_text(made->object, "metadata.uid");
    if (exports_delete(exports, options->name, uid, &was_there, err))
        return err_wrap(err, "the download is whole, but the export could not be deleted");
    return 0;
}

static void tell_kept(const struct options *options, const struct made *made, const char *ns)
{
    if (made->created)
        say("VirtualMachineExport '%s/%s' is kept%s%s: 'vmexport download %s' tries again, "
            "'vmexport "
            "delete %s' removes it",
            ns, options->name, made->snapshot ? ", as is VirtualMachineSnapshot " : "",
            made->snapshot ? made->snapshot : "", options->name, options->name);
}

static int download_from(struct cluster *cluster, const struct options *options, struct err *err)
{
    struct exports exports;
    struct option_source source;
    struct made made = {0};
    if (exports_discover(cluster, options->api_group, &exports, err))
        return -1;
    int rc = 0;
    if (options_source(options, &source))
        rc = make_from(&exports, options, source, &made, err);
    if (rc == 0)
        rc = download(&exports, options, err);
    if (rc)
        tell_kept(options, &made, cluster->ns);
    else
        rc = clean_up(&exports, options, &made, err);
    json_free(made.object);
    free(made.snapshot);
    return rc;
}

int command_download(const struct options *options, struct err *err)
{
    struct cluster cluster;
    if (cluster_open(options, &cluster, err))
        return -1;
    int rc = download_from(&cluster, options, err);
    cluster_close(&cluster);
    return rc;
}
