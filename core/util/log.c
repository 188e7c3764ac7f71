/* log.c - one line a message on stderr. The only file-scope state of the core: the level and the
 * repeat counters, both atomic or locked. */
#include "util/log.h"

#include "util/clock.h"
#include "util/id.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 64, BURST = 20 }; /* at most 20 lines of one event name in 10 s */
#define WINDOW_NS (10 * MMR_NS_PER_S)

static atomic_int max_level = MMR_LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint64_t hash;
    int64_t since_ns;
    unsigned n, dropped;
} seen[SLOTS];

void mmr_log_level_set(int level)
{
    atomic_store(&max_level, level);
}

const char *mmr_log_quote(const char *text, size_t len, char *buf, size_t cap)
{
    size_t at = 0;
    for (size_t i = 0; i < len && at + 5 < cap; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            buf[at++] = '\\';
            buf[at++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            at += (size_t)snprintf(buf + at, cap - at, "\\x%02x", c);
        } else {
            buf[at++] = (char)c;
        }
    }
    if (cap)
        buf[at] = '\0';
    return buf;
}

/* May this line be printed? Says in *ret_dropped how many of its kind were not, once it may. */
static bool admit(const char *event, unsigned *ret_dropped)
{
    uint64_t h = mmr_hash64(event, strlen(event), 1);
    int64_t now = mmr_clock_mono_ns();
    bool is_ok = true;
    *ret_dropped = 0;
    (void)pthread_mutex_lock(&lock);
    size_t i = h % SLOTS;
    if (seen[i].hash != h || now - seen[i].since_ns > WINDOW_NS) {
        if (seen[i].hash == h)
            *ret_dropped = seen[i].dropped;
        seen[i].hash = h;
        seen[i].since_ns = now;
        seen[i].n = 0;
        seen[i].dropped = 0;
    }
    if (++seen[i].n > BURST) {
        seen[i].dropped++;
        is_ok = false;
    }
    (void)pthread_mutex_unlock(&lock);
    return is_ok;
}

void mmr_log(int level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = {"", "", "", "error", "warn", "", "info", "debug"};
    char line[1024], stamp[32];
    unsigned dropped;
    va_list ap;

    if (level > atomic_load(&max_level) || level < MMR_LOG_ERR || level > MMR_LOG_DEBUG)
        return;
    if (!admit(event, &dropped))
        return;
    mmr_time_format(mmr_clock_wall_ns(), stamp, sizeof stamp);
    int at = snprintf(line, sizeof line, "%s %s %s ", stamp, names[level], event);
    if (at < 0 || (size_t)at >= sizeof line)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(line + at, sizeof line - (size_t)at - 32, fmt, ap);
    va_end(ap);
    size_t len = (size_t)at + (n < 0 ? 0 : (size_t)n);
    if (len > sizeof line - 33)
        len = sizeof line - 33;
    for (size_t i = (size_t)at; i < len; i++) /* a value from outside ends no line and moves no cursor */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f || ((unsigned char)line[i] == 0xc2 && i + 1 < len && (unsigned char)line[i + 1] < 0xa0))
            line[i] = '?';
    if (dropped)
        len += (size_t)snprintf(line + len, sizeof line - len, " not_shown=%u", dropped);
    line[len++] = '\n';
    (void)!write(STDERR_FILENO, line, len);
}
