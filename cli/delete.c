/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports.h"
#include "commands.h"
#include "say.h"

static int delete_export(struct exports *exports, const struct options *options, struct err *err)
{
    bool was_there;

    if (exports_delete(exports, options->name, NULL, &was_there, err) < 0)
        return -1;
    if (!was_there)
        say(EXPORTS_KIND " '%s/%s' does not exist", exports->cluster->ns, options->name);
    return 0;
}

int command_delete(const struct options *options, struct err *err)
{
    return exports_run(options, delete_export, err);
}
