/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "volume.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum setting {
    CERT_FILE,
    KEY_FILE,
    ADDRESS,
    PORT,
    RUN_DIR,
    GRACE_SECONDS,
    LIGHTTPD,
    HANDLER_DIR,
    CONF,
    HANDLERS,
    VOLUMES,
    TOKEN_FILE,
    PREFIX,
    MANIFEST_DIR,
    LOG,
    THREADS,
    GZIP_CODEC,
    API_GROUP,
    CLUSTER_DOMAIN,
    CA_FILE,
    METRICS_ADDRESS,
};

/* Numbers have a largest value. A setting without a default here has one that is found out, or
 * none. */
static const struct {
    const char *name;
    const char *fallback;
    const char *help;
    long max;
} table[] = {
    [CERT_FILE] = {"VMEXPORT_CERT_FILE", "/cert/tls.crt", "certificate chain, PEM", 0},
    [KEY_FILE] = {"VMEXPORT_KEY_FILE", "/cert/tls.key", "its private key, PEM", 0},
    [ADDRESS] = {"VMEXPORT_ADDRESS", "[::]", "numeric address; [::] takes IPv4 too", 0},
    [PORT] = {"VMEXPORT_PORT", "8443", "0 is a free one", 65535},
    [RUN_DIR] = {"VMEXPORT_RUN_DIR", "/run/vmexport", "for sockets and buffers: a tmpfs", 0},
    [GRACE_SECONDS] = {"VMEXPORT_GRACE_SECONDS", "3600", "for downloads to finish at the end",
                       INT_MAX / 1000},
    [LIGHTTPD] = {"VMEXPORT_LIGHTTPD", "/usr/sbin/lighttpd", "the web server", 0},
    [HANDLER_DIR] = {"VMEXPORT_HANDLER_DIR", NULL, "the handlers' programs; default: beside pod",
                     0},
    [CONF] = {"VMEXPORT_LIGHTTPD_CONF", NULL,
              "default: ../../share/vmexport/export.conf from pod's directory", 0},
    [HANDLERS] = {"VMEXPORT_HANDLERS", "raw gzip dir tar manifest ready index",
                  "those to start; of the proxy: proxy ready", 0},
    [VOLUMES] = {"VMEXPORT_VOLUMES", NULL, "for the handlers: lines of NAME CONTENT IDENTITY PATH",
                 0},
    [TOKEN_FILE] = {"VMEXPORT_TOKEN_FILE", "/token/token", "for the handlers: who knows it gets in",
                    0},
    [PREFIX] = {"VMEXPORT_PREFIX", NULL, "for the handlers: external path before /volumes/", 0},
    [MANIFEST_DIR] = {"VMEXPORT_MANIFEST_DIR", "/manifest_data",
                      "for the handlers: the manifests to serve", 0},
    [LOG] = {"VMEXPORT_LOG", "json", "json or text", 0},
    [THREADS] = {"VMEXPORT_THREADS", NULL, "for gzip and tar; default: as many as processors", 0},
    [GZIP_CODEC] = {"VMEXPORT_GZIP_CODEC", NULL,
                    "for gzip and tar: isal or zlib; default: as the processor can", 0},
    [API_GROUP] = {"VMEXPORT_API_GROUP", "export.kubevirt.io", "for the proxy: of the exports", 0},
    [CLUSTER_DOMAIN] = {"VMEXPORT_CLUSTER_DOMAIN", "cluster.local",
                        "for the proxy: where Services are looked up", 0},
    [CA_FILE] = {"VMEXPORT_CA_FILE", "/ca/ca.pem", "for the proxy: who vouches for exports, PEM",
                 0},
    [METRICS_ADDRESS] = {"VMEXPORT_METRICS_ADDRESS", NULL,
                         "for the proxy: of /metrics, such as :9090; default: none", 0},
};

void settings_help(void)
{
    puts("usage: pod\n\n"
         "Serves an export over HTTPS: starts the handlers and lighttpd and keeps them running.\n"
         "SIGTERM lets running downloads finish. Settings are environment variables:\n");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        printf("  %-24s %-20s %s\n", table[i].name, table[i].fallback ? table[i].fallback : "-",
               table[i].help);
}

