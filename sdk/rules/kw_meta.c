/* kw_meta.c - what a rule says about itself: msg, sid, rev, classtype, metadata, reference, target. */
#include <rules/parse.h>

#include <stdio.h>
#include <string.h>

enum { META_SID = 1, META_GID, META_REV, META_PRIORITY };

static int kw_number(struct parse *p, const struct keyword *k, struct text arg)
{
    int64_t v;
    if (!mmr_text_int(arg, &v) || v < 0 || v > UINT32_MAX || (k->arg == META_SID && v == 0))
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: '%.*s' is no number from 1 to %u", k->name,
                        (int)(arg.len > 30 ? 30 : arg.len), arg.p ? arg.p : "", UINT32_MAX);
    struct mmr_rule_info *i = &p->r->info;
    *(k->arg == META_SID ? &i->sid : k->arg == META_GID ? &i->gid : k->arg == META_REV ? &i->rev : &i->priority) =
        (uint32_t)v;
    return 0;
}

static int kw_msg(struct parse *p, const struct keyword *k, struct text arg)
{
    char buf[512];
    size_t n = 0;
    if (!mmr_text_unquote(&arg))
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: the text must stand in quotes", k->name);
    for (size_t i = 0; i < arg.len && n < sizeof buf; i++) {
        if (arg.p[i] == '\\' && i + 1 < arg.len)
            i++;
        buf[n++] = arg.p[i];
    }
    p->r->info.msg = mmr_arena_str(&p->set->arena, buf, n);
    return p->r->info.msg ? 0 : mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
}

static int kw_classtype(struct parse *p, const struct keyword *k, struct text arg)
{
    /* priorities of the usual classification.config; an unknown class keeps the default 3 */
    static const char *const high[] = {"attempted-admin", "attempted-user", "inappropriate-content", "policy-violation",
        "shellcode-detect", "successful-admin", "successful-user", "trojan-activity", "unsuccessful-user",
        "web-application-attack", "targeted-activity", "exploit-kit", "domain-c2", "credential-theft", "command-and-control"};
    static const char *const low[] = {"not-suspicious", "unknown", "string-detect", "network-scan", "protocol-command-decode",
        "misc-activity", "tcp-connection", "icmp-event"};
    uint32_t priority = 2;
    (void)k;
    arg = mmr_text_trim(arg);
    p->r->info.classtype = mmr_arena_str(&p->set->arena, arg.p ? arg.p : "", arg.len);
    if (!p->r->info.classtype)
        return mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
    for (size_t i = 0; i < sizeof high / sizeof high[0]; i++)
        if (mmr_text_is(arg, high[i]))
            priority = 1;
    for (size_t i = 0; i < sizeof low / sizeof low[0]; i++)
        if (mmr_text_is(arg, low[i]))
            priority = 3;
    if (!p->r->info.priority)
        p->r->info.priority = priority;
    return 0;
}

static int kw_metadata(struct parse *p, const struct keyword *k, struct text arg)
{
    const char *old = p->r->info.metadata;
    char buf[2048];
    (void)k;
    int n = snprintf(buf, sizeof buf, "%s%s%.*s", old ? old : "", old ? ", " : "", (int)(arg.len > 1900 ? 1900 : arg.len),
                     arg.p ? arg.p : "");
    size_t len = n < 0 ? 0 : (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1;
    p->r->info.metadata = mmr_arena_str(&p->set->arena, buf, len);
    return p->r->info.metadata ? 0 : mmr_fail(&p->err, MMR_ENOMEM, "rule: out of memory");
}

static int kw_target(struct parse *p, const struct keyword *k, struct text arg)
{
    p->r->info.is_target_src = mmr_text_is(arg, "src_ip");
    p->r->info.is_target_dst = mmr_text_is(arg, "dest_ip") || mmr_text_is(arg, "dst_ip");
    if (!p->r->info.is_target_src && !p->r->info.is_target_dst)
        return mmr_fail(&p->err, MMR_EBADMSG, "%s: expected src_ip or dest_ip", k->name);
    return 0;
}

/* What asks for more than an alert, or hints at how to search: the rule alerts all the same. */
static int kw_ignored(struct parse *p, const struct keyword *k, struct text arg)
{
    static const char *const notices[] = {
        NULL,
        "tag: packets after an alert are not recorded; the rule itself works",
        "bypass: the rest of the flow is looked at all the same",
        "tls.store: the certificate is not kept; the rule itself works",
        "replace: nothing is changed on its way; the rule itself works",
    };
    (void)arg;
    if (k->arg)
        p->notice = notices[k->arg];
    return 0;
}

const struct keyword mmr_kw_meta[] = {
    {"msg", kw_msg, 0},
    {"sid", kw_number, META_SID},
    {"gid", kw_number, META_GID},
    {"rev", kw_number, META_REV},
    {"priority", kw_number, META_PRIORITY},
    {"classtype", kw_classtype, 0},
    {"metadata", kw_metadata, 0},
    {"target", kw_target, 0},
    {"reference", kw_ignored, 0},
    {"requires", kw_ignored, 0},
    {"tag", kw_ignored, 1},
    {"bypass", kw_ignored, 2},
    {"tls.store", kw_ignored, 3},
    {"replace", kw_ignored, 4},
    {"prefilter", kw_ignored, 0},
    {NULL, NULL, 0},
};

bool mmr_rule_metadata(const struct mmr_rule_info *info, const char *key, size_t at, char *buf, size_t cap)
{
    struct text rest = {info->metadata, strlen(info->metadata)};
    while (rest.len) {
        struct text pair = mmr_text_cut(&rest, ','), name = mmr_text_cut(&pair, ' ');
        if (!mmr_text_is(name, key) || at-- > 0)
            continue;
        pair = mmr_text_trim(pair);
        if (!cap)
            return false;
        size_t n = pair.len < cap - 1 ? pair.len : cap - 1;
        memcpy(buf, pair.p, n);
        buf[n] = 0;
        return true;
    }
    return false;
}
