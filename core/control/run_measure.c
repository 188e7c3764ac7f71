/*
 * run_measure.c - the process that serves measurements (metrics.listen). HTTP is read there, not in the supervisor; what it serves is the
 * supervisor's status with the brain's part, asked for when somebody measures.
 */
#include "control/run_internal.h"

#include "config/metrics_listen.h"
#include "plugin/roles.h"
#include "util/log.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PART_BYTES = 64 * 1024 };

static int assign(void *ctx, struct mmr_child *c, struct mmr_error *err)
{
    struct mmr_run_state *s = ctx;
    uint8_t buf[512];
    struct mmr_event map;
    (void)err;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "listen", mmr_config_str(s->config, "metrics.listen"));
    mmr_event_int(&map, "open", mmr_config_bool(s->config, "metrics.open"));
    return mmr_child_send(c, MMR_TELL_LISTEN, &map, NULL, 0, -1);
}

int mmr_run_make_measure(struct mmr_run_state *s, struct mmr_error *err)
{
    static const char *const argv[] = {"measure", NULL};
    const struct mmr_child_conf conf = {.name = "measure", .argv = argv, .assign = assign, .ctx = s};
    return mmr_config_str(s->config, "metrics.listen") ? mmr_child_new(s->sup, &conf, &s->measure, err) : 0;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The child was ended without ado: its socket is still there. */
static void take_away(const struct mmr_config *old)
{
    const char *was = mmr_config_str(old, "metrics.listen");
    struct mmr_metrics_listen at;
    struct stat st;
    if (was && mmr_metrics_listen_read(was, true, &at, NULL) == 0 && at.is_unix && lstat(at.path, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(at.path);
}

void mmr_run_measure_follow(struct mmr_run_state *s, const struct mmr_config *old)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (is_same(mmr_config_str(s->config, "metrics.listen"), mmr_config_str(old, "metrics.listen")) &&
        mmr_config_bool(s->config, "metrics.open") == mmr_config_bool(old, "metrics.open"))
        return;
    mmr_child_free(s->measure);
    s->measure = NULL;
    take_away(old);
    if (mmr_run_make_measure(s, &err) != 0)
        mmr_log(MMR_LOG_ERR, "measure.failed", "reason=\"%s\"", err.text);
    else if (s->measure)
        mmr_child_start(s->measure);
}

void mmr_run_measure(struct mmr_run_state *s)
{
    struct json_object *o = mmr_run_status_json(s);
    for (size_t i = 0; i < MMR_RUN_ASKED_MAX; i++)
        if (s->asked[i].id && s->asked[i].client == MMR_RUN_MEASURE) { /* it was started again meanwhile: that answer will do */
            json_object_put(o);
            return;
        }
    if (s->is_core_ready) {
        mmr_run_ask(s, MMR_RUN_MEASURE, "status", "{}", o);
        return;
    }
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
    mmr_run_measured(s, text, strlen(text));
    json_object_put(o);
}

void mmr_run_measured(struct mmr_run_state *s, const char *text, size_t len)
{
    while (s->measure && text) {
        uint8_t buf[64];
        struct mmr_event map;
        size_t n = len > PART_BYTES ? PART_BYTES : len;
        mmr_event_begin_map(&map, buf, sizeof buf);
        mmr_event_int(&map, "more", len > n);
        if (mmr_child_send(s->measure, MMR_TELL_MEASURED, &map, text, n, -1) != 0 || len == n)
            return;
        text += n;
        len -= n;
    }
}
