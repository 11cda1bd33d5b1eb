/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include <string.h>
#include <time.h>

long long drive_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* ---- what libcurl wants ---- */

static int on_timer(CURLM *multi, long ms, void *ctx)
{
    struct drive *drive = ctx;

    (void)multi;
    drive->due_ms = ms < 0 ? -1 : drive_now_ms() + ms;
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    struct drive *drive = ctx;
    size_t i = 0;

    (void)easy;
    (void)unused;
    while (i < drive->sockets && drive->socket[i].fd != fd)
        i++;
    if (what == CURL_POLL_REMOVE) {
        if (i < drive->sockets)
            drive->socket[i] = drive->socket[--drive->sockets];
        return 0;
    }
    if (i == DRIVE_SOCKETS)
        return -1;
    drive->sockets += i == drive->sockets;
    drive->socket[i] = (struct pollfd){.fd = fd,
                                       .events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
                                                         (what & CURL_POLL_OUT ? POLLOUT : 0))};
    return 0;
}

void drive_init(struct drive *drive, CURLM *multi)
{
    *drive = (struct drive){.multi = multi, .due_ms = -1};
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, drive);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, drive);
}

/* ---- a turn ---- */

static int wait_ms(const struct drive *drive, int most)
{
    long long left = drive->due_ms < 0 ? most : drive->due_ms - drive_now_ms();

    return left < 0 ? 0 : left > most ? most : (int)left;
}

static CURLMcode serve_socket(struct drive *drive, const struct pollfd *ready, int *running)
{
    int events = (ready->revents & ready->events & POLLOUT ? CURL_CSELECT_OUT : 0) |
                 (ready->revents & ~POLLOUT ? CURL_CSELECT_IN : 0);
    CURLMcode rc;

    do {
        drive->got = false;
        rc = curl_multi_socket_action(drive->multi, ready->fd, events, running);
    } while (rc == CURLM_OK && *running && drive->got);
    return rc;
}

CURLMcode drive_turn(struct drive *drive, int most, int *running)
{
    struct pollfd ready[DRIVE_SOCKETS];
    size_t count = drive->sockets;
    CURLMcode rc = CURLM_OK;

    /* A copy, as libcurl changes the list when it is called. */
    memcpy(ready, drive->socket, count * sizeof(*ready));
    drive->idle = poll(ready, count, wait_ms(drive, most)) <= 0;
    for (size_t i = 0; i < count && rc == CURLM_OK && *running; i++)
        if (!drive->idle && ready[i].revents)
            rc = serve_socket(drive, &ready[i], running);
    if (rc == CURLM_OK && *running && drive->due_ms >= 0 && drive_now_ms() >= drive->due_ms) {
        drive->due_ms = -1;
        rc = curl_multi_socket_action(drive->multi, CURL_SOCKET_TIMEOUT, 0, running);
    }
    return rc;
}

CURLcode drive_result(struct drive *drive)
{
    CURLcode result = CURLE_ABORTED_BY_CALLBACK;
    int left;

    for (CURLMsg *msg; (msg = curl_multi_info_read(drive->multi, &left));)
        if (msg->msg == CURLMSG_DONE)
            result = msg->data.result;
    return result;
}
