/* origin.c - where an event comes from, and what follows from that alone: the rules that concern it, the fields to search in. */
#include "sigma/match.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void copy_field(const struct mmr_event_view *v, const char *key, char *buf, size_t cap)
{
    if (mmr_event_copy_str(v, key, buf, cap))
        return;
    const struct mmr_value *n = mmr_event_get(v, key);
    buf[0] = 0;
    if (n && n->type == MMR_VAL_INT)
        (void)snprintf(buf, cap, "%lld", (long long)n->n.i);
}

static bool starts(const char *text, const char *head)
{
    return !strncasecmp(text, head, strlen(head));
}

static enum sigma_os os_of_path(const struct mmr_event_view *v, const char *key)
{
    size_t len;
    const char *p = mmr_event_get_str(v, key, &len);
    if (!p || len < 3)
        return SIGMA_OS_ANY;
    if (p[0] == '/')
        return SIGMA_OS_LINUX;
    return (p[1] == ':' && p[2] == '\\') || p[0] == '\\' ? SIGMA_OS_WINDOWS : SIGMA_OS_ANY;
}

static enum sigma_os os_of(const struct mmr_event_view *v, const struct sigma_origin *o)
{
    static const char *const windows[] = {"Microsoft-", "Security", "System", "Application", "Windows PowerShell",
                                          "PowerShellCore", "Setup", "DNS Server", "MSExchange", "OpenSSH/",
                                          "Directory Service", "HardwareEvents", "ForwardedEvents"};
    static const char *const no_os[] = {"sensor.", "plugin.", /* what mamori says of itself is no machine's log either */
                                          "flow.", "http.", "tls.", "smb.", "dcerpc.", "krb.", "ldap.", "ssh.",
                                          "ftp.", "smtp.", "dhcp.", "arp.", "icmp.", "net.", "rdp.", "dns."};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
        if (starts(o->log_name, windows[i]))
            return SIGMA_OS_WINDOWS;
    char c = o->log_name[0];
    if (starts(o->log_name, "Linux") || c == '/' || (c >= 'a' && c <= 'z'))
        return SIGMA_OS_LINUX;
    static const char *const paths[] = {"process.file.path", "file.path", "actor.process.file.path"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        enum sigma_os os = os_of_path(v, paths[i]);
        if (os != SIGMA_OS_ANY)
            return os;
    }
    if (mmr_event_get(v, "process.start_ticks")) /* what Linux counts a process' start in */
        return SIGMA_OS_LINUX;
    for (size_t i = 0; i < sizeof no_os / sizeof no_os[0]; i++)
        if (starts(o->kind, no_os[i]))
            return SIGMA_OS_OTHER;
    return SIGMA_OS_ANY;
}

static void fill_context(struct sigma_matcher *m, struct context *c)
{
    struct mmr_sigma *s = m->s;
    size_t rows;
    const struct mmr_sigma_field *table = mmr_sigma_fields(&rows);
    memset(c->active, 0, m->selector_words * sizeof *c->active);
    c->n_scan = c->n_always = 0;
    c->has_keywords = false;
    c->is_waking = false;
    for (uint32_t i = 0; i < s->n_selectors; i++)
        if (sigma_selector_has(&s->selectors[i], &c->origin)) {
            c->is_waking |= sigma_is_asleep(s, i);
            c->active[i / 64] |= UINT64_C(1) << i % 64;
            c->has_keywords |= m->selector_has_keywords[i];
        }
    for (uint32_t f = 0; f < s->n_fields; f++) {
        const struct mmr_sigma_field *row =
            mmr_sigma_field_find(c->origin.kind, c->origin.code, s->fields[f].name, strlen(s->fields[f].name));
        c->row[f] = row ? (int32_t)(row - table) : SIGMA_NONE;
        bool is_wanted = false;
        for (uint32_t i = 0; !is_wanted && i < s->n_selectors; i++)
            is_wanted = (c->active[i / 64] >> (i % 64) & 1) &&
                        (m->selector_fields[(size_t)i * m->field_words + f / 64] >> (f % 64) & 1);
        if (is_wanted)
            c->scan[c->n_scan++] = f;
    }
    for (uint32_t r = 0; r < s->n_rules; r++) {
        uint32_t sel = m->rule_selector[r];
        if (sel != UINT32_MAX && !m->is_triggered[r] && (c->active[sel / 64] >> (sel % 64) & 1))
            c->always[c->n_always++] = r;
    }
    c->is_used = true;
}

static bool same_origin(const struct sigma_origin *a, const struct sigma_origin *b)
{
    return a->os == b->os && !strcmp(a->kind, b->kind) && !strcmp(a->code, b->code) &&
           !strcmp(a->log_name, b->log_name) && !strcmp(a->provider, b->provider) && !strcmp(a->event_type, b->event_type);
}

struct context *sigma_context_of(struct sigma_matcher *m)
{
    struct sigma_origin o;
    const struct mmr_event_view *v = m->view;
    copy_field(v, "mamori.kind", o.kind, sizeof o.kind);
    copy_field(v, "metadata.event_code", o.code, sizeof o.code);
    copy_field(v, "metadata.log_name", o.log_name, sizeof o.log_name);
    copy_field(v, "metadata.log_provider", o.provider, sizeof o.provider);
    o.event_type[0] = 0;
    if (!strcmp(o.kind, "registry.set")) /* keys made and keys deleted share an event id */
        copy_field(v, "unmapped.EventType", o.event_type, sizeof o.event_type);
    o.os = os_of(v, &o);
    if (m->ctx && m->ctx->is_used && same_origin(&m->ctx->origin, &o))
        return m->ctx;
    for (uint32_t i = 0; i < CONTEXTS; i++)
        if (m->contexts[i].is_used && same_origin(&m->contexts[i].origin, &o))
            return &m->contexts[i];
    struct context *c = &m->contexts[m->next_context];
    m->next_context = (m->next_context + 1) % CONTEXTS;
    c->origin = o;
    fill_context(m, c);
    return c;
}