static int read_number(enum setting setting, long *value, struct err *err)
{
    const char *text = getenv(table[setting].name);
    char *end;

    errno = 0;
    *value = strtol(text, &end, 10);
    if (errno || end == text || *end || *value < 0 || *value > table[setting].max)
        return err_set(err, ERR_INPUT, "%s must be a number from 0 to %ld, not '%s'",
                       table[setting].name, table[setting].max, text);
    return 0;
}

/* The directory of the running program. */
static int own_dir(struct str *dir, struct err *err)
{
    cleanup_free char *path = realpath("/proc/self/exe", NULL);
    char *slash = path ? strrchr(path, '/') : NULL;

    if (!slash)
        return err_errno(err, ERR_SYSTEM, errno, "cannot find out where this program is");
    str_append(dir, path, (size_t)(slash - path));
    return 0;
}

/* Sets the defaults that depend on where the program is: the build tree or an installation. */
static int set_places(struct err *err)
{
    cleanup_str struct str dir = STR_INIT, built = STR_INIT, conf = STR_INIT;

    if (own_dir(&dir, err) < 0)
        return -1;
    str_printf(&conf, "%s/../../share/vmexport/export.conf", str_get(&dir));
    setenv(table[CONF].name, str_get(&conf), 0);
    /* Beside an installation, a folder of that name may be anyone's: a program tells. */
    str_printf(&built, "%s/../fcgi/raw", str_get(&dir));
    if (access(str_get(&built), X_OK) == 0)
        str_puts(&dir, "/../fcgi");
    setenv(table[HANDLER_DIR].name, str_get(&dir), 0);
    return 0;
}

/* Takes the list apart. A name is a program's and a socket's, so it is letters only. */
static int read_handlers(struct settings *settings, struct err *err)
{
    const char *text = getenv(table[HANDLERS].name);

    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz");

        if (!len || len >= SETTINGS_NAME || (text[len] && text[len] != ' ') ||
            settings->handlers == SETTINGS_HANDLERS)
            return err_set(err, ERR_INPUT,
                           "%s must be up to %d names of handlers with blanks between, not '%s'",
                           table[HANDLERS].name, SETTINGS_HANDLERS, getenv(table[HANDLERS].name));
        memcpy(settings->handler[settings->handlers++], text, len);
        text += len;
    }
    if (!settings->handlers)
        return err_set(err, ERR_INPUT, "%s names no handler", table[HANDLERS].name);
    return 0;
}

/* The handlers read the volumes; but none of them could start, and the pod is the one to say so. */
static int check_volumes(struct err *err)
{
    const char *text = getenv(table[VOLUMES].name);
    struct volume_table volumes;
    int rc = volume_table_parse(&volumes, text ? text : "", err);

    volume_table_free(&volumes);
    return rc;
}

int settings_read(struct settings *settings, struct err *err)
{
    long port, grace;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].fallback)
            setenv(table[i].name, table[i].fallback, 0);
        if (table[i].fallback && !*getenv(table[i].name))
            return err_set(err, ERR_INPUT, "%s is set and empty", table[i].name);
    }
    if (set_places(err) < 0 || read_number(PORT, &port, err) < 0 ||
        read_number(GRACE_SECONDS, &grace, err) < 0 || check_volumes(err) < 0)
        return -1;
    *settings = (struct settings){
        .cert_file = getenv(table[CERT_FILE].name),
        .key_file = getenv(table[KEY_FILE].name),
        .address = getenv(table[ADDRESS].name),
        .run_dir = getenv(table[RUN_DIR].name),
        .lighttpd = getenv(table[LIGHTTPD].name),
        .handler_dir = getenv(table[HANDLER_DIR].name),
        .conf = getenv(table[CONF].name),
        .port = (uint16_t)port,
        .grace_ms = grace * 1000,
    };
    return read_handlers(settings, err);
}
