/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `vmexport download`: from a disk in the cluster to a file here. An export that was made for it goes
 * again, but only once the download is whole.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "commands.h"
#include "download_choice.h"
#include "download_export.h"
#include "download_manifests.h"
#include "interrupt.h"
#include "say.h"
#include "transfer/fetch.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

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
        result->crc_verified ? " (as the server says)" : "",
        sha256[0] ? ", sha256 of the file " : "", sha256);
}

static int run_fetch(struct reach *reach, const struct wanted *wanted, struct output *output,
                     struct err *err)
{
    struct progress progress = {.what = wanted->volume ? wanted->volume : reach->options->name};
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

/* `uid` becomes that of the export, the caller frees. */
static int download_volume(struct exports *exports, const struct options *options,
                           struct output *output, char **uid, struct err *err)
{
    bool oci = options->format == OPTION_FORMAT_OCI;
    struct wanted wanted = {0};
    struct reach reach;
    int rc = reach_open(&reach, exports, options, err);

    if (rc == 0) {
        const char *text = json_text(reach.object, "metadata.uid");
        *uid = text ? strdup(text) : NULL;
        rc = reach_choose(&reach, oci ? download_choose_oci : download_choose_volume, &wanted, err);
    }
    if (rc == 0)
        rc = run_fetch(&reach, &wanted, output, err);
    reach_close(&reach);
    free(wanted.volume);
    return rc;
}

static int download(struct exports *exports, const struct options *options, struct output *output,
                    struct download_export *made, struct err *err)
{
    struct option_source source;

    if (options_source(options, &source) && download_make(exports, options, source, made, err))
        return -1;
    return options->manifest ? download_manifests(exports, options, output, err)
                             : download_volume(exports, options, output, &made->uid, err);
}

static int download_to(struct exports *exports, const struct options *options,
                       struct output *output, struct err *err)
{
    struct download_export made = {0};
    int rc = download(exports, options, output, &made, err);

    if (rc)
        download_tell_kept(options, &made, exports->cluster->ns);
    else
        rc = download_clean_up(exports, options, &made, err);
    download_export_free(&made);
    return rc;
}

/* What is wrong with the output, before anything is made for it. */
static int check_output(const struct options *options, const struct output *output, struct err *err)
{
    struct stat st;

    if (options->sha256 && output_in_order(output))
        return err_set(err, ERR_INPUT, "--checksum=sha256 needs a file: %s cannot be read back",
                       output_name(output));
    if (options->format == OPTION_FORMAT_GZIP && !options->manifest && options->output &&
        stat(options->output, &st) == 0 && S_ISBLK(st.st_mode))
        say_warning("without --format=raw it is a gzip that is written to the device %s",
                    options->output);
    return 0;
}

static int download_from(struct exports *exports, const struct options *options, struct err *err)
{
    struct output *output;

    if (output_open(options->output ? options->output : "-", &output, err))
        return -1;
    int rc = check_output(options, output, err);
    if (rc == 0)
        rc = download_to(exports, options, output, err);
    output_close(output);
    return rc;
}

int command_download(const struct options *options, struct err *err)
{
    return exports_run(options, download_from, err);
}
