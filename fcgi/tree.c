/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories from the root down to where the walk is are a stack of levels, each with its
 * names and its descriptor, so that no path is ever resolved from the root again: depth and length
 * of paths do not matter, and nothing can be moved away underneath.
 */
#include "tree.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "names.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

struct level {
    int fd;
    struct names names;
    size_t next;     /* of names */
    size_t path_len; /* of the directory's own path */
};

struct tree {
    struct level *level;
    size_t depth, room;
    struct str path; /* of the last entry */
    int root;        /* until the first call */
    bool enter;      /* the last entry is a directory: the next call goes into it */
};

struct tree *tree_new(int root, struct err *err)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (!tree) {
        close(root);
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot walk a directory");
        return NULL;
    }
    tree->root = root;
    return tree;
}

static void leave(struct tree *tree)
{
    struct level *level = &tree->level[--tree->depth];

    names_release(&level->names);
    close(level->fd);
}

void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    while (tree->depth)
        leave(tree);
    if (tree->root >= 0)
        close(tree->root);
    free(tree->level);
    str_free(&tree->path);
    free(tree);
}

static void set_path(struct tree *tree, size_t parent_len, const char *name)
{
    tree->path.len = parent_len;
    str_putc(&tree->path, '/');
    str_puts(&tree->path, name);
}

/* Makes the open directory `fd`, whose path is the tree's, the innermost level. Takes `fd` over. */
static int enter(struct tree *tree, int fd, struct err *err)
{
    struct level *level;

    if (tree->depth == tree->room) {
        size_t room = tree->room ? 2 * tree->room : 16;
        struct level *grown = realloc(tree->level, room * sizeof(*grown));

        if (!grown) {
            close(fd);
            return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot walk a directory");
        }
        tree->level = grown;
        tree->room = room;
    }
    level = &tree->level[tree->depth++];
    *level = (struct level){.fd = fd, .names = NAMES_INIT, .path_len = tree->path.len};
    if (names_read(&level->names, fd, TREE_NAMES_MAX, err) < 0) {
        leave(tree);
        return err_wrap(err, "'%s'", str_get(&tree->path));
    }
    return 0;
}

static int enter_last(struct tree *tree, struct err *err)
{
    const struct level *parent = &tree->level[tree->depth - 1];
    const char *name = names_get(&parent->names, parent->next - 1);
    int fd;

    tree->enter = false;
    if (tree->depth == TREE_DEPTH_MAX)
        return err_set(err, ERR_INPUT, "'%s' is deeper than %d directories", str_get(&tree->path),
                       TREE_DEPTH_MAX);
    fd = openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_NONE, errno, "cannot open directory '%s'", str_get(&tree->path));
    return enter(tree, fd, err);
}

static int first_entry(struct tree *tree, struct tree_entry *entry, struct err *err)
{
    int root = tree->root;

    tree->root = -1;
    str_putc(&tree->path, '.');
    *entry = (struct tree_entry){.path = str_get(&tree->path), .name = ".", .dir = root};
    if (fstat(root, &entry->st) < 0) {
        err_errno(err, ERR_IO, errno, "cannot stat '.'");
        close(root);
        return -1;
    }
    return enter(tree, root, err) < 0 ? -1 : 1;
}

int tree_next(struct tree *tree, struct tree_entry *entry, struct err *err)
{
    struct level *level;
    const char *name;

    if (tree->root >= 0)
        return first_entry(tree, entry, err);
    if (tree->enter && enter_last(tree, err) < 0)
        return -1;
    while (tree->depth &&
           tree->level[tree->depth - 1].next == tree->level[tree->depth - 1].names.count)
        leave(tree);
    if (!tree->depth)
        return 0;
    level = &tree->level[tree->depth - 1];
    name = names_get(&level->names, level->next++);
    set_path(tree, level->path_len, name);
    *entry = (struct tree_entry){.path = str_get(&tree->path), .name = name, .dir = level->fd};
    if (fstatat(level->fd, name, &entry->st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(err, ERR_NONE, errno, "cannot stat '%s'", entry->path);
    tree->enter = S_ISDIR(entry->st.st_mode);
    return 1;
}

void tree_pass_over(struct tree *tree)
{
    tree->enter = false;
}

const char *tree_path(const struct tree *tree)
{
    return str_get(&tree->path);
}
