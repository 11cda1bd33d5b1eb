/* SPDX-License-Identifier: Apache-2.0 */
#include "http_answer.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *http_answer_header(CURL *easy, const char *name)
{
    struct curl_header *found;

    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value
                                                                                  : NULL;
}

/* Digits and what ends them; no more than a file can have bytes. */
static bool read_number(const char **text, char end, uint64_t *number)
{
    char *after;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *number = strtoull(*text, &after, 10);
    if (errno || *number > INT64_MAX || *after != end)
        return false;
    *text = after + 1;
    return true;
}

/* Content-Range of a 206: "bytes 0-99/1000" (RFC 9110 §14.4). */
static void read_range(const char *text, struct http_answer *answer)
{
    uint64_t first, last, total;

    answer->first = answer->total = HTTP_UNKNOWN;
    if (!text || !str_starts(text, "bytes "))
        return;
    text += strlen("bytes ");
    if (read_number(&text, '-', &first) && read_number(&text, '/', &last) &&
        read_number(&text, '\0', &total) && first <= last && last < total) {
        answer->first = first;
        answer->total = total;
    }
}

/* A weak tag (RFC 9110 §8.8.1) says nothing about bytes. */
static void read_etag(const char *text, struct http_answer *answer)
{
    size_t len = text ? strlen(text) : 0;

    if (len >= 2 && len < sizeof answer->etag && text[0] == '"' && text[len - 1] == '"')
        memcpy(answer->etag, text, len + 1);
}

void http_answer_read(CURL *easy, struct http_answer *answer)
{
    long status = 0;
    curl_off_t length = -1;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    *answer = (struct http_answer){.status = (int)status,
                                   .length = length < 0 ? HTTP_UNKNOWN : (uint64_t)length,
                                   .is_page = type && strncasecmp(type, "text/html", 9) == 0};
    read_range(http_answer_header(easy, "Content-Range"), answer);
    read_etag(http_answer_header(easy, "ETag"), answer);
}
