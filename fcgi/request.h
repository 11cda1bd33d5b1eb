/* SPDX-License-Identifier: Apache-2.0 */
/* One request as a handler sees it: CGI's meta-variables (RFC 3875 §4.1) and what is derived from
 * them. */
#pragma once

#include "volume.h"

#include <stdbool.h>

struct request {
    char **envp;       /* CGI meta-variables; owned by libfcgi or the process */
    const char *path;  /* decoded, starts with '/', without the export's external prefix */
    const char *query; /* as sent, "" when there is none */
    bool head;
    bool from_shell; /* started by hand, not by a web server: there is nobody to ask for a token */
    const struct volume_table *volumes;
};

/* Fills `req`; it points into `envp`. */
void request_init(struct request *req, char **envp, bool plain_cgi,
                  const struct volume_table *volumes);

/* A meta-variable ("HTTP_RANGE"), NULL when it is not set. */
const char *request_param(const struct request *req, const char *name);

/* Appends the decoded first value of a query parameter; false when the parameter is not there. */
bool request_query(const struct request *req, const char *key, struct str *value);

/*
 * Takes "/volumes/NAME/rest" apart. `rest` points at what follows the volume's name: "" or "/...".
 * ERR_NOT_FOUND when the path is no such path or names no volume of this export.
 */
int request_volume(const struct request *req, const struct volume **volume, const char **rest,
                   struct err *err);

/* Whether the Accept header names the media type (parameters and weights are not looked at). */
bool request_accepts(const struct request *req, const char *media_type);
