/*
 * finding.c - see finding.h. Our own rules say in their metadata what they mean; of foreign rules the
 * class and the severity are read with care: a rule about policy or oddities never asks for a defence.
 */
#include "finding.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct class_row {
    const char *classtype, *phase, *potential;
};
static const struct class_row classes[] = {
    {"attempted-admin", "attempt.inbound", "high"},
    {"attempted-user", "attempt.inbound", "high"},
    {"web-application-attack", "attempt.inbound", "high"},
    {"shellcode-detect", "attempt.inbound", "high"},
    {"attempted-dos", "attempt.inbound", "low"},
    {"denial-of-service", "attempt.inbound", "low"},
    {"attempted-recon", "attempt.inbound", "low"},
    {"network-scan", "attempt.inbound", "low"},
    {"web-application-activity", "attempt.inbound", "low"},
    {"misc-attack", "attempt.inbound", "low"},
    {"default-login-attempt", "attempt.inbound", "low"},
    {"suspicious-login", "attempt.inbound", "low"},
    {"exploit-kit", "attempt.user", "high"},
    {"credential-theft", "attempt.user", "high"},
    {"social-engineering", "attempt.user", "low"},
    {"trojan-activity", "foothold.c2", "high"},
    {"command-and-control", "foothold.c2", "high"},
    {"domain-c2", "foothold.c2", "high"},
    {"targeted-activity", "foothold.c2", "high"},
    {"successful-admin", "foothold.c2", "high"},
    {"successful-user", "foothold.c2", "high"},
    {"coin-mining", "foothold.c2", "low"},
};

static const char *known_phase(const char *text)
{
    static const char *const names[] = {"attempt.inbound", "attempt.user", "foothold.process", "foothold.c2", "spread",
                                        "account", "impact.data", "impact.service"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], text) == 0)
            return names[i];
    return NULL;
}

static const char *known_potential(const char *text)
{
    return strcmp(text, "high") == 0 ? "high" : strcmp(text, "low") == 0 ? "low" : strcmp(text, "info") == 0 ? "info" : NULL;
}

static void foreign(const struct mmr_rule_info *rule, struct finding_facts *f)
{
    char text[32];
    f->potential = "info";
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(classes[i].classtype, rule->classtype) == 0) {
            f->phase = classes[i].phase;
            f->potential = classes[i].potential;
        }
    if (!mmr_rule_metadata(rule, "signature_severity", 0, text, sizeof text))
        return;
    if (strcasecmp(text, "Informational") == 0) {
        f->phase = NULL;
        f->potential = "info";
    } else if (strcasecmp(text, "Minor") == 0 && f->phase) {
        f->potential = "low";
    }
}

void finding_facts_of(const struct mmr_rule_info *rule, const struct mmr_flow *flow, struct finding_facts *ret)
{
    struct finding_facts f = {.potential = "info"};
    char text[32];
    bool is_ours = mmr_rule_metadata(rule, "mamori_potential", 0, text, sizeof text);
    if (is_ours) {
        const char *p = known_potential(text);
        f.potential = p ? p : "info";
        if (mmr_rule_metadata(rule, "mamori_phase", 0, text, sizeof text))
            f.phase = known_phase(text);
        f.is_harm = mmr_rule_metadata(rule, "mamori_harm", 0, text, sizeof text) && strcmp(text, "true") == 0;
    } else {
        foreign(rule, &f);
    }
    for (size_t i = 0; f.n_attack < FINDING_ATTACK_MAX &&
                       mmr_rule_metadata(rule, "mitre_technique_id", i, text, sizeof text); i++) {
        bool has = false;
        for (uint32_t k = 0; k < f.n_attack; k++)
            has |= strcmp(f.attack[k], text) == 0;
        if (!has && text[0] == 'T' && strlen(text) < sizeof f.attack[0])
            memcpy(f.attack[f.n_attack++], text, strlen(text) + 1);
    }
    if (flow) {
        bool is_client_in = flow->zones & MMR_FLOW_CLIENT_INSIDE, is_server_in = flow->zones & MMR_FLOW_SERVER_INSIDE;
        f.direction = is_client_in && is_server_in ? "internal" : is_client_in ? "outbound" : is_server_in ? "inbound" : NULL;
        /* an attack from one inside machine on another is no longer an attempt from outside; a weak try still is one */
        if (f.phase && strcmp(f.phase, "attempt.inbound") == 0 && is_client_in && is_server_in &&
            strcmp(f.potential, "high") == 0)
            f.phase = "spread";
    }
    bool is_high = strcmp(f.potential, "high") == 0, is_try = f.phase && strncmp(f.phase, "attempt.", 8) == 0;
    f.severity_id = is_high && f.phase && strcmp(f.phase, "attempt.inbound") != 0 ? 5 : is_high ? 4
                    : strcmp(f.potential, "low") != 0 ? 1 : is_try ? 2 : 3;
    *ret = f;
}

