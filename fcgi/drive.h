/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives a libcurl multi handle by poll(2) in the caller's thread, for one transfer at a time
 * (https://curl.se/libcurl/c/curl_multi_socket_action.html).
 *
 * libcurl does not know when OpenSSL has read ahead, and waits for a socket although there is more.
 * So it is called again for a socket that was ready until that brings nothing more.
 */
#pragma once

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    DRIVE_SOCKETS = 8
}; /* an attempt for each kind of address, and what libcurl wakes itself by */

struct drive {
    CURLM *multi;
    struct pollfd socket[DRIVE_SOCKETS]; /* what libcurl waits for */
    size_t sockets;
    long long due_ms; /* when it wants to be called in any case, -1 for never */
    bool got;         /* set by the caller's callbacks: something came */
    bool idle;        /* no socket was ready in the last turn */
};

/* `multi` stays the caller's, and keeps a pointer to `drive`. */
void drive_init(struct drive *drive, CURLM *multi);

/* Waits for libcurl's sockets, at most `most` milliseconds, and has it do what there is to do.
 * `running` becomes 0 when the transfer is over. */
CURLMcode drive_turn(struct drive *drive, int most, int *running);

/* How the transfer ended that is over. */
CURLcode drive_result(struct drive *drive);

/* Milliseconds of a clock that never jumps. */
long long drive_now_ms(void);
