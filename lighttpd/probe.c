/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe SECONDS URL [CA-FILE]: asks until it is answered 200, for so long at most. What `helm test` runs
 * in the cluster, where names, network policies and certificates are those that a client meets.
 *
 * Exits with 0 when it was, 1 when not (and says what was known last), 2 when called in another way.
 */
#include "base/clock.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECONDS_MAX = 3600, ASK_MS = 10 * 1000, PAUSE_MS = 500, USAGE = 2 };

static size_t discard(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

/* What came of asking; `status` is 0 when there was no answer, and `why` says why. */
struct outcome {
    long status;
    char why[CURL_ERROR_SIZE];
};

static CURLcode perform(CURL *easy, const char *url, const char *ca_file, struct outcome *outcome)
{
    CURLcode rc;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment */
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, outcome->why);
    if (ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the system's CAs are not asked */
    }
    rc = curl_easy_perform(easy);
    if (rc == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &outcome->status);
    else if (!outcome->why[0])
        snprintf(outcome->why, CURL_ERROR_SIZE, "%s", curl_easy_strerror(rc));
    return rc;
}

/* One that the end has cut short tells nothing of the one who was asked: what is known
 * stays, unless that is nothing. */
static void ask(const char *url, const char *ca_file, uint64_t until, struct outcome *known)
{
    uint64_t now = clock_ms(), left = until > now ? until - now : 1;
    bool first = !known->status && !known->why[0];
    struct outcome outcome = {0};
    CURL *easy = curl_easy_init();
    CURLcode rc;

    if (!easy)
        abort();
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left < ASK_MS ? (long)left : ASK_MS);
    rc = perform(easy, url, ca_file, &outcome);
    if (first || rc != CURLE_OPERATION_TIMEDOUT || left >= ASK_MS)
        *known = outcome;
    curl_easy_cleanup(easy);
}

int main(int argc, char **argv)
{
    const char *url = argc > 2 ? argv[2] : NULL;
    const char *ca_file = argc > 3 ? argv[3] : NULL;
    char *end = NULL;
    unsigned long seconds = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
    struct outcome known = {0};
    uint64_t until;

    if (argc < 3 || argc > 4 || *end || seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: probe SECONDS URL [CA-FILE], SECONDS from 1 to %d\n", SECONDS_MAX);
        return USAGE;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    until = clock_ms() + seconds * 1000;
    for (;;) {
        ask(url, ca_file, until, &known);
        if (known.status == 200 || clock_ms() + PAUSE_MS >= until)
            break;
        usleep(PAUSE_MS * 1000);
    }
    curl_global_cleanup();
    if (known.status == 200) {
        printf("%s answers\n", url);
        return EXIT_SUCCESS;
    }
    if (known.status)
        fprintf(stderr, "probe: %s answers %ld, not 200\n", url, known.status);
    else
        fprintf(stderr, "probe: %s does not answer: %s\n", url, known.why);
    return EXIT_FAILURE;
}