static void put_addr(struct mmr_event *ev, const char *key, const struct mmr_addr *a)
{
    static const uint8_t v4[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    bool is_v4 = memcmp(a->b, v4, 12) == 0;
    if (inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? a->b + 12 : a->b, text, sizeof text))
        mmr_event_str(ev, key, text);
}

/* The start of what matched, printable, for the person who reads the finding. */
static void excerpt(const struct mmr_rule_hit *hit, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < hit->text_len && i < 100 && n + 2 < cap; i++)
        out[n++] = (char)(hit->text[i] >= 0x20 && hit->text[i] < 0x7f ? hit->text[i] : '.');
    out[n] = 0;
}

static void put_http(struct mmr_event *ev, const struct mmr_tx *tx)
{
    static const struct {
        const char *buffer, *field;
    } rows[] = {{"http.method", "http_request.http_method"}, {"http.uri", "http_request.url.path"},
                {"http.host", "http_request.url.hostname"}, {"http.user_agent", "http_request.user_agent"},
                {"http.stat_code", "http_response.code"}, {"dns.query", "query.hostname"}, {"tls.sni", "tls.sni"},
                {"ja3.hash", "tls.ja3"}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        for (size_t i = 0; i < tx->n; i++)
            if (strcmp(tx->buffers[i].name, rows[k].buffer) == 0) {
                size_t len = tx->buffers[i].len < 1024 ? tx->buffers[i].len : 1024;
                if (len)
                    mmr_event_strn(ev, rows[k].field, (const char *)tx->buffers[i].data, len);
                break;
            }
}

void finding_build(struct mmr_event *ev, void *buf, size_t cap, const struct mmr_rule_hit *hit,
                   const struct finding_facts *facts)
{
    const struct mmr_packet *p = hit->packet;
    const struct mmr_flow *f = hit->flow;
    char text[128], message[512], id[32];
    const char *attack[FINDING_ATTACK_MAX];
    mmr_event_begin(ev, buf, cap, "finding", MMR_CLASS_FINDING, 1, hit->time_ns, facts->severity_id);
    (void)snprintf(id, sizeof id, "sid:%u", hit->rule->sid);
    mmr_event_str(ev, "mamori.rule", id);
    mmr_event_str(ev, "finding_info.title", hit->rule->msg);
    excerpt(hit, text, sizeof text);
    (void)snprintf(message, sizeof message, "%.300s%s%s", hit->rule->msg, text[0] ? ": " : "", text);
    mmr_event_str(ev, "message", message);
    mmr_event_str(ev, "mamori.phase", facts->phase);
    mmr_event_str(ev, "mamori.direction", facts->direction);
    mmr_event_str(ev, "mamori.potential", facts->potential);
    if (facts->is_harm)
        mmr_event_bool(ev, "mamori.harm", true);
    for (uint32_t i = 0; i < facts->n_attack; i++)
        attack[i] = facts->attack[i];
    if (facts->n_attack)
        mmr_event_strv(ev, "mamori.attack", attack, facts->n_attack);
    if (f || (p && p->ip_version)) {
        bool has_ports = f ? f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP
                           : p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
        unsigned proto = f ? f->proto : p->proto;
        put_addr(ev, "src_endpoint.ip", f ? &f->client : &p->src);
        put_addr(ev, "dst_endpoint.ip", f ? &f->server : &p->dst);
        if (has_ports) {
            mmr_event_int(ev, "src_endpoint.port", f ? f->client_port : p->src_port);
            mmr_event_int(ev, "dst_endpoint.port", f ? f->server_port : p->dst_port);
        }
        mmr_event_str(ev, "connection_info.protocol_name", proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp"
                      : proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? "icmp" : NULL);
    }
    if (f) {
        (void)snprintf(id, sizeof id, "%llu", (unsigned long long)f->id);
        mmr_event_str(ev, "connection_info.uid", id);
        mmr_event_str(ev, "app_name", f->app);
    }
    if (hit->tx)
        put_http(ev, hit->tx);
    if (p && p->frame && p->frame->input) {
        mmr_event_str(ev, "mamori.input", p->frame->input);
        mmr_event_int(ev, "mamori.index", (int64_t)p->frame->index);
    }
}
