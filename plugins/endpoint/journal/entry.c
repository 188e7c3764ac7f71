/* entry.c - a record of systemd's journal as a line. */
#include "entry.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { USERS_FROM = 1000, NOBODY = 65534, WORD_MAX = 200 };

static bool number(struct mmr_entry_field f, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (!f.p || !f.n || f.n > 10)
        return false;
    for (size_t i = 0; i < f.n; i++) {
        if (f.p[i] < '0' || f.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(f.p[i] - '0');
    }
    *ret = v;
    return v <= max;
}

static bool is_of_a_user(const struct mmr_entry *e)
{
    uint64_t uid;
    return number(e->uid, UINT32_MAX, &uid) && uid >= USERS_FROM && uid != NOBODY;
}

/* A word of the line's head: what is no visible ASCII ends it; "-" where there is none. */
static char *word(char *at, struct mmr_entry_field f)
{
    size_t n = 0;
    while (f.p && n < f.n && n < WORD_MAX && f.p[n] > ' ' && f.p[n] < 0x7f)
        n++;
    if (!n)
        *at++ = '-';
    else
        memcpy(at, f.p, n);
    at += n;
    *at++ = ' ';
    return at;
}

size_t mmr_entry_line(const struct mmr_entry *e, char *line)
{
    uint64_t facility = 1, priority = 6;
    time_t s = (time_t)(e->time_ns / 1000000000);
    struct tm tm;
    char *at = line;
    if (!e->message.p || !e->message.n || e->time_ns < 0 || !gmtime_r(&s, &tm))
        return 0;
    if (!number(e->facility, 23, &facility))
        facility = 1;
    if (!number(e->priority, 7, &priority))
        priority = 6;
    at += snprintf(at, 80, "<%u>1 %04d-%02d-%02dT%02d:%02d:%02d.%06dZ ", (unsigned)(facility * 8 + priority), tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(e->time_ns % 1000000000 / 1000));
    at = word(at, e->host);
    at = word(at, is_of_a_user(e) || !e->identifier.p ? e->comm : e->identifier);
    at = word(at, e->pid);
    memcpy(at, "- - ", 4);
    at += 4;
    size_t n = e->message.n < MMR_ENTRY_MESSAGE_MAX ? e->message.n : MMR_ENTRY_MESSAGE_MAX;
    for (size_t i = 0; i < n; i++)
        *at++ = (unsigned char)e->message.p[i] < 0x20 || e->message.p[i] == 0x7f ? ' ' : e->message.p[i];
    *at = '\0';
    return (size_t)(at - line);
}
