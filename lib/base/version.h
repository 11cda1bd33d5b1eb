/* SPDX-License-Identifier: Apache-2.0 */
/* The version of all programs; the chart's appVersion is the same. */
#pragma once

#ifndef VMEXPORT_VERSION
#define VMEXPORT_VERSION "0.1.0"
#endif
