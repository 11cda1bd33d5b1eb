/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"
#include "base/log.h"
#include "kinds.h"

#include <stddef.h>

struct json *owner_references(struct kube_conn *conn, const struct settings *settings)
{
    cleanup_json struct json *map = NULL;
    struct err err;

    if (!settings->owner)
        return NULL;
    if (kube_get(conn, &kind_table[KIND_CONFIGMAP].resource, settings->namespace_, settings->owner,
                 &map, &err) < 0) {
        log_warning("%s: the CA, the lease and what the proxy mounts stay when the controller is "
                    "uninstalled",
                    err.msg);
        return NULL;
    }
    return json_format("[{'apiVersion':'v1','kind':'ConfigMap','name':%s,'uid':%s}]",
                       settings->owner, json_text(map, "metadata.uid"));
}

void owner_put(struct json *object, const struct json *references)
{
    if (references)
        json_set(json_edit(object, "metadata"), "ownerReferences", json_copy(references));
}
