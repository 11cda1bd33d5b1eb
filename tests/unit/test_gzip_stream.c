/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool starts once a process, so each export runs in a child of its own and leaves its body in
 * a memory file or a socket that the parent reads.
 */
#include "base/cleanup.h"
#include "export/format.h"
#include "judge.h"
#include "stream/gzip_stream.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Else each child would end a second later, as its pool's threads still run. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}

/* What a child has to say; shared memory. */
static struct outcome {
    int rc;
    unsigned threads;
    struct err err;
} * outcome;

/* ---- the disk ---- */

enum { BLOCKS = 12, TAIL = 123457, DISK_SIZE = BLOCKS * FORMAT_BLOCK + TAIL };

static uint8_t *disk;
static const bool hole[BLOCKS + 1] = {[1] = true, [6] = true, [7] = true, [9] = true};

/* Blocks of text, noise, zeros that are written, zeros at one end, islands; some are holes. */
static void make_disk(void)
{
    enum { MIB = FORMAT_BLOCK };

    fill_text(disk, MIB, 1);
    fill_noise(disk + 3 * MIB, MIB, 2);
    fill_text(disk + 4 * MIB + MIB / 2, MIB / 2, 3); /* zeros, then text */
    fill_text(disk + 5 * MIB, MIB / 2 + 100, 4);     /* text, then zeros, then two holes */
    fill_text(disk + 8 * MIB + 9 * 4096, 1000, 5);   /* one island */
    fill_text(disk + 10 * MIB, MIB, 6);
    fill_noise(disk + 10 * MIB + 3 * 4096, 4096, 7);
    memset(disk + 10 * MIB + 40 * 4096, 0, 8 * 4096); /* zeros within */
    fill_text(disk + 11 * MIB, MIB + TAIL / 2, 8);
}

static int memory_file(const uint8_t *data, size_t len)
{
    int fd = memfd_create("disk", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, 0), len);
    return fd;
}

/* ---- an export, in a child ---- */

enum how {
    SPARSE,    /* holes are said to be holes */
    ALLOCATED, /* all is read */
    GATHERED,  /* given as bytes in odd pieces */
    ZEROS,     /* one hole and nothing else */
};

struct export
{
    enum how how;
    unsigned threads;
    int fd; /* the disk */
    uint64_t size;
    off_t from;   /* a part is left out */
    int out;      /* where the body goes */
    uint16_t id;  /* as records, or plain when 0 */
    int not_mine; /* a descriptor that the child closes; 0 for none */
    bool only_start;
};

static int feed_blocks(struct gzip_stream *s, const struct export *e, struct err *err)
{
    off_t size = (off_t)e->size;

    for (off_t at = e->from; at < size; at += FORMAT_BLOCK) {
        size_t len = size - at < FORMAT_BLOCK ? (size_t)(size - at) : FORMAT_BLOCK;
        int rc = e->how == SPARSE && hole[at / FORMAT_BLOCK]
                     ? gzip_stream_zeros(s, len, err)
                     : gzip_stream_file(s, e->fd, at, len, err);

        if (rc < 0)
            return -1;
    }
    return 0;
}

static int feed_bytes(struct gzip_stream *s, const struct export *e, struct err *err)
{
    size_t step = 1;

    for (size_t at = (size_t)e->from, len; at < e->size; at += len, step = step * 3 % 300007) {
        len = step < e->size - at ? step : e->size - at;
        if (gzip_stream_write(s, disk + at, len, err) < 0)
            return -1;
    }
    return 0;
}

static int feed(struct gzip_stream *s, const struct export *e, struct err *err)
{
    if (e->how == ZEROS)
        return gzip_stream_zeros(s, e->size, err);
    return e->how == GATHERED ? feed_bytes(s, e, err) : feed_blocks(s, e, err);
}

static int run_stream(const struct export *e, struct err *err)
{
    struct response res;
    struct gzip_stream *s;
    int rc = -1;

    response_init(&res, e->out, e->id, false);
    res.begun = true;
    s = gzip_stream_open(&res, e->how == GATHERED ? GZIP_BYTES : GZIP_FILE,
                         e->size - (uint64_t)e->from, "the disk", err);
    if (s && feed(s, e, err) == 0)
        rc = gzip_stream_finish(s, err);
    gzip_stream_close(s);
    response_release(&res);
    return rc;
}

static int start(unsigned threads, struct err *err)
{
    char number[16];

    snprintf(number, sizeof(number), "%u", threads);
    setenv("VMEXPORT_THREADS", number, 1);
    outcome->threads = 64;
    signal(SIGPIPE, SIG_IGN);
    return gzip_stream_start(&outcome->threads, err);
}

