/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"
#include "commands.h"
#include "say.h"

int command_delete(const struct options *options, struct err *err)
{
    struct cluster cluster;
    struct exports exports;
    bool was_there;
    int rc;

    if (cluster_open(options, &cluster, err) < 0)
        return -1;
    rc = exports_discover(&cluster, options->api_group, &exports, err);
    if (rc == 0)
        rc = exports_delete(&exports, options->name, NULL, &was_there, err);
    if (rc == 0 && !was_there)
        say("VirtualMachineExport '%s/%s' does not exist", cluster.ns, options->name);
    cluster_close(&cluster);
    return rc;
}
