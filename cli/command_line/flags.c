/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/flags.h"

#include <string.h>
#include <strings.h>

#define AT(member) offsetof(struct options, member)
#define TEXT(member) flag_read_text, AT(member)
#define SWITCH(member) flag_read_switch, AT(member)

enum {
    CREATE = FLAG_OF(CREATE),
    DELETE = FLAG_OF(DELETE),
    DOWNLOAD = FLAG_OF(DOWNLOAD),
    LIST = FLAG_OF(LIST),
    STATUS = FLAG_OF(STATUS),
    SERVE = FLAG_OF(SERVE),
    CLUSTER = FLAG_OF_CLUSTER,
    ALL = FLAG_OF_ALL,
};

const struct flag flag_table[] = {
    /* the source */
    {"vm", 0, "VM", flag_read_name, AT(vm), CREATE | DOWNLOAD, 0, "@machines",
     "export the disks of this VirtualMachine"},
    {"snapshot", 0, "SNAPSHOT", flag_read_name, AT(snapshot), CREATE | DOWNLOAD, 0, "@snapshots",
     "export the disks of this VirtualMachineSnapshot"},
    {"pvc", 0, "PVC", flag_read_name, AT(pvc), CREATE | DOWNLOAD, 0, "@claims",
     "export this PersistentVolumeClaim"},
    {"vmtemplate", 0, "TEMPLATE", flag_read_name, AT(vmtemplate), CREATE | DOWNLOAD, 0, NULL,
     "export the disks of this VirtualMachineTemplate"},
    {"ttl", 0, "DURATION", flag_read_ttl, AT(ttl_s), CREATE | DOWNLOAD, DELETE, NULL,
     "how long the export lives, such as 30m or 12h (the cluster's default is 2h)"},
    {"labels", 0, "KEY=VALUE,...", flag_read_pairs, AT(labels), CREATE | DOWNLOAD, 0, NULL,
     "labels of the export; may be repeated"},
    {"annotations", 0, "KEY=VALUE,...", flag_read_pairs, AT(annotations), CREATE | DOWNLOAD, 0,
     NULL, "annotations of the export; may be repeated"},

    /* what to download, and where to */
    {"output", 'o', "FILE", TEXT(output), DOWNLOAD, 0, "@files",
     "where to save it: a file, a device, a FIFO, or - for standard output"},
    {"volume", 0, "VOLUME", TEXT(volume), DOWNLOAD, 0, NULL,
     "the volume, where the export has several"},
    {"format", 0, "FORMAT", flag_read_format, AT(format), DOWNLOAD, 0, "gzip raw oci",
     "gzip (the default): compressed, or as the server has it; raw: the disk itself, sparse; oci: "
     "the whole machine as an OCI archive"},
    {"manifest", 0, NULL, SWITCH(manifest), DOWNLOAD, CREATE | DELETE, NULL,
     "get what recreates the machine elsewhere instead of a volume"},
    {"include-secret", 0, NULL, SWITCH(include_secret), DOWNLOAD, CREATE | DELETE, NULL,
     "with --manifest: also the Secret with the token that its import needs"},
    {"manifest-output-format", 0, "FORMAT", flag_read_choice, AT(manifest_json), DOWNLOAD,
     CREATE | DELETE, "yaml json", "of --manifest: yaml (the default) or json"},
    {"manifest-namespace", 0, "NAMESPACE", flag_read_name, AT(manifest_namespace), DOWNLOAD, 0,
     "@namespaces", "of --manifest: where to recreate it, rather than where it is from"},
    {"checksum", 0, "KIND", flag_read_choice, AT(sha256), DOWNLOAD, 0, "crc32 sha256",
     "what is printed: crc32 of the disk (the default), or also sha256 of what was saved"},
    {"keep-vme", 0, NULL, SWITCH(keep_vme), DOWNLOAD, 0, NULL,
     "keep the export that this download made"},
    {"delete-vme", 0, NULL, SWITCH(delete_vme), DOWNLOAD, 0, NULL,
     "delete the export after the download, also one that was there before"},

    /* how */
    {"readiness-timeout", 0, "DURATION", flag_read_readiness, AT(readiness_timeout_ms), DOWNLOAD,
     CREATE, NULL, "how long to wait until the export is ready (2m)"},
    {"wait-for-source", 0, NULL, SWITCH(wait_for_source), DOWNLOAD, 0, NULL,
     "also wait for a source that is not there yet"},
    {"snapshot-first", 0, NULL, SWITCH(snapshot_first), DOWNLOAD, 0, NULL,
     "with --vm: make a snapshot, export that, and delete it after: the machine may run"},
    {"retry", 0, "N", flag_read_retry, AT(retry), DOWNLOAD, 0, NULL,
     "tries in a row that may bring nothing before it gives up (10)"},
    {"connections", 0, "N", flag_read_connections, AT(connections), DOWNLOAD, 0, NULL,
     "connections at once, for a server that gives parts of a raw disk (1)"},
    {"port-forward", 0, NULL, SWITCH(port_forward), DOWNLOAD, 0, NULL,
     "connect through the API server, without a way in from outside; still verified"},
    {"local-port", 0, "PORT", flag_read_port, AT(local_port), DOWNLOAD, 0, NULL,
     "with --port-forward: also listen on this port of 127.0.0.1 for others"},
    {"service-url", 0, "HOST[:PORT]", TEXT(service_url), DOWNLOAD, 0, NULL,
     "connect to the export here instead of where its links lead, by its internal links"},
    {"insecure", 0, NULL, SWITCH(insecure), DOWNLOAD, 0, NULL,
     "do not verify the export's certificate: whoever is in between can read and change all"},

    /* list, status, serve */
    {"all-namespaces", 'A', NULL, SWITCH(all_namespaces), LIST, 0, NULL,
     "the exports of all namespaces"},
    {"output", 'o', "FORMAT", flag_read_choice, AT(json), LIST | STATUS, 0, "table json",
     "table (the default) or json"},
    {"disk", 0, "FILE", TEXT(disk), SERVE, 0, "@files", "serve this disk image or block device"},
    {"dir", 0, "DIR", TEXT(dir), SERVE, 0, "@dirs", "serve the files of this directory"},
    {"listen", 0, "ADDRESS:PORT", flag_read_listen, AT(listen), SERVE, 0, NULL,
     "where to listen (127.0.0.1:8443); port 0 is any free one"},

    /* common */
    {"api-group", 0, "GROUP", flag_read_word, AT(api_group), CLUSTER, 0,
     "export.kubevirt.io export.vmexport.io", "of the exports, where the cluster serves both"},
    {"quiet", 'q', NULL, SWITCH(quiet), ALL, 0, NULL, "say only warnings and errors"},
    {"help", 'h', NULL, SWITCH(help), ALL, 0, NULL, "show this"},
    {"version", 0, NULL, SWITCH(version), ALL, 0, NULL, "print the version"},

    /* kubectl's */
    {"kubeconfig", 0, "FILE", TEXT(kubeconfig), CLUSTER, 0, "@files",
     "instead of KUBECONFIG or ~/.kube/config"},
    {"namespace", 'n', "NAMESPACE", TEXT(namespace), CLUSTER, 0, "@namespaces",
     "instead of the context's"},
    {"context", 0, "CONTEXT", TEXT(context), CLUSTER, 0, NULL, "of the kubeconfig"},
    {"cluster", 0, "CLUSTER", TEXT(cluster), CLUSTER, 0, NULL, "of the kubeconfig"},
    {"user", 0, "USER", TEXT(user), CLUSTER, 0, NULL, "of the kubeconfig"},
    {"server", 's', "URL", TEXT(server), CLUSTER, 0, NULL, "of the API"},
    {"token", 0, "TOKEN", TEXT(token), CLUSTER, 0, NULL, "for the API server"},
    {"as", 0, "USER", TEXT(as), CLUSTER, 0, NULL, "act as this user"},
    {"as-group", 0, "GROUP", flag_read_texts, AT(as_group), CLUSTER, 0, NULL,
     "and as in this group; may be repeated"},
    {"as-uid", 0, "UID", TEXT(as_uid), CLUSTER, 0, NULL, "and with this UID"},
    {"certificate-authority", 0, "FILE", TEXT(certificate_authority), CLUSTER, 0, "@files",
     "that the API server is verified by"},
    {"client-certificate", 0, "FILE", TEXT(client_certificate), CLUSTER, 0, "@files",
     "to log in with"},
    {"client-key", 0, "FILE", TEXT(client_key), CLUSTER, 0, "@files", "of --client-certificate"},
    {"username", 0, "USER", TEXT(username), CLUSTER, 0, NULL, "for basic authentication"},
    {"password", 0, "PASSWORD", TEXT(password), CLUSTER, 0, NULL, "for basic authentication"},
    {"insecure-skip-tls-verify", 0, NULL, SWITCH(insecure_skip_tls_verify), CLUSTER, 0, NULL,
     "do not verify the API server"},
    {"tls-server-name", 0, "HOST", TEXT(tls_server_name), CLUSTER, 0, NULL,
     "that the API server's certificate is for"},
    {"proxy-url", 0, "URL", TEXT(proxy_url), CLUSTER, 0, NULL, "of a proxy to the API server"},
    {"request-timeout", 0, "DURATION", flag_read_request_timeout, AT(request_timeout_s), CLUSTER, 0,
     NULL, "of one request to the API server; a bare number is seconds (30)"},
    {"disable-compression", 0, NULL, flag_read_nothing, 0, CLUSTER, 0, NULL,
     "taken for kubectl's sake, without effect"},
    {"v", 'v', "N", flag_read_nothing, 0, CLUSTER, 0, NULL,
     "taken for kubectl's sake, without effect"},
    {NULL, 0, NULL, NULL, 0, 0, 0, NULL, NULL},
};

