/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"
#include "base/log.h"
#include "kinds.h"

int owner_put(struct kube_conn *conn, const struct settings *settings, struct json *object,
              struct err *err)
{
    cleanup_json struct json *map = NULL;
    int rc;

    if (!settings->owner)
        return 0;
    rc = kube_get(conn, &kind_table[KIND_CONFIGMAP].resource, settings->namespace_, settings->owner,
                  &map, err);
    if (rc == -KUBE_NOT_FOUND) {
        log_warning("there is no ConfigMap %s/%s: %s '%s' stays when the controller is uninstalled",
                    settings->namespace_, settings->owner, json_text(object, "kind"),
                    json_text(object, "metadata.name"));
        return 0;
    }
    if (rc < 0)
        return rc;
    json_set(json_edit(object, "metadata"), "ownerReferences",
             json_format("[{'apiVersion':'v1','kind':'ConfigMap','name':%s,'uid':%s}]",
                         settings->owner, json_text(map, "metadata.uid")));
    return 0;
}
