/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct settings settings;
    struct err err;
    int rc = settings_load(argc, argv, &settings, &err), code = EXIT_SUCCESS;

    if (rc < 0) {
        fprintf(stderr, "vmexport-controller: %s\n", err.msg);
        code = 2;
    } else if (rc == 0) {
        setenv("VMEXPORT_LOG", settings.log_format, 1);
        log_open("vmexport-controller");
        code = daemon_run(&settings);
    }
    settings_free(&settings);
    return code;
}
