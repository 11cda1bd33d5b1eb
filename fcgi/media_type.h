/* SPDX-License-Identifier: Apache-2.0 */
/* The media type of a file by its name (https://www.iana.org/assignments/media-types/). */
#pragma once

/*
 * By the extension of the last segment of `path`, in any case; application/octet-stream when there
 * is none or an unknown one. The content is not looked at: a guest must not choose how a browser
 * reads its files.
 */
const char *media_type(const char *path);
