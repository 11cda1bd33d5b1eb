/* SPDX-License-Identifier: Apache-2.0 */
#include "http_trust.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/*
 * A body without a length ends where the connection does. That nobody cut it there is told by TLS's
 * own end (close_notify, RFC 8446 §6.1), of which libcurl does not tell.
 */
static void see_alert(const SSL *ssl, int where, int value)
{
    bool *ended_well = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
        *ended_well = true;
}

static CURLcode watch_alerts(CURL *easy, void *context, void *ended_well)
{
    (void)easy;
    SSL_CTX_set_app_data(context, ended_well);
    SSL_CTX_set_info_callback(context, see_alert);
    return CURLE_OK;
}

void http_trust(CURL *easy, const struct http_peer *peer, bool *ended_well)
{
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, watch_alerts);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, ended_well);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)!peer->insecure);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, peer->insecure ? 0L : 2L);
    if (peer->ca[0]) {
        struct curl_blob blob = {(void *)(uintptr_t)peer->ca, strlen(peer->ca), CURL_BLOB_COPY};
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the system's are not trusted, too */
    } else if (getenv("SSL_CERT_FILE")) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, getenv("SSL_CERT_FILE")); /* as curl(1) and Go */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}
