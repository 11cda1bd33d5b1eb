/* SPDX-License-Identifier: Apache-2.0 */
/* YAML out of a JSON tree and into one: yaml.c and yaml_parse.c alone know libyaml. */
#pragma once

#include "err.h"
#include "json.h"
#include "str.h"

/* A document is no longer than this as JSON on one line, its aliases written out. */
enum { YAML_MAX = 4 * 1024 * 1024 };

/*
 * Appends `json` as a YAML document without markers, ending in a line break: block style, keys in
 * byte order. Readers of YAML 1.1 and of 1.2 get the same values back.
 */
int yaml_print(const struct json *json, struct str *out, struct err *err);

/*
 * One document of YAML 1.1, or of JSON, as kubectl reads it (sigs.k8s.io/yaml): plain scalars may be
 * null, booleans, integers or floats; an empty text is null. text[len] must be NUL. The caller frees
 * the tree. NULL with ERR_INPUT and the line and column of what is wrong.
 *
 * Stricter than kubectl: no second document, no key twice, no merge keys, no tags but those of
 * strings, maps and sequences, no number that a double cannot hold.
 */
struct json *yaml_parse(const char *text, size_t len, struct err *err);
