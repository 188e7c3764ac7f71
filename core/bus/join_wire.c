/* join_wire.c - the bodies of JOIN and JOINED, and the keyed hashes over them. Read from anybody who knows the hub's public key. */
#include "bus/frame.h"
#include "bus/join.h"

#include <sodium.h>
#include <string.h>

bool mmr_join_name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= MMR_JOIN_NAME_MAX && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

static size_t put_request_facts(const struct mmr_join_request *r, uint8_t *p)
{
    size_t at = mmr_wire_put_bin(p, r->token_id, MMR_TOKEN_ID);
    at += mmr_wire_put_bin(p + at, r->pub.curve, MMR_KEY);
    at += mmr_wire_put_bin(p + at, r->pub.sign, MMR_KEY);
    at += mmr_wire_put_str(p + at, r->name, strlen(r->name));
    return at + mmr_wire_put_str(p + at, r->hostname, strlen(r->hostname));
}

static size_t put_answer_facts(const struct mmr_join_answer *a, uint8_t *p)
{
    size_t at = mmr_wire_put_uint(p, a->result);
    at += mmr_wire_put_uint(p + at, a->state);
    at += mmr_wire_put_str(p + at, a->name, strlen(a->name));
    at += mmr_wire_put_bin(p + at, a->hub_sign, MMR_KEY);
    at += mmr_wire_put_uint(p + at, a->port);
    return at + mmr_wire_put_str(p + at, a->why, strlen(a->why));
}

size_t mmr_join_request_put(const struct mmr_join_request *r, uint8_t *buf)
{
    size_t at = put_request_facts(r, buf);
    return at + mmr_wire_put_bin(buf + at, r->mac, MMR_JOIN_MAC);
}

size_t mmr_join_answer_put(const struct mmr_join_answer *a, uint8_t *buf)
{
    size_t at = put_answer_facts(a, buf);
    return at + mmr_wire_put_bin(buf + at, a->mac, MMR_JOIN_MAC);
}

static void mac(const char *what, const uint8_t *facts, size_t len, const uint8_t secret[MMR_TOKEN_SECRET],
                const uint8_t challenge[MMR_JOIN_CHALLENGE], uint8_t ret[MMR_JOIN_MAC])
{
    crypto_generichash_state h;
    (void)crypto_generichash_init(&h, secret, MMR_TOKEN_SECRET, MMR_JOIN_MAC);
    (void)crypto_generichash_update(&h, (const uint8_t *)what, strlen(what) + 1); /* an answer is no request */
    (void)crypto_generichash_update(&h, challenge, MMR_JOIN_CHALLENGE);
    (void)crypto_generichash_update(&h, facts, len);
    (void)crypto_generichash_final(&h, ret, MMR_JOIN_MAC);
}

void mmr_join_request_mac(const struct mmr_join_request *r, const uint8_t secret[MMR_TOKEN_SECRET],
                          const uint8_t challenge[MMR_JOIN_CHALLENGE], uint8_t ret_mac[MMR_JOIN_MAC])
{
    uint8_t facts[MMR_JOIN_BODY_MAX];
    mac("mamori join", facts, put_request_facts(r, facts), secret, challenge, ret_mac);
}

void mmr_join_answer_mac(const struct mmr_join_answer *a, const uint8_t secret[MMR_TOKEN_SECRET],
                         const uint8_t challenge[MMR_JOIN_CHALLENGE], uint8_t ret_mac[MMR_JOIN_MAC])
{
    uint8_t facts[MMR_JOIN_BODY_MAX];
    mac("mamori joined", facts, put_answer_facts(a, facts), secret, challenge, ret_mac);
}

static bool get_bin(struct mmr_wire_cursor *c, void *buf, size_t want)
{
    size_t len = 0;
    const uint8_t *p = mmr_wire_bin(c, &len);
    if (c->bad || len != want)
        return false;
    memcpy(buf, p, want);
    return true;
}

static bool get_text(struct mmr_wire_cursor *c, char *buf, size_t cap)
{
    size_t len = 0;
    const uint8_t *p = mmr_wire_bin(c, &len);
    if (c->bad || len >= cap || memchr(p, '\0', len))
        return false;
    memcpy(buf, p, len);
    buf[len] = '\0';
    return true;
}

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e || *s == '"' || *s == '\\')
            return false;
    return true;
}

int mmr_join_request_read(const void *body, size_t len, struct mmr_join_request *ret, struct mmr_error *err)
{
    struct mmr_wire_cursor c = {body, (const uint8_t *)body + len, false};
    struct mmr_join_request r = {0};
    if (!get_bin(&c, r.token_id, MMR_TOKEN_ID) || !get_bin(&c, r.pub.curve, MMR_KEY) || !get_bin(&c, r.pub.sign, MMR_KEY) ||
        !get_text(&c, r.name, sizeof r.name) || !get_text(&c, r.hostname, sizeof r.hostname) || !get_bin(&c, r.mac, MMR_JOIN_MAC) ||
        c.p != c.end)
        return mmr_fail(err, MMR_EBADMSG, "a request to join that cannot be read");
    if (!mmr_join_name_is_good(r.name) || !is_printable(r.hostname))
        return mmr_fail(err, MMR_EBADMSG, "a request to join with a name that is none");
    *ret = r;
    return 0;
}

int mmr_join_answer_read(const void *body, size_t len, struct mmr_join_answer *ret, struct mmr_error *err)
{
    struct mmr_wire_cursor c = {body, (const uint8_t *)body + len, false};
    struct mmr_join_answer a = {0};
    uint64_t result = mmr_wire_uint(&c), state = mmr_wire_uint(&c), port;
    bool is_good = get_text(&c, a.name, sizeof a.name) && get_bin(&c, a.hub_sign, MMR_KEY);
    port = is_good ? mmr_wire_uint(&c) : 0;
    if (!is_good || c.bad || !get_text(&c, a.why, sizeof a.why) || !get_bin(&c, a.mac, MMR_JOIN_MAC) || c.p != c.end ||
        result > MMR_JOIN_REFUSED || state < MMR_JOIN_APPROVED || state > MMR_JOIN_WAITS || port > 65534 || !is_printable(a.why))
        return mmr_fail(err, MMR_EBADMSG, "the hub's answer cannot be read");
    if (result == MMR_JOIN_TAKEN && (!mmr_join_name_is_good(a.name) || port == 0))
        return mmr_fail(err, MMR_EBADMSG, "the hub's answer names no machine or no port");
    a.result = (enum mmr_join_result)result;
    a.state = (enum mmr_join_state)state;
    a.port = (uint32_t)port;
    *ret = a;
    return 0;
}
