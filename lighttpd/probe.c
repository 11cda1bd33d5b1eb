/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe SECONDS URL [CA-FILE]: asks until it is answered 200, for so long at most. What `helm test` runs
 * in the cluster, where names, network policies and certificates are those that a client meets.
 *
 * Exits with 0 when it was, 1 when not (and says what came last), 2 when called in another way.
 */
#include "base/clock.h"

#include <curl/curl.h>
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

/* One answer's status; 0 when there was none until then, and `why` says why. */
static long ask(const char *url, const char *ca_file, uint64_t until,
                char why[static CURL_ERROR_SIZE])
{
    uint64_t now = clock_ms(), left = until > now ? until - now : 1;
    CURL *easy = curl_easy_init();
    long status = 0;
    CURLcode rc;

    if (!easy)
        abort();
    why[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left < ASK_MS ? (long)left : ASK_MS);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    if (ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the system's CAs are not asked */
    }
    rc = curl_easy_perform(easy);
    if (rc == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    else if (!why[0])
        snprintf(why, CURL_ERROR_SIZE, "%s", curl_easy_strerror(rc));
    curl_easy_cleanup(easy);
    return status;
}

int main(int argc, char **argv)
{
    const char *url = argc > 2 ? argv[2] : NULL;
    const char *ca_file = argc > 3 ? argv[3] : NULL;
    char *end = NULL, why[CURL_ERROR_SIZE];
    unsigned long seconds = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
    uint64_t until;
    long status;

    if (argc < 3 || argc > 4 || *end || seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: probe SECONDS URL [CA-FILE], SECONDS from 1 to %d\n", SECONDS_MAX);
        return USAGE;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    until = clock_ms() + seconds * 1000;
    while ((status = ask(url, ca_file, until, why)) != 200 && clock_ms() + PAUSE_MS < until)
        usleep(PAUSE_MS * 1000);
    curl_global_cleanup();
    if (status == 200) {
        printf("%s answers\n", url);
        return EXIT_SUCCESS;
    }
    if (status)
        fprintf(stderr, "probe: %s answers %ld, not 200\n", url, status);
    else
        fprintf(stderr, "probe: %s does not answer: %s\n", url, why);
    return EXIT_FAILURE;
}