/* Runs one export in a child. */
static pid_t spawn(const struct export *e)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid)
        return pid;
    if (e->not_mine)
        close(e->not_mine);
    outcome->rc = start(e->threads, &outcome->err);
    if (outcome->rc == 0 && !e->only_start)
        outcome->rc = run_stream(e, &outcome->err);
    _exit(0);
}

/* A sanitizer that has found something ends the child with another status. */
static void join(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void read_all(int fd, struct str *out)
{
    static char buf[1 << 16];

    for (;;) {
        ssize_t n = read(fd, buf, sizeof(buf));

        assert_true(n >= 0);
        if (!n)
            return;
        str_append(out, buf, (size_t)n);
    }
}

/* The body of an export that must succeed. */
static void collect(const struct export *e, struct str *body)
{
    cleanup_close int out = memfd_create("body", MFD_CLOEXEC);
    struct export copy = *e;

    copy.out = out;
    join(spawn(&copy));
    if (outcome->rc < 0)
        fail_msg("%s", outcome->err.msg);
    lseek(out, 0, SEEK_SET);
    str_clear(body);
    read_all(out, body);
}

static void body_of(enum how how, unsigned threads, off_t from, struct str *body)
{
    cleanup_close int fd = memory_file(disk, DISK_SIZE);

    collect(
        &(struct export){.how = how, .threads = threads, .fd = fd, .size = DISK_SIZE, .from = from},
        body);
}

static void assert_same(const struct str *a, const struct str *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

/* ---- tests ---- */

static void the_body_is_the_disk(void **state)
{
    cleanup_str struct str body = STR_INIT, content = STR_INIT, pieces = STR_INIT, kinds = STR_INIT;

    (void)state;
    body_of(SPARSE, 2, 0, &body);
    assert_true(judge_gunzip((uint8_t *)body.data, body.len, &content));
    assert_int_equal(content.len, DISK_SIZE);
    assert_memory_equal(content.data, disk, DISK_SIZE);
    assert_true(judge_pieces((uint8_t *)body.data + FORMAT_HEADER,
                             body.len - FORMAT_HEADER - FORMAT_END, &pieces, &kinds));
    assert_int_equal(pieces.len, DISK_SIZE);
    assert_memory_equal(pieces.data, disk, DISK_SIZE);
    /* One run of zeros between two of data, also where blocks meet. */
    assert_null(strstr(kinds.data, "00"));
    assert_string_equal(kinds.data, "D0D0DD0D0D0DDD0");
}

/* For any number of threads, from a sparse copy, an allocated one, or bytes. */
static void the_bytes_depend_on_the_content_alone(void **state)
{
    static const unsigned threads[] = {1, 2, 4};
    cleanup_str struct str first = STR_INIT, body = STR_INIT;

    (void)state;
    body_of(SPARSE, 1, 0, &first);
    for (size_t i = 0; i < COUNT(threads); i++)
        for (int how = SPARSE; how <= GATHERED; how++) {
            body_of((enum how)how, threads[i], 0, &body);
            assert_same(&first, &body);
        }
}

/* ?from=N of a disk, and a disk that is only the rest. */
static void from_a_block_it_is_the_rest_alone(void **state)
{
    static const off_t blocks[] = {1, 3, 6, 7, 9, BLOCKS};

    (void)state;
    for (size_t i = 0; i < COUNT(blocks); i++) {
        off_t from = blocks[i] * FORMAT_BLOCK;
        cleanup_str struct str body = STR_INIT, alone = STR_INIT, content = STR_INIT;
        cleanup_close int rest = memory_file(disk + from, (size_t)(DISK_SIZE - from));

        body_of(SPARSE, 2, from, &body);
        assert_true(judge_gunzip((uint8_t *)body.data, body.len, &content));
        assert_int_equal(content.len, DISK_SIZE - from);
        assert_memory_equal(content.data, disk + from, content.len);
        collect(
            &(struct export){
                .how = ALLOCATED, .threads = 1, .fd = rest, .size = (size_t)(DISK_SIZE - from)},
            &alone);
        assert_same(&body, &alone);
    }
}

/* The children's results of exports that run at the same time in one process. */
static atomic_int failures;

static void *run_one(void *arg)
{
    struct err err;

    if (run_stream(arg, &err) < 0)
        atomic_fetch_add(&failures, 1);
    return NULL;
}

static void streams_share_the_pool(void **state)
{
    enum { STREAMS = 4 };
    cleanup_close int fd = memory_file(disk, DISK_SIZE);
    cleanup_str struct str alone = STR_INIT;
    struct export e[STREAMS];
    pid_t pid;

    (void)state;
    for (int i = 0; i < STREAMS; i++)
        e[i] = (struct export){.how = (enum how)(i % 3),
                               .fd = fd,
                               .size = DISK_SIZE,
                               .out = memfd_create("body", MFD_CLOEXEC)};
    pid = fork();
    if (pid == 0) {
        pthread_t thread[STREAMS];

        outcome->rc = start(3, &outcome->err);
        for (int i = 0; i < STREAMS; i++)
            pthread_create(&thread[i], NULL, run_one, &e[i]);
        for (int i = 0; i < STREAMS; i++)
            pthread_join(thread[i], NULL);
        outcome->rc |= atomic_load(&failures);
        _exit(0);
    }
    join(pid);
    assert_int_equal(outcome->rc, 0);
    body_of(SPARSE, 1, 0, &alone);
    for (int i = 0; i < STREAMS; i++) {
        cleanup_str struct str body = STR_INIT;

        lseek(e[i].out, 0, SEEK_SET);
        read_all(e[i].out, &body);
        close(e[i].out);
        assert_same(&alone, &body);
    }
}

/* Full runs leave while the disk goes on, and no zero is lost between. */
static void long_zeros_are_cut_into_runs(void **state)
{
    enum { RUN = FORMAT_ZERO_RUN_MAX };
    static const struct {
        uint64_t zeros;
        const char *kinds;
    } rows[] = {{1, "0"},        {RUN - 1, "0"},          {RUN, "0"},          {RUN + 1, "00"},
                {2 * RUN, "00"}, {2 * RUN + 4096, "000"}, {3 * RUN - 1, "000"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str body = STR_INIT, kinds = STR_INIT, content = STR_INIT;

        collect(&(struct export){.how = ZEROS, .threads = 1, .fd = -1, .size = rows[i].zeros},
                &body);
        assert_true(judge_pieces((uint8_t *)body.data + FORMAT_HEADER,
                                 body.len - FORMAT_HEADER - FORMAT_END, &content, &kinds));
        assert_string_equal(kinds.data, rows[i].kinds);
        assert_int_equal(content.len, rows[i].zeros);
        str_clear(&content);
        assert_true(judge_gunzip((uint8_t *)body.data, body.len, &content));
    }
}

static void an_empty_disk_is_a_stream(void **state)
{
    cleanup_str struct str body = STR_INIT, content = STR_INIT;

    (void)state;
    collect(&(struct export){.how = ALLOCATED, .threads = 1, .fd = -1}, &body);
    assert_int_equal(body.len, FORMAT_HEADER + FORMAT_END);
    assert_true(judge_gunzip((uint8_t *)body.data, body.len, &content));
    assert_int_equal(content.len, 0);
}

/* A disk that ends early, at each place: the error says where, and the stream never looks whole. */
static void an_error_ends_the_stream_without_an_end(void **state)
{
    static const off_t ends[] = {0, 100, FORMAT_BLOCK - 1, 4 * FORMAT_BLOCK + 5, DISK_SIZE - 1};
    cleanup_str struct str whole = STR_INIT;

    (void)state;
    body_of(ALLOCATED, 2, 0, &whole);
    for (size_t i = 0; i < COUNT(ends); i++) {
        cleanup_close int fd = memory_file(disk, (size_t)ends[i]);
        cleanup_close int out = memfd_create("body", MFD_CLOEXEC);
        cleanup_str struct str body = STR_INIT, content = STR_INIT;
        char offset[64];

        join(spawn(&(struct export){
            .how = ALLOCATED, .threads = 2, .fd = fd, .size = DISK_SIZE, .out = out}));
        assert_int_equal(outcome->rc, -1);
        assert_int_equal(outcome->err.class, ERR_IO);
        snprintf(offset, sizeof(offset), "the disk ends at offset %lld,", (long long)ends[i]);
        assert_non_null(strstr(outcome->err.msg, offset));
        lseek(out, 0, SEEK_SET);
        read_all(out, &body);
        assert_true(body.len < whole.len);
        assert_memory_equal(body.data, whole.data, body.len); /* a beginning of the right one */
        assert_false(judge_gunzip((uint8_t *)body.data, body.len, &content));
        assert_true(content.len <= (size_t)ends[i]);
    }
}

/* Runs the export towards a socket, of which the parent holds the other end. */
static int spawn_to_socket(struct export e, pid_t *pid)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    e.out = pair[1];
    e.id = 1;
    e.not_mine = pair[0];
    *pid = spawn(&e);
    close(pair[1]);
    return pair[0];
}

static void a_slow_reader_gets_the_same(void **state)
{
    cleanup_close int fd = memory_file(disk, DISK_SIZE);
    cleanup_str struct str records = STR_INIT, body = STR_INIT, whole = STR_INIT;
    pid_t pid;
    cleanup_close int in = spawn_to_socket(
        (struct export){.how = SPARSE, .threads = 2, .fd = fd, .size = DISK_SIZE}, &pid);

    (void)state;
    for (int i = 0; i < 200; i++) {
        char buf[1000];
        ssize_t n = read(in, buf, sizeof(buf));

        assert_true(n > 0);
        str_append(&records, buf, (size_t)n);
        usleep(1000);
    }
    read_all(in, &records);
    join(pid);
    assert_int_equal(outcome->rc, 0);
    assert_true(judge_records((uint8_t *)records.data, records.len, 1, &body));
    body_of(SPARSE, 1, 0, &whole);
    assert_same(&whole, &body);
}

/* One that left ends the stream, whatever the stream is made of. */
static void a_reader_that_leaves_is_the_end(void **state)
{
    static const enum how ways[] = {SPARSE, GATHERED, ZEROS};
    cleanup_close int fd = memory_file(disk, DISK_SIZE);

    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct export e = {.how = ways[i], .threads = 2, .fd = fd, .size = DISK_SIZE};
        char buf[20];
        pid_t pid;
        int in;

        if (ways[i] == ZEROS)
            e.size = 1ULL << 50; /* without an end, it would write for hours */
        in = spawn_to_socket(e, &pid);
        assert_int_equal(read(in, buf, sizeof(buf)), sizeof(buf));
        close(in);
        join(pid);
        assert_int_equal(outcome->rc, -1);
        assert_int_equal(outcome->err.class, ERR_PEER);
    }
}

/* A disk of zeros sends nothing for long, so that no write could fail: the socket must be looked
 * at. */
static void a_reader_that_leaves_in_a_silence(void **state)
{
    enum { SIZE = 8 * FORMAT_BLOCK };
    cleanup_close int fd = memfd_create("zeros", MFD_CLOEXEC);
    int pair[2];

    (void)state;
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    shutdown(pair[0], SHUT_WR); /* seen by who looks, and writes still succeed */
    join(spawn(&(struct export){
        .how = ALLOCATED, .threads = 1, .fd = fd, .size = SIZE, .out = pair[1], .id = 1}));
    assert_int_equal(outcome->rc, -1);
    assert_int_equal(outcome->err.class, ERR_PEER);
    close(pair[0]);
    close(pair[1]);
}

static void starting(void **state)
{
    static const unsigned wrong[] = {0, 1025, 4294967295};

    (void)state;
    join(spawn(&(struct export){.threads = 2, .only_start = true}));
    assert_int_equal(outcome->rc, 0);
    assert_in_range(outcome->threads, 2, 64); /* streams: lowered to the memory, never raised */
    for (size_t i = 0; i < COUNT(wrong); i++) {
        join(spawn(&(struct export){.threads = wrong[i], .only_start = true}));
        assert_int_equal(outcome->rc, -1);
        assert_int_equal(outcome->err.class, ERR_INPUT);
    }
}

static int set_up(void **state)
{
    (void)state;
    outcome =
        mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    disk = calloc(1, DISK_SIZE);
    if (outcome == MAP_FAILED || !disk)
        return -1;
    make_disk();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(disk);
    return munmap(outcome, sizeof(*outcome));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_is_the_disk),
        cmocka_unit_test(the_bytes_depend_on_the_content_alone),
        cmocka_unit_test(from_a_block_it_is_the_rest_alone),
        cmocka_unit_test(streams_share_the_pool),
        cmocka_unit_test(long_zeros_are_cut_into_runs),
        cmocka_unit_test(an_empty_disk_is_a_stream),
        cmocka_unit_test(an_error_ends_the_stream_without_an_end),
        cmocka_unit_test(a_slow_reader_gets_the_same),
        cmocka_unit_test(a_reader_that_leaves_is_the_end),
        cmocka_unit_test(a_reader_that_leaves_in_a_silence),
        cmocka_unit_test(starting),
    };

    return cmocka_run_group_tests_name("gzip_stream", tests, set_up, tear_down);
}
