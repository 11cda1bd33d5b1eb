/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ENTITY_NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const char listing_html_head[] =
    "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n";
const char listing_html_tail[] = "</pre>\n";

enum look { LOOK_OK, LOOK_GONE, LOOK_DENIED };

/* What `errnum` of a look at an entry means; negative when the disk failed. */
static int judge(const struct names *names, size_t i, int errnum, struct err *err)
{
    if (errnum == ENOENT)
        return LOOK_GONE;
    if (errnum == EACCES || errnum == EPERM)
        return LOOK_DENIED;
    return err_errno(err, ERR_IO, errnum, "cannot look at '%s' in the directory",
                     names_get(names, i));
}

static int look_at(const struct names *names, size_t i, struct stat *st, struct err *err)
{
    if (fstatat(names->fd, names_get(names, i), st, AT_SYMLINK_NOFOLLOW) == 0)
        return LOOK_OK;
    return judge(names, i, errno, err);
}

/* What HTML knows without a ';' too (https://html.spec.whatwg.org/#named-character-references). */
static const char *const bare_entities[] = {
    "AElig",  "AMP",    "Aacute", "Acirc",  "Agrave", "Aring",  "Atilde", "Auml",   "COPY",
    "Ccedil", "ETH",    "Eacute", "Ecirc",  "Egrave", "Euml",   "GT",     "Iacute", "Icirc",
    "Igrave", "Iuml",   "LT",     "Ntilde", "Oacute", "Ocirc",  "Ograve", "Oslash", "Otilde",
    "Ouml",   "QUOT",   "REG",    "THORN",  "Uacute", "Ucirc",  "Ugrave", "Uuml",   "Yacute",
    "aacute", "acirc",  "acute",  "aelig",  "agrave", "amp",    "aring",  "atilde", "auml",
    "brvbar", "ccedil", "cedil",  "cent",   "copy",   "curren", "deg",    "divide", "eacute",
    "ecirc",  "egrave", "eth",    "euml",   "frac12", "frac14", "frac34", "gt",     "iacute",
    "icirc",  "iexcl",  "igrave", "iquest", "iuml",   "laquo",  "lt",     "macr",   "micro",
    "middot", "nbsp",   "not",    "ntilde", "oacute", "ocirc",  "ograve", "ordf",   "ordm",
    "oslash", "otilde", "ouml",   "para",   "plusmn", "pound",  "quot",   "raquo",  "reg",
    "sect",   "shy",    "sup1",   "sup2",   "sup3",   "szlig",  "thorn",  "times",  "uacute",
    "ucirc",  "ugrave", "uml",    "uuml",   "yacute", "yen",    "yuml",
};

/* Whether HTML sees a character reference in an attribute's '&' and what follows it. */
static bool begins_entity(const char *ampersand)
{
    const char *name = ampersand + 1;
    size_t len = strspn(name, ENTITY_NAME);

    if (name[len] == ';' || name[len] == '=')
        return name[len] == ';';
    for (size_t i = 0; i < sizeof(bare_entities) / sizeof(bare_entities[0]); i++)
        if (strlen(bare_entities[i]) == len && memcmp(bare_entities[i], name, len) == 0)
            return true;
    return false;
}

/*
 * A reference to the entry, relative to its directory's page, as Go's url.URL writes it, with one
 * difference: Go leaves every '&' as it is, and a browser takes "&lt" in a name for '<'. A '&' that
 * begins such a thing is written as %26 here, which means the same in a path.
 */
static void append_href(struct str *out, const char *name, bool directory)
{
    cleanup_str struct str path = STR_INIT;

    if (strchr(name, ':')) /* else what is before it would be a scheme (RFC 3986 §4.2) */
        str_puts(out, "./");
    if (strcmp(name, "*") == 0 && !directory)
        str_puts(&path, name); /* Go's one exception */
    else
        str_url_path(&path, name);
    for (const char *p = str_get(&path); *p; p++) {
        if (*p == '&' && begins_entity(p))
            str_puts(out, "%26");
        else
            str_putc(out, *p);
    }
    if (directory)
        str_putc(out, '/');
}

int listing_html(const struct names *names, size_t i, struct str *out, struct err *err)
{
    const char *name = names_get(names, i);
    unsigned char type = names_type(names, i);
    bool directory = type == DT_DIR;

    if (type == DT_UNKNOWN) { /* the file system does not say */
        struct stat st;
        int look = look_at(names, i, &st, err);

        if (look < 0 || look == LOOK_GONE)
            return look < 0 ? -1 : 0;
        directory = look == LOOK_OK && S_ISDIR(st.st_mode);
    }
    str_puts(out, "<a href=\"");
    append_href(out, name, directory); /* has nothing that HTML would escape */
    str_puts(out, "\">");
    str_html(out, name);
    str_puts(out, directory ? "/</a>\n" : "</a>\n");
    return 0;
}

static const struct {
    unsigned char type;
    const char *name;
} type_names[] = {
    {DT_REG, "file"},    {DT_DIR, "directory"}, {DT_LNK, "symlink"},   {DT_FIFO, "fifo"},
    {DT_SOCK, "socket"}, {DT_BLK, "block"},     {DT_CHR, "character"},
};

static const char *type_name(unsigned char type)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
        if (type_names[i].type == type)
            return type_names[i].name;
    return "unknown"; /* neither the directory says it nor may the entry be looked at */
}

static void append_mtime(struct str *out, time_t mtime)
{
    char text[32];
    struct tm tm;

    if (!gmtime_r(&mtime, &tm) || tm.tm_year < 0 || tm.tm_year > 9999 - 1900)
        return; /* a damaged file system: RFC 3339 cannot say such a year */
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    str_printf(out, ",\"mtime\":\"%s\"", text);
}

/* Negative, or a LOOK_: a link may be gone or denied even after it was seen. */
static int append_target(const struct names *names, size_t i, struct str *out, struct err *err)
{
    char target[PATH_MAX + 1];
    ssize_t len = readlinkat(names->fd, names_get(names, i), target, sizeof(target) - 1);

    if (len < 0)
        return judge(names, i, errno == EINVAL ? ENOENT : errno, err);
    target[len] = '\0';
    str_puts(out, ",\"target\":\"");
    str_json(out, target);
    str_putc(out, '"');
    return LOOK_OK;
}

int listing_json(const struct names *names, size_t i, struct str *out, bool *shown, struct err *err)
{
    const char *name = names_get(names, i);
    unsigned char type = names_type(names, i);
    struct stat st;
    int look = look_at(names, i, &st, err);

    *shown = look != LOOK_GONE;
    if (look < 0 || look == LOOK_GONE)
        return look < 0 ? -1 : 0;
    if (look == LOOK_OK)
        type = IFTODT(st.st_mode);
    str_puts(out, "{\"name\":\"");
    str_json(out, name);
    str_puts(out, "\",\"href\":\"");
    append_href(out, name, type == DT_DIR); /* has nothing that JSON would escape */
    str_printf(out, "\",\"type\":\"%s\"", type_name(type));
    if (look == LOOK_OK) {
        if (type == DT_REG)
            str_printf(out, ",\"size\":%lld", (long long)st.st_size);
        append_mtime(out, st.st_mtim.tv_sec);
        if (type == DT_LNK && append_target(names, i, out, err) < 0)
            return -1;
    }
    str_putc(out, '}');
    return 0;
}
