/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/progress_line.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "transfer/progress.h"

#include <stdio.h>

enum { WINDOW_MS = 5000, SHORTEST_MS = 200 };

/* ---- the rate ---- */

static size_t before(size_t at)
{
    return (at + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES;
}

void progress_rate_add(struct progress_rate *rate, uint64_t ms, uint64_t position)
{
    if (rate->count > 0 && position < rate->samples[before(rate->next)].position)
        rate->count = 0;
    rate->samples[rate->next] = (struct progress_sample){ms, position};
    rate->next = (rate->next + 1) % PROGRESS_SAMPLES;
    if (rate->count < PROGRESS_SAMPLES)
        rate->count++;
}

double progress_rate_get(const struct progress_rate *rate)
{
    size_t last = before(rate->next), first = last;

    for (size_t i = 1; i < rate->count; i++) {
        size_t older = before(first);

        if (rate->samples[last].ms - rate->samples[older].ms > WINDOW_MS)
            break;
        first = older;
    }
    if (rate->count == 0 || rate->samples[last].ms - rate->samples[first].ms < SHORTEST_MS)
        return 0;
    return (double)(rate->samples[last].position - rate->samples[first].position) * 1000 /
           (double)(rate->samples[last].ms - rate->samples[first].ms);
}

/* ---- the text ---- */

/* Three digits at the most, but for bytes. */
const char *progress_bytes(uint64_t bytes, char text[PROGRESS_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(text, PROGRESS_SIZE, "%u B", (unsigned)bytes);
        return text;
    }
    while (value >= 999.5) {
        value /= 1024;
        unit++;
    }
    snprintf(text, PROGRESS_SIZE, value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *progress_duration(double seconds, char text[PROGRESS_SIZE])
{
    static const double most = 9999.0 * 86400;
    double bounded = seconds > 0 ? (seconds < most ? seconds : most) : 0;
    uint64_t tenths = (uint64_t)(bounded * 10 + 0.5);
    unsigned whole = (unsigned)((tenths + 5) / 10);

    if (tenths < 100 && tenths % 10 != 0)
        snprintf(text, PROGRESS_SIZE, "%.1f s", (double)tenths / 10);
    else if (whole < 60)
        snprintf(text, PROGRESS_SIZE, "%u s", whole);
    else if (whole < 3600)
        snprintf(text, PROGRESS_SIZE, "%u min %u s", whole / 60, whole % 60);
    else if (whole < 48 * 3600)
        snprintf(text, PROGRESS_SIZE, "%u h %u min", whole / 3600, whole % 3600 / 60);
    else
        snprintf(text, PROGRESS_SIZE, "%u d %u h", whole / 86400, whole % 86400 / 3600);
    return text;
}

/* In whole seconds, never too few. */
static double time_left(uint64_t missing, double rate)
{
    double seconds = (double)missing / rate;

    return seconds < UINT32_MAX ? (double)((uint64_t)seconds + 1) : UINT32_MAX;
}

const char *progress_line(const char *what, uint64_t position, uint64_t total, double rate,
                          char line[PROGRESS_LINE_SIZE])
{
    char done[PROGRESS_SIZE], all[PROGRESS_SIZE], speed[PROGRESS_SIZE], left[PROGRESS_SIZE];
    bool known = total > 0 && position <= total;
    cleanup_str struct str text = STR_INIT;

    str_printf(&text, "%s  %s", what, progress_bytes(position, done));
    if (known)
        str_printf(&text, " of %s  %u %%", progress_bytes(total, all),
                   (unsigned)((double)position / (double)total * 100));
    str_printf(&text, "  %s/s", progress_bytes((uint64_t)rate, speed));
    if (known && rate >= 1 && position < total)
        str_printf(&text, "  %s left", progress_duration(time_left(total - position, rate), left));
    snprintf(line, PROGRESS_LINE_SIZE, "%s", str_get(&text));
    return line;
}
