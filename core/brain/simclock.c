/*
 * simclock.c - the simulated clock of `mamori run --clock=sim`, for tests of what takes an hour or a week: the brain's time is
 * ahead of the machine's by what `mamori clock advance` added, also over a restart. Hosts live in real time; what they say of
 * time is moved. The supervisor refuses all this in the service profile.
 */
#include "brain/live.h"

#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define KEY "clock.sim"
#define STEP_MAX_NS (366 * INT64_C(86400) * MMR_NS_PER_S)

int mmr_live_simclock_start(struct mmr_live *l, struct mmr_error *err)
{
    void *kept = NULL;
    size_t len = 0;
    int r = mmr_db_get(mmr_persist_db(l->persist), KEY, &kept, &len, err);
    if (r && r != MMR_ENOENT)
        return r;
    if (!r && len == sizeof l->ahead_ns)
        memcpy(&l->ahead_ns, kept, len);
    free(kept);
    l->is_simulated = true;
    mmr_clock_simulate(l->ahead_ns);
    mmr_log(MMR_LOG_WARN, "clock.simulated", "ahead_s=%lld", (long long)(l->ahead_ns / MMR_NS_PER_S));
    return 0;
}

static int advance(struct mmr_live *l, const char *args, struct json_object *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *a = json_tokener_parse(args), *by = NULL;
    const int64_t by_ns = a && json_object_object_get_ex(a, "by_ns", &by) ? json_object_get_int64(by) : 0;
    json_object_put(a);
    if (!l->is_simulated) {
        json_object_object_add(o, "error", json_object_new_string("the clock is the machine's; only 'mamori run --clock=sim' has one that can be advanced"));
        return 1;
    }
    if (by_ns <= 0 || by_ns > STEP_MAX_NS) {
        json_object_object_add(o, "error", json_object_new_string("expected by_ns, from 1 to a year"));
        return 2;
    }
    l->ahead_ns += by_ns;
    l->wall_minus_mono_ns += by_ns; /* time went by: nobody set the clock */
    mmr_clock_simulate(l->ahead_ns);
    if (mmr_persist_state(l->persist, KEY, &l->ahead_ns, sizeof l->ahead_ns, &err) != 0)
        mmr_log(MMR_LOG_ERR, "clock.not_kept", "reason=\"%s\"", err.text);
    char now[32];
    mmr_time_format(mmr_clock_wall_ns(), now, sizeof now);
    json_object_object_add(o, "now", json_object_new_string(now));
    mmr_pipeline_tick(l->pipeline, mmr_clock_wall_ns());
    return 0;
}

bool mmr_live_simclock_request(struct mmr_live *l, const char *command, const char *args, struct json_object *o, int *ret_status)
{
    if (strcmp(command, "clock.advance") != 0)
        return false;
    *ret_status = advance(l, args, o);
    return true;
}