const struct command_info command_table[COMMANDS] = {
    [COMMAND_NONE] = {NULL, NULL, NULL, NULL, NULL, {{NULL, NULL}}},
    [COMMAND_CREATE] =
        {"create",
         "NAME",
         NULL,
         "make an export of a machine, a snapshot or a claim",
         "Exactly one of --vm, --snapshot, --pvc and --vmtemplate says of what. The export becomes "
         "ready once nobody writes to its disks: the machine has to be stopped, or exported by a "
         "snapshot.",
         {{"export the disks of a machine", "create vm1-export --vm=vm1"},
          {"of a snapshot", "create snap1-export --snapshot=snap1"},
          {"of a claim, for twelve hours", "create pvc1-export --pvc=pvc1 --ttl=12h"}}},
    [COMMAND_DELETE] = {"delete",
                        "NAME",
                        "@exports",
                        "delete an export",
                        "What was exported stays as it is. An export that is not there is no "
                        "error.",
                        {{"delete an export", "delete vm1-export"}}},
    [COMMAND_DOWNLOAD] =
        {"download",
         "NAME",
         "@exports",
         "download a volume of an export, or its manifests",
         "With --vm, --snapshot, --pvc or --vmtemplate the export is made first, and deleted once "
         "all of it is there and right. Waits until the export is ready. A broken connection is "
         "gone on with where it broke, and so is an earlier run that was interrupted. FILE has its "
         "name only once it is whole and verified; until then what came is in FILE.part.",
         {{"make an export of a machine, download its disk, delete the export",
           "download vm1-export --vm=vm1 --output=disk.img.gz"},
          {"the same while it runs, as a sparse raw disk",
           "download vm1-export --vm=vm1 --snapshot-first --format=raw --output=disk.img"},
          {"one of several volumes of an export that is there",
           "download vm1-export --volume=volume1 --output=disk.img.gz"},
          {"through the API server, onto a disk of this machine",
           "download vm1-export --port-forward --format=raw --output=/dev/sdx"},
          {"into another program",
           "download vm1-export --format=raw --output=- | zstd >disk.img.zst"},
          {"clone the machine into the namespace 'other'",
           "download vm1 --manifest --include-secret --manifest-namespace=other | kubectl apply -f "
           "-"}}},
    [COMMAND_LIST] = {"list",
                      NULL,
                      NULL,
                      "list exports",
                      "Of the namespace, or of all, with phase, source and expiry.",
                      {{"the exports of the namespace", "list"},
                       {"of all namespaces, for a program", "list -A -o json"}}},
    [COMMAND_STATUS] = {"status",
                        "NAME",
                        "@exports",
                        "show how an export is doing",
                        "Phase, what it waits for and why, links, sizes, expiry.",
                        {{"how an export is doing", "status vm1-export"}}},
    [COMMAND_SERVE] = {"serve",
                       NULL,
                       NULL,
                       "serve a disk or a directory of this machine as an export does",
                       "Without a cluster: with a token and a certificate of its own, which it "
                       "prints, until it is interrupted.",
                       {{"a disk image", "serve --disk=disk.img"},
                        {"a directory, on another port", "serve --dir=/srv/data --listen=:9443"}}},
    [COMMAND_COMPLETION] = {"completion",
                            "SHELL",
                            "bash zsh fish",
                            "print the completion script of a shell",
                            "For bash, zsh or fish; completes `vmexport` and `kubectl-vmexport`.",
                            {{"in ~/.bashrc", "completion bash >>~/.bashrc"},
                             {"of zsh, in a folder of $fpath", "completion zsh >_vmexport"},
                             {"of fish",
                              "completion fish >~/.config/fish/completions/vmexport.fish"}}},
    [COMMAND_MAN] = {"man",
                     NULL,
                     NULL,
                     "print the manual page",
                     "As man(1) takes it.",
                     {{"read it", "man | man -l -"}}},
};

static bool is_of(const struct flag *flag, enum command command)
{
    return command == COMMAND_NONE || (flag->commands | flag->ignored) & (1u << command);
}

const struct flag *flag_find(const char *name, size_t len, enum command command)
{
    for (const struct flag *flag = flag_table; flag->name; flag++)
        if (strlen(flag->name) == len && memcmp(flag->name, name, len) == 0 && is_of(flag, command))
            return flag;
    return NULL;
}

const struct flag *flag_of_letter(char letter, enum command command)
{
    for (const struct flag *flag = flag_table; flag->name; flag++)
        if (letter && flag->letter == letter && is_of(flag, command))
            return flag;
    return NULL;
}

bool flag_is_common(const struct flag *flag)
{
    return (flag->commands & FLAG_OF_CLUSTER) == FLAG_OF_CLUSTER;
}

enum command command_find(const char *name)
{
    for (enum command command = COMMAND_NONE + 1; command < COMMANDS; command++)
        if (strcasecmp(command_table[command].name, name) == 0)
            return command;
    return COMMAND_NONE;
}
