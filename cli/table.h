/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in columns, for standard output: what servers said cannot speak to the terminal. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <time.h>

enum { TABLE_COLUMNS_MAX = 10 };

/* Rows of the same number of columns, the head first. Start from zeros; end with table_free. */
struct table {
    char **cell;
    size_t count, size, columns;
};

/* The next row, ended by NULL. The first row says how many columns there are. */
void table_row(struct table *table, const char *const *cells);
void table_print(const struct table *table, struct str *out);
void table_free(struct table *table);

/* Appends a text with '?' for each control character. */
void table_plain(const char *text, struct str *out);
/* Appends a duration as kubectl shows ages: "45s", "12m", "3h", "8d"; what is negative is 0. */
void table_age(time_t seconds, struct str *out);

/* Writes all of it to standard output. */
int table_write(const struct str *text, struct err *err);
