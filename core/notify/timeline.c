/* timeline.c - see timeline.h. */
#include "notify/timeline.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/scope.h"

enum { VERSION = 1 };
#define TIME_MAX_NS (INT64_C(1) << 62)

void mmr_timeline_start(struct mmr_timeline *t, const char *boot, int64_t boot_ns, int64_t wall_ns)
{
    if (t->last_ns && boot[0] && strcmp(t->boot, boot) == 0 && boot_ns + t->offset_ns >= t->last_ns) {
        (void)mmr_timeline_now(t, boot_ns, wall_ns);
        return;
    }
    int64_t now = t->last_ns ? wall_ns + t->skew_ns : wall_ns;
    if (now < t->last_ns)
        now = t->last_ns; /* the wall went back, or started at the beginning of its epoch */
    (void)snprintf(t->boot, sizeof t->boot, "%s", boot);
    t->offset_ns = now - boot_ns;
    t->last_ns = now;
    t->skew_ns = now - wall_ns;
}

int64_t mmr_timeline_now(struct mmr_timeline *t, int64_t boot_ns, int64_t wall_ns)
{
    int64_t now = boot_ns + t->offset_ns;
    if (now < t->last_ns)
        now = t->last_ns;
    t->last_ns = now;
    t->skew_ns = now - wall_ns;
    return now;
}

int64_t mmr_timeline_of(const struct mmr_timeline *t, int64_t wall_ns)
{
    int64_t at = wall_ns + t->skew_ns;
    return at > t->last_ns ? t->last_ns : at < 1 ? 1 : at;
}

int64_t mmr_timeline_wall(const struct mmr_timeline *t, int64_t line_ns)
{
    return line_ns - t->skew_ns;
}

static void put(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

void mmr_timeline_pack(const struct mmr_timeline *t, uint8_t ret[MMR_TIMELINE_PACKED])
{
    put(ret, VERSION);
    put(ret + 8, (uint64_t)t->offset_ns);
    put(ret + 16, (uint64_t)t->last_ns);
    put(ret + 24, (uint64_t)t->skew_ns);
    memset(ret + 32, 0, MMR_BOOT_ID_MAX);
    memcpy(ret + 32, t->boot, strnlen(t->boot, MMR_BOOT_ID_MAX - 1));
}

static bool is_span(int64_t ns)
{
    return ns > -TIME_MAX_NS && ns < TIME_MAX_NS;
}

int mmr_timeline_unpack(struct mmr_timeline *t, const uint8_t *p, size_t len, struct mmr_error *err)
{
    struct mmr_timeline got = {.boot = ""};
    if (len != MMR_TIMELINE_PACKED || get(p) != VERSION || p[len - 1] != 0)
        return mmr_fail(err, MMR_EBADMSG, "the stored timeline has %zu bytes of another shape, expected %d", len, MMR_TIMELINE_PACKED);
    got.offset_ns = (int64_t)get(p + 8);
    got.last_ns = (int64_t)get(p + 16);
    got.skew_ns = (int64_t)get(p + 24);
    memcpy(got.boot, p + 32, MMR_BOOT_ID_MAX);
    if (!is_span(got.offset_ns) || got.last_ns < 0 || !is_span(got.last_ns) || !is_span(got.skew_ns))
        return mmr_fail(err, MMR_EBADMSG, "the stored timeline has a time that cannot be");
    *t = got;
    return 0;
}

void mmr_boot_id(char buf[MMR_BOOT_ID_MAX])
{
    memset(buf, 0, MMR_BOOT_ID_MAX);
    mmr_autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, buf, MMR_BOOT_ID_MAX - 1);
    buf[n > 0 ? strcspn(buf, "\n") : 0] = '\0';
}
