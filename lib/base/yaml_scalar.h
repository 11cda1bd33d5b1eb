/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plain scalar of YAML stands for. As sigs.k8s.io/yaml, and with it kubectl, takes it
 * (goyaml.v2, resolve.go): YAML 1.1 without numbers to base 60, dates being texts.
 */
#pragma once

#include "str.h"

enum yaml_meaning {
    YAML_TEXT,    /* itself */
    YAML_VALUE,   /* null, a boolean or a number */
    YAML_TOO_BIG, /* a number that neither a double holds nor JSON's digits */
    YAML_NO_JSON, /* a number that JSON does not have */
};

/* Appends YAML_VALUE as JSON to `out`; else appends nothing that is of use. */
enum yaml_meaning yaml_resolve(const char *text, struct str *out);
