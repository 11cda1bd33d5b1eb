/* SPDX-License-Identifier: Apache-2.0 */
#include "conditional.h"
#include "http_date.h"

#include <string.h>

/* Length of the entity tag at `tag` with its quotes; of what stands there instead when it is none.
 */
static size_t tag_len(const char *tag)
{
    const char *end = *tag == '"' ? strchr(tag + 1, '"') : NULL;

    return end ? (size_t)(end - tag) + 1 : strcspn(tag, ",");
}

/*
 * Whether a list of entity tags ("a", W/"b", *) has this one. A weak tag is equal only under the
 * weak comparison, which If-None-Match uses and If-Match does not (RFC 9110 §8.8.3.2).
 */
static bool list_has(const char *list, const char *etag, bool weak_counts)
{
    list += strspn(list, ", \t");
    if (*list == '*')
        return true;
    while (etag && *list) {
        bool weak = str_starts(list, "W/");
        size_t len;

        list += weak ? 2 : 0;
        len = tag_len(list);
        if ((!weak || weak_counts) && len == strlen(etag) && memcmp(list, etag, len) == 0)
            return true;
        list += len;
        list += strspn(list, ", \t");
    }
    return false;
}

enum conditional conditional_check(const struct request *req, const struct validator *validator)
{
    const char *if_match = request_param(req, "HTTP_IF_MATCH");
    const char *if_unmodified = request_param(req, "HTTP_IF_UNMODIFIED_SINCE");
    const char *if_none_match = request_param(req, "HTTP_IF_NONE_MATCH");
    const char *if_modified = request_param(req, "HTTP_IF_MODIFIED_SINCE");
    time_t date;

    if (if_match) {
        if (!list_has(if_match, validator->etag, false))
            return CONDITIONAL_FAILED;
    } else if (if_unmodified && validator->mtime >= 0 && http_date_parse(if_unmodified, &date) &&
               validator->mtime > date) {
        return CONDITIONAL_FAILED;
    }
    if (if_none_match) {
        if (list_has(if_none_match, validator->etag, true))
            return CONDITIONAL_NOT_MODIFIED;
    } else if (if_modified && validator->mtime >= 0 && http_date_parse(if_modified, &date) &&
               validator->mtime <= date) {
        return CONDITIONAL_NOT_MODIFIED;
    }
    return CONDITIONAL_PROCEED;
}

bool conditional_range_applies(const struct request *req, const struct validator *validator)
{
    const char *if_range = request_param(req, "HTTP_IF_RANGE");
    time_t date;

    if (!if_range)
        return true;
    if (*if_range == '"')
        return validator->etag && strcmp(if_range, validator->etag) == 0;
    return validator->mtime >= 0 && http_date_parse(if_range, &date) && date == validator->mtime;
}
