/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of what an export is made of: each is derived from the export's name, valid for its
 * kind, and another for another export.
 *
 * Kubernetes' rules (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/): a
 * Service is a DNS label (63 characters, no dots), as is the volume of a pod; the rest are DNS
 * subdomains (253, dots), which is what exports and claims are, too. A name that fits is given as
 * it is documented: its prefix and the export's name. One that doesn't gets '-' for each dot where
 * there may be none, is cut, and ends in "-" and eight hex digits of the SHA-256 of what it was
 * made from.
 *
 * So only who chooses a name that ends in the digest of another's can make two of them the same
 * (an export "a-b-<digest of a.b>" beside "a.b"): whoever makes an object looks whose it is.
 */
#pragma once

enum { NAME_LABEL_MAX = 63, NAME_SUBDOMAIN_MAX = 253 };

/* Returned by value, so that nothing has to be freed: json_format("%s", names_service(...).text). */
struct name {
    char text[NAME_SUBDOMAIN_MAX + 1];
};

/* The prefixes of one API group. */
struct names_scheme;

/* Of "export.kubevirt.io" or "export.vmexport.io"; NULL for any other group. */
const struct names_scheme *names_of_group(const char *group);

/* ---- beside the export ---- */

struct name names_service(const struct names_scheme *scheme, const char *export_name);
struct name names_pod(const struct names_scheme *scheme, const char *export_name);
struct name names_ingress(const struct names_scheme *scheme, const char *export_name);
/* The generated token's Secret. */
struct name names_token(const struct names_scheme *scheme, const char *export_name);
struct name names_tls(const struct names_scheme *scheme, const char *export_name);
/* The ConfigMap of the manifests. */
struct name names_manifest(const struct names_scheme *scheme, const char *export_name);
/* The claim that the volume of `claim` is restored to. Ends in a digest also when the export's name
 * has a '-' in it: "a" and "b-c" would else be the same as "a-b" and "c". */
struct name names_restored(const struct names_scheme *scheme, const char *export_name,
                           const char *claim);
/* The label by which the Service finds the pod, and its value. KubeVirt's own Services ask for the
 * first group's: a pod of the other group must not have it. */
const char *names_label_key(const struct names_scheme *scheme);
struct name names_label(const char *export_name);

/* The Secret of the token that a client makes beside its export: as `virtctl vmexport` calls it, in
 * either group. */
struct name names_client_token(const char *export_name);

/* ---- within the pod ---- */

/* The pod's own volumes; the name of none that is exported (names_volume). */
#define NAMES_VOLUME_TOKEN "token"
#define NAMES_VOLUME_CERTIFICATES "certificates"
#define NAMES_VOLUME_MANIFESTS "manifest-data"
#define NAMES_VOLUME_RUN "run"

/* The volume for the claim `claim`. */
struct name names_volume(const char *claim);

/* ---- within the exported manifests ---- */

/* What stands for the export in the names of what is imported: its name, unless those would be too
 * long. The pod is told it as `export-name`, and names the header's Secret by it. */
struct name names_imported(const char *export_name);
/* The ConfigMap of the certificates. */
struct name names_imported_ca(const char *export_name);
/* The Secret of the header with the token. */
struct name names_imported_header(const char *export_name);
