/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease_record.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct json *lease_record_new(const char *ns, const char *name)
{
    return json_format("{'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease',"
                       " 'metadata': {'namespace': %s, 'name': %s}}",
                       ns, name);
}

const char *lease_record_holder(const struct json *lease)
{
    const char *holder = json_text(lease, "spec.holderIdentity");

    return holder && *holder ? holder : NULL;
}

unsigned lease_record_seconds(const struct json *lease, unsigned otherwise)
{
    double seconds = json_number(json_at(lease, "spec.leaseDurationSeconds"), 0);

    return seconds >= 1 && seconds <= INT32_MAX ? (unsigned)seconds : otherwise;
}

char *lease_record_text(const struct json *lease)
{
    const struct json *spec = json_get(lease, "spec");
    struct str text = STR_INIT;

    if (spec)
        json_print(spec, 0, &text);
    return str_steal(&text);
}

static struct json *spec_of(struct json *lease)
{
    if (json_kind(json_get(lease, "spec")) != JSON_OBJECT)
        json_put(lease, "spec", json_new_object());
    return json_edit(lease, "spec");
}

static void put_time(struct json *spec, const char *key, struct timespec t)
{
    char text[CLOCK_MICRO_SIZE];

    json_put(spec, key, json_new_string(clock_micro(t, text)));
}

void lease_record_claim(struct json *lease, const char *identity, unsigned seconds,
                        struct timespec now)
{
    const char *holder = lease_record_holder(lease);
    bool first = !json_get(lease, "spec"), ours = holder && strcmp(holder, identity) == 0;
    struct json *spec = spec_of(lease);
    double transitions = json_number(json_get(spec, "leaseTransitions"), 0);

    put_time(spec, "renewTime", now);
    if (!ours) {
        put_time(spec, "acquireTime", now);
        json_put(spec, "leaseTransitions", json_new_number(first ? 0 : transitions + 1));
        json_put(spec, "holderIdentity", json_new_string(identity));
    }
    json_put(spec, "leaseDurationSeconds", json_new_number(seconds));
}

void lease_record_release(struct json *lease, struct timespec now)
{
    struct json *spec = spec_of(lease);

    put_time(spec, "renewTime", now);
    put_time(spec, "acquireTime", now);
    json_put(spec, "holderIdentity", json_new_string(""));
    json_put(spec, "leaseDurationSeconds", json_new_number(1));
}

const char *lease_record_note(const struct json *lease, const char *key)
{
    return key ? json_string(json_get(json_at(lease, "metadata.annotations"), key)) : NULL;
}

void lease_record_put_note(struct json *lease, const char *key, const char *note)
{
    struct json *metadata = json_edit(lease, "metadata");

    if (json_kind(json_get(metadata, "annotations")) != JSON_OBJECT)
        json_put(metadata, "annotations", json_new_object());
    json_put(json_edit(metadata, "annotations"), key, json_new_string(note));
}
