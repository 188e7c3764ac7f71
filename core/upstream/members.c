/* members.c - sites that joined with a token of this collector; commands ('mamori token', 'mamori node') write the list as at a hub. */
#include "upstream/collector_internal.h"

#include "brain/site_conf.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SEEN_EVERY_S = 20 };

struct mmr_collector_site *mmr_collector_site(struct mmr_collector *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_sites; i++)
        if (strcmp(c->site[i].name, name) == 0)
            return &c->site[i];
    return NULL;
}

static int admit(void *ctx, const struct mmr_member *x)
{
    struct mmr_collector *c = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_collector_site *s = mmr_collector_site(c, x->name);
    struct mmr_public_keys pub;
    if (x->state != MMR_MEMBER_APPROVED) {
        if (s && mmr_site_hub_is_allowed(c->hub, x->name))
            mmr_log(MMR_LOG_WARN, "site.shut_out", "site=%s state=%s", x->name, mmr_member_state_name(x->state));
        mmr_site_hub_revoke(c->hub, x->name);
        return 0;
    }
    if (!s && c->n_sites < MMR_SITE_NODES_MAX) {
        s = &c->site[c->n_sites++];
        (void)snprintf(s->name, sizeof s->name, "%s", x->name);
        s->seen_ns = x->seen_ns ? x->seen_ns : x->joined_ns;
        s->is_changed = true;
    }
    memcpy(pub.curve, x->curve, MMR_KEY);
    memcpy(pub.sign, x->sign, MMR_KEY);
    int r = s ? mmr_site_hub_allow(c->hub, x->name, &pub, &err) : mmr_fail(&err, MMR_ETOOBIG, "more than %d sites: give some to another collector", MMR_SITE_NODES_MAX);
    if (!r && x->has_next) {
        memcpy(pub.curve, x->next_curve, MMR_KEY);
        memcpy(pub.sign, x->next_sign, MMR_KEY);
        r = mmr_site_hub_allow_next(c->hub, x->name, &pub, &err);
    }
    if (r)
        mmr_log(MMR_LOG_ERR, "site.not_admitted", "site=%s reason=\"%s\"", x->name, err.text);
    return 0; /* the others all the same */
}

void mmr_collector_members_apply(struct mmr_collector *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)mmr_members_has_news(c->list);
    if (mmr_members_each(c->list, admit, c, &err) != 0)
        mmr_log(MMR_LOG_ERR, "members.not_read", "reason=\"%s\"", err.text);
    mmr_site_hub_open_door(c->hub, mmr_members_has_open_token(c->list, mmr_clock_wall_ns()));
}

/* ---- joining ---- */

static int on_secret(void *ctx, const uint8_t token_id[MMR_TOKEN_ID], uint8_t ret_secret[MMR_TOKEN_SECRET])
{
    struct mmr_collector *c = ctx;
    return mmr_members_token_secret(c->list, token_id, ret_secret, NULL);
}

static void on_join(void *ctx, const struct mmr_join_request *r, struct mmr_join_answer *ret)
{
    struct mmr_collector *c = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_member x;
    char print[MMR_FINGERPRINT_MAX];
    const struct mmr_member_request ask = {.token_id = r->token_id, .curve = r->pub.curve, .sign = r->pub.sign, .name = r->name,
                                           .hostname = r->hostname, .is_approved_at_once = c->is_automatic};
    mmr_public_keys_fingerprint(&r->pub, print);
    int code = mmr_members_join(c->list, &ask, mmr_clock_wall_ns(), &x, &err);
    if (code) {
        mmr_log(MMR_LOG_WARN, "join.refused", "site=%s keys=%s reason=\"%s\"", r->name, print, err.text);
        ret->result = MMR_JOIN_REFUSED;
        (void)snprintf(ret->why, sizeof ret->why, "%s", code == MMR_EPERM ? err.text : "the collector could not keep it; see its log");
        for (char *p = ret->why; *p; p++)
            if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e || *p == '"' || *p == '\\')
                *p = '_';
        return;
    }
    ret->result = MMR_JOIN_TAKEN;
    ret->state = x.state == MMR_MEMBER_APPROVED ? MMR_JOIN_APPROVED : MMR_JOIN_WAITS;
    ret->port = c->port;
    (void)snprintf(ret->name, sizeof ret->name, "%s", x.name);
    mmr_log(MMR_LOG_INFO, "site.joined", "site=%s hostname=\"%s\" state=%s keys=%s", x.name, x.hostname, mmr_member_state_name(x.state), print);
    mmr_collector_members_apply(c);
}

