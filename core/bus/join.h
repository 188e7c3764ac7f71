/*
 * join.h - how a machine becomes a node: it has a token from the hub's operator, makes its keys itself, and gives the public
 * half to the hub, which it knows by the key in the token.
 *
 * The token holds the hub's address, its CURVE key, an id, a secret of 16 bytes and when it expires, in letters a person can
 * type, with a check sum. The hub keeps id and secret; a token is good for one machine.
 *
 *   node -> hub  HELLO                                on the join socket (CURVE, the hub's key pinned by the token, any client key)
 *   hub -> node  WELCOME [challenge]
 *   node -> hub  JOIN    [token id, CURVE key, signature key, name, host name, keyed hash over challenge and all of it],
 *                        signed with the signature key; the CURVE key must be the connection's
 *   hub -> node  JOINED  [result, name, state, hub's signature key, ports, words, keyed hash over challenge and all of it]
 *
 * The same again with the same keys gives the same answer until the token expires: a lost answer costs nothing.
 * Used by the hub for its nodes, and fit for a collector and its sites: who is taken is the owner's word (ops->join).
 */
#ifndef MMR_BUS_JOIN_H
#define MMR_BUS_JOIN_H

#include "bus/keys.h"
#include "bus/site.h"

enum {
    MMR_TOKEN_ID = 8,
    MMR_TOKEN_SECRET = 16,
    MMR_TOKEN_HOST_MAX = 63,   /* bytes of "ADDRESS:PORT" */
    MMR_TOKEN_HOSTS_MAX = 4,
    MMR_TOKEN_TEXT_MAX = 640,  /* bytes of a token with four long addresses, and its NUL */
    MMR_JOIN_NAME_MAX = MMR_SITE_NAME_MAX,
    MMR_JOIN_HOSTNAME_MAX = 63,
    MMR_JOIN_WHY_MAX = 255,
    MMR_JOIN_MESSAGE_MAX = 4096, /* bytes of one message on the join socket */
    MMR_JOIN_PER_S = 5,          /* messages a second from one address */
};

/* ---- the token ---- */

struct mmr_token {
    uint8_t id[MMR_TOKEN_ID], secret[MMR_TOKEN_SECRET];
    uint8_t hub_curve[MMR_KEY];
    int64_t expires_s; /* Unix time */
    uint32_t n_hosts;
    char host[MMR_TOKEN_HOSTS_MAX][MMR_TOKEN_HOST_MAX + 1]; /* "192.0.2.1:7402": the join port, tried in this order */
};
/* buf: MMR_TOKEN_TEXT_MAX bytes. errors MMR_EINVAL no host, a host that is too long */
int mmr_token_format(const struct mmr_token *t, char *buf, struct mmr_error *err);
/* Spaces and line breaks in it are ignored. errors MMR_EBADMSG not a token, mistyped or cut; MMR_EUNSUPPORTED of a newer mamori */
int mmr_token_parse(const char *text, struct mmr_token *ret, struct mmr_error *err);

/* ---- the messages ---- */

enum { MMR_JOIN_CHALLENGE = 32, MMR_JOIN_MAC = 32, MMR_JOIN_BODY_MAX = 1024 };
struct mmr_join_request {
    uint8_t token_id[MMR_TOKEN_ID];
    struct mmr_public_keys pub;
    char name[MMR_JOIN_NAME_MAX + 1], hostname[MMR_JOIN_HOSTNAME_MAX + 1];
    uint8_t mac[MMR_JOIN_MAC];
};
enum mmr_join_result { MMR_JOIN_TAKEN = 0, MMR_JOIN_REFUSED = 1 };
enum mmr_join_state { MMR_JOIN_APPROVED = 1, MMR_JOIN_WAITS = 2 }; /* waits: for a person at the hub */
struct mmr_join_answer {
    enum mmr_join_result result;
    enum mmr_join_state state;
    char name[MMR_JOIN_NAME_MAX + 1]; /* the node's name from now on */
    uint8_t hub_sign[MMR_KEY];
    uint32_t port;                    /* of the urgent lanes; the bulk lanes have the next one */
    char why[MMR_JOIN_WHY_MAX + 1];   /* refused: why, and what to do */
    uint8_t mac[MMR_JOIN_MAC];
};
/* Bodies of JOIN and JOINED; buf: MMR_JOIN_BODY_MAX bytes; return the length. */
size_t mmr_join_request_put(const struct mmr_join_request *r, uint8_t *buf);
size_t mmr_join_answer_put(const struct mmr_join_answer *a, uint8_t *buf);
/* errors MMR_EBADMSG; names are checked: letters, digits, '-', '_' and '.' */
int mmr_join_request_read(const void *body, size_t len, struct mmr_join_request *ret, struct mmr_error *err);
int mmr_join_answer_read(const void *body, size_t len, struct mmr_join_answer *ret, struct mmr_error *err);
void mmr_join_request_mac(const struct mmr_join_request *r, const uint8_t secret[MMR_TOKEN_SECRET],
                          const uint8_t challenge[MMR_JOIN_CHALLENGE], uint8_t ret_mac[MMR_JOIN_MAC]);
void mmr_join_answer_mac(const struct mmr_join_answer *a, const uint8_t secret[MMR_TOKEN_SECRET],
                         const uint8_t challenge[MMR_JOIN_CHALLENGE], uint8_t ret_mac[MMR_JOIN_MAC]);
bool mmr_join_name_is_good(const char *name);

/* ---- the hub's end ---- */

struct mmr_join_server;
struct mmr_join_server_ops { /* [loop] */
    /*
     * A signed request came over a connection that has the request's CURVE key. The owner knows the token: it gives its secret
     * (returns 0), or does not know it (anything else: refused without a further word).
     */
    int (*secret)(void *ctx, const uint8_t token_id[MMR_TOKEN_ID], uint8_t ret_secret[MMR_TOKEN_SECRET]);
    /* The request's keyed hash is right: is the machine taken? Fill in result, state, name, port, why. */
    void (*join)(void *ctx, const struct mmr_join_request *r, struct mmr_join_answer *ret);
    /* Malformed, too fast, with a wrong hash or signature, or a token nobody gave. At most once a second, count since start. */
    void (*misbehaved)(void *ctx, const char *source, uint64_t count, const char *what);
};
/*
 * mmr_join_server_new - bind the join socket; the hub (its key check answers for this socket, too) must exist already.
 *
 * endpoint  "tcp://10.0.0.1:7402"
 * errors    MMR_EIO
 */
int mmr_join_server_new(struct mmr_bus *bus, const char *endpoint, const struct mmr_keys *keys,
                        const struct mmr_join_server_ops *ops, void *ctx, struct mmr_join_server **ret, struct mmr_error *err);
void mmr_join_server_free(struct mmr_join_server *s); /* accepts NULL; before the hub is freed */
const char *mmr_join_server_endpoint(const struct mmr_join_server *s);

/* ---- the machine's end: for a command, waits ---- */

/*
 * mmr_join_ask - give our keys to the hub of the token; each of its addresses is tried for timeout_ms.
 *
 * ret_host  MMR_TOKEN_HOST_MAX + 1 bytes: the address that answered
 * errors    MMR_EIO no hub answered (or none that has the token's key); MMR_EPERM an answer that does not know the token's
 *           secret; MMR_ENOMEM. A refusal is no error: see ret->result
 */
int mmr_join_ask(const struct mmr_token *t, const struct mmr_keys *keys, const char *name, const char *hostname,
                 int timeout_ms, struct mmr_join_answer *ret, char *ret_host, struct mmr_error *err);

#endif
