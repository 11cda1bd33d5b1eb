/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"
#include "commands.h"

int command_create(const struct options *options, struct err *err)
{
    struct cluster cluster;
    struct exports exports;
    struct option_source source;
    int rc;

    if (!options_source(options, &source))
        return err_set(err, ERR_INPUT,
                       "there is no source: name one by --pvc, --vm, --snapshot or --vmtemplate");
    if (cluster_open(options, &cluster, err) < 0)
        return -1;
    rc = exports_discover(&cluster, options->api_group, &exports, err);
    if (rc == 0)
        rc = exports_create(&exports, options, &source, options->name, NULL, err);
    if (rc < 0 && err->class == ERR_PRECONDITION)
        err->class = ERR_SYSTEM; /* nothing came that could be wrong */
    cluster_close(&cluster);
    return rc;
}