static void on_join_misbehaved(void *ctx, const char *source, uint64_t count, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "join.misbehaves", "source=%s count=%llu what=\"%s\"", source, (unsigned long long)count, what);
}

static const struct mmr_join_server_ops join_ops = {.secret = on_secret, .join = on_join, .misbehaved = on_join_misbehaved};

/* ---- who is there ---- */

/* The dead man's switch: a site that says nothing for so long is named, once. Since our own start at the earliest, as we heard nobody before. */
static void look_for_silent(struct mmr_collector *c)
{
    const int64_t now = mmr_clock_wall_ns();
    for (uint32_t i = 0; i < c->n_sites; i++) {
        struct mmr_collector_site *s = &c->site[i];
        int64_t since = s->seen_ns > c->started_ns ? s->seen_ns : c->started_ns;
        if (s->is_up || s->is_silent || !mmr_site_hub_is_allowed(c->hub, s->name) || now - since < c->silent_after_ns)
            continue;
        s->is_silent = s->is_changed = true;
        mmr_log(MMR_LOG_ERR, "site.silent", "site=%s for_s=%lld what=\"nothing is known of this office until it is heard again: call it\"",
                s->name, (long long)((now - s->seen_ns) / MMR_NS_PER_S));
    }
}

static int keep_seen(void *ctx, const struct mmr_collected_site *x)
{
    struct mmr_collector *c = ctx;
    struct mmr_collector_site *s = mmr_collector_site(c, x->name);
    if (s && x->seen_ns > s->seen_ns)
        s->seen_ns = x->seen_ns;
    if (s)
        s->is_silent = x->is_silent;
    return 0;
}

static void note_seen(struct mmr_collector *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const int64_t mono = mmr_clock_mono_ns(), wall = mmr_clock_wall_ns();
    int64_t every = c->silent_after_ns / 3 < SEEN_EVERY_S * MMR_NS_PER_S ? c->silent_after_ns / 3 : SEEN_EVERY_S * MMR_NS_PER_S;
    const bool is_time = !c->seen_ns || mono - c->seen_ns >= every;
    for (uint32_t i = 0; i < c->n_sites; i++) {
        struct mmr_collector_site *s = &c->site[i];
        if (s->is_up)
            s->seen_ns = wall;
        if (!s->is_changed && !(is_time && s->is_up))
            continue;
        if (mmr_collected_seen(c->db, s->name, s->seen_ns, s->is_up, s->is_silent, &err) != 0) {
            mmr_collector_fail(c, &err);
            return;
        }
        s->is_changed = false;
    }
    if (is_time)
        c->seen_ns = mono;
}

void mmr_collector_members_tick(struct mmr_collector *c)
{
    if (mmr_members_has_news(c->list))
        mmr_collector_members_apply(c);
    else
        mmr_site_hub_open_door(c->hub, mmr_members_has_open_token(c->list, mmr_clock_wall_ns()));
    look_for_silent(c);
    note_seen(c);
}

/* ---- start and end ---- */

static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

int mmr_collector_members_open(struct mmr_collector *c, struct mmr_error *err)
{
    const char *listen = mmr_config_str(c->config, "site.listen");
    struct mmr_keys keys;
    char bulk[128], join[128];
    if (!listen)
        return mmr_fail(err, MMR_ECONFIG, "site.listen is not set: where shall sites connect? As in 'site: {listen: tcp://192.0.2.1:7500}'");
    int r = mmr_site_port_endpoint(listen, 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_port_endpoint(listen, 2, join, sizeof join, err);
    if (!r)
        r = mmr_site_own_keys(c->state_dir, &keys, err);
    if (r)
        return r;
    raise_descriptors();
    c->port = (uint32_t)strtoul(strrchr(listen, ':') + 1, NULL, 10);
    r = mmr_members_open(c->state_dir, true, &c->list, err);
    if (!r)
        r = mmr_site_hub_new(c->bus, listen, bulk, &keys, &mmr_collector_hub_ops, c, NULL, &c->hub, err);
    if (!r)
        r = mmr_join_server_new(c->bus, join, &keys, &join_ops, c, &c->join, err);
    mmr_keys_done(&keys);
    if (r)
        return r;
    mmr_collector_members_apply(c);
    return mmr_collected_sites(c->db, keep_seen, c, err);
}

void mmr_collector_members_close(struct mmr_collector *c)
{
    mmr_join_server_free(c->join);
    mmr_site_hub_free(c->hub);
    mmr_members_close(c->list);
    c->join = NULL;
    c->hub = NULL;
    c->list = NULL;
}
