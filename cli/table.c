/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include "base/io.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GAP = 3 }; /* between two columns, as kubectl has it */

static bool is_control(const char *at)
{
    unsigned char c = (unsigned char)at[0], next = c ? (unsigned char)at[1] : 0;

    return c < ' ' || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0); /* C0, DEL, C1 */
}

void table_plain(const char *text, struct str *out)
{
    for (; *text; text++)
        str_putc(out, is_control(text) ? '?' : *text);
}

void table_row(struct table *table, const char *const *cells)
{
    if (!table->columns)
        while (cells[table->columns])
            table->columns++;
    if (table->count + table->columns > table->size) {
        table->size = 2 * table->size + 16 * table->columns;
        table->cell = realloc(table->cell, table->size * sizeof(*table->cell));
        if (!table->cell)
            abort();
    }
    for (size_t i = 0; i < table->columns; i++) {
        struct str plain = STR_INIT;

        table_plain(*cells[i] ? cells[i] : "-", &plain);
        table->cell[table->count++] = str_steal(&plain);
    }
}

void table_print(const struct table *table, struct str *out)
{
    size_t width[TABLE_COLUMNS_MAX] = {0};

    for (size_t i = 0; i < table->count; i++) {
        size_t len = strlen(table->cell[i]), *widest = &width[i % table->columns];

        *widest = len > *widest ? len : *widest;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;

        if (column + 1 == table->columns)
            str_printf(out, "%s\n", table->cell[i]);
        else
            str_printf(out, "%-*s", (int)width[column] + GAP, table->cell[i]);
    }
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (struct table){0};
}

void table_age(time_t seconds, struct str *out)
{
    static const struct {
        time_t from, unit;
        char letter;
    } units[] = {{48 * 3600, 24 * 3600, 'd'}, {3 * 3600, 3600, 'h'}, {120, 60, 'm'}, {0, 1, 's'}};
    size_t i = 0;

    seconds = seconds < 0 ? 0 : seconds;
    while (seconds < units[i].from)
        i++;
    str_printf(out, "%lld%c", (long long)(seconds / units[i].unit), units[i].letter);
}

int table_write(const struct str *text, struct err *err)
{
    /* io_writev takes writable memory, as readers and writers share the struct. */
    struct iovec iov = {text->data, text->len};

    return text->len && io_writev(STDOUT_FILENO, &iov, 1, err) < 0
               ? err_wrap(err, "cannot write to standard output")
               : 0;
}
