/* SPDX-License-Identifier: Apache-2.0 */
/* Others go the same way: by a port of this machine, or libcurl by a socket. */
#include "api/forward_listener.h"
#include "port_forward_fixture.h"

#include <stddef.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- for others ---- */

/* It stays bound, so that no test beside is given it: who listens with SO_REUSEADDR may all the same. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void others_can_use_it(void **state)
{
    int port = free_port(), one, two;
    char line[80];
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    assert_int_equal(port_forward_listen(f.forward, (unsigned)port, &f.err), 0);
    snprintf(line, sizeof(line), "Forwarding from 127.0.0.1:%d -> 8443\n", port);
    assert_string_equal(said(&f), line);
    one = dial(port);
    two = dial(port);
    exchange(one, 1 << 20);
    exchange(two, 10);
    close(one);
    close(two);
    SET(&f, pods, LIST_OF(""));
    one = dial(port);
    assert_string_equal(rest(one), "");
    close(one);
    UNTIL(strstr(said(&f), "warning: no connection for port"));
    assert_non_null(strstr(said(&f), "no pod of the Service 'svc' is ready"));
    stop(&f);
}

static void a_port_that_is_taken_is_said(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    assert_int_equal(port_forward_listen(f.forward, (unsigned)f.server.port, &f.err), -1);
    assert_non_null(strstr(f.err.msg, "Address already in use"));
    close(connected(&f));
    stop(&f);
}

/* What one waits for is not the others' trouble. */
static void who_is_not_answered_holds_up_nobody(void **state)
{
    int port = free_port(), one, two;
    struct fixture f;
    uint64_t begun;

    (void)state;
    start(&f, FORWARD_ECHO);
    SET(&f, holds, 1);
    assert_int_equal(port_forward_listen(f.forward, (unsigned)port, &f.err), 0);
    one = dial(port);
    UNTIL(atomic_load(&f.server.held) == 1);
    two = dial(port);
    exchange(two, 1000);
    begun = clock_ms();
    port_forward_free(f.forward); /* nor is the end held up */
    f.forward = NULL;
    assert_true(clock_ms() - begun < 5000);
    assert_string_equal(rest(one), "");
    close(one);
    close(two);
    stop(&f);
}

static void so_many_at_once_and_no_more(void **state)
{
    int port = free_port(), fds[FORWARD_LISTENER_MOST + 4];
    struct fixture f;

    (void)state;
    start(&f, FORWARD_ECHO);
    SET(&f, holds, COUNT(fds));
    assert_int_equal(port_forward_listen(f.forward, (unsigned)port, &f.err), 0);
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial(port);
    UNTIL(atomic_load(&f.server.held) == FORWARD_LISTENER_MOST);
    usleep(100 * 1000);
    assert_int_equal(atomic_load(&f.server.held), FORWARD_LISTENER_MOST);
    atomic_store(&f.server.go, true);
    for (size_t i = 0; i < COUNT(fds); i++)
        exchange(fds[i], 100);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    stop(&f);
}

/* ---- the socket for libcurl ---- */

/* Connects to the abstract socket `name`, by system calls alone: also for a child of many threads. */
static int dial_abstract(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path + 1, name, strlen(name));
    return connect(fd, (struct sockaddr *)&address, len) < 0 ? -1 : fd;
}

/* What becomes of another user who has found the name in /proc/net/unix: 0 when nothing comes. */
static int try_as_another(const char *name)
{
    struct timeval patience = {.tv_sec = 20};
    char byte = 'x';
    int fd;

    if (setuid(65534) < 0 || (fd = dial_abstract(name)) < 0)
        return 2;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)send(fd, &byte, 1, MSG_NOSIGNAL);
    if (recv(fd, &byte, 1, 0) > 0)
        return 1;
    return errno == EAGAIN ? 3 : 0;
}

static void nobody_else_gets_through_the_socket(void **state)
{
    struct fixture f;
    const char *name;
    int fd, status;
    pid_t child;

    (void)state;
    if (geteuid() != 0)
        SKIP("only root can be somebody else");
    start(&f, FORWARD_ECHO);
    name = port_forward_socket(f.forward, &f.err);
    assert_non_null(name);
    child = fork();
    if (child == 0)
        _exit(try_as_another(name));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(atomic_load(&f.server.upgrades), 0);
    fd = dial_abstract(name);
    assert_true(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    exchange(fd, 1000);
    close(fd);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_can_use_it),
        cmocka_unit_test(a_port_that_is_taken_is_said),
        cmocka_unit_test(who_is_not_answered_holds_up_nobody),
        cmocka_unit_test(so_many_at_once_and_no_more),
        cmocka_unit_test(nobody_else_gets_through_the_socket),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
