/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/io.h"
#include "kube/secret.h"
#include "serve/local_pod_private.h"
#include "serve/self_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RANDOM_BYTES = 16 };

void local_pod_path(const struct local_pod *pod, const char *name, struct str *path)
{
    str_clear(path);
    str_printf(path, "%s/%s", str_get(&pod->folder), name);
}

static int make_folder(struct local_pod *pod, struct err *err)
{
    static const char *const folders[] = {"run", "manifests"};
    const char *tmp = getenv("TMPDIR");
    cleanup_str struct str path = STR_INIT;

    str_printf(&path, "%s/vmexport-serve-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path.data))
        return err_errno(err, ERR_IO, errno, "cannot make the folder '%s'", str_get(&path));
    str_puts(&pod->folder, str_get(&path));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        local_pod_path(pod, folders[i], &path);
        if (mkdir(str_get(&path), 0700) < 0)
            return err_errno(err, ERR_IO, errno, "cannot make the folder '%s'", str_get(&path));
    }
    return 0;
}

static int write_file(const struct local_pod *pod, const char *name, const char *text,
                      struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    cleanup_close int fd = -1;
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};

    local_pod_path(pod, name, &path);
    fd = open(str_get(&path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot make '%s'", str_get(&path));
    if (io_writev(fd, &iov, 1, err) < 0)
        return err_wrap(err, "cannot write '%s'", str_get(&path));
    return 0;
}

int local_pod_random(struct str *text, struct err *err)
{
    unsigned char bytes[RANDOM_BYTES];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return err_set(err, ERR_SYSTEM, "cannot make a token: no random numbers");
    for (size_t i = 0; i < sizeof(bytes); i++)
        str_printf(text, "%02x", bytes[i]);
    return 0;
}

static int write_certificate(const struct local_pod *pod, struct err *err)
{
    cleanup_str struct str cert = STR_INIT, key = STR_INIT;
    char host[256] = "";
    const char *names[] = {"localhost", "127.0.0.1", str_get(&pod->connect), host};

    gethostname(host, sizeof(host) - 1);
    local_pod_path(pod, "tls.crt", &cert);
    local_pod_path(pod, "tls.key", &key);
    return self_signed_write(str_get(&cert), str_get(&key), names, sizeof(names) / sizeof(names[0]),
                             err);
}

int local_pod_fill(struct local_pod *pod, struct err *err)
{
    cleanup_secret struct str header = STR_INIT;

    if (make_folder(pod, err) < 0 || local_pod_random(&pod->token, err) < 0)
        return -1;
    str_printf(&header, LOCAL_POD_HEADER ": %s\n", str_get(&pod->token));
    if (write_file(pod, "token", str_get(&pod->token), err) < 0 ||
        write_file(pod, "curl-header", str_get(&header), err) < 0 ||
        write_file(pod, "manifests/export-name", "local", err) < 0)
        return -1;
    return write_certificate(pod, err);
}

static int nftw_remove(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void local_pod_remove(struct local_pod *pod)
{
    if (pod->folder.len)
        nftw(str_get(&pod->folder), nftw_remove, 16, FTW_DEPTH | FTW_PHYS);
}
