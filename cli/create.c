/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"
#include "commands.h"

static int create(struct exports *exports, const struct options *options, struct err *err)
{
    struct option_source source;
    int rc;

    if (!options_source(options, &source))
        return err_set(err, ERR_INPUT,
                       "there is no source: name one by --pvc, --vm, --snapshot or --vmtemplate");
    rc = exports_create(exports, options, &source, options->name, NULL, err);
    if (rc < 0 && err->class == ERR_PRECONDITION)
        err->class = ERR_SYSTEM; /* nothing came that could be wrong */
    return rc;
}

int command_create(const struct options *options, struct err *err)
{
    return exports_run(options, create, err);
}
