/*
 * webhook.c - forwarder: one HTTPS POST for each record: notices to chat tools, short-message and voice gateways by a template,
 * or OCSF records as they are to a machine. Signed, with a key by which the other side knows a repeat.
 */
#include "post.h"
#include "record.h"
#include "reply.h"
#include "seen.h"
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COOKIE_POST = 1, DETAIL_MAX = 100, HEADER_MAX = MMR_SECRET_MAX + 64 };

struct hook_config {
    const char *url, *template, *type, *token_file, *secret_file, *ca_file, *status_field, *status_delivered, *status_failed, *accepted;
    struct mmr_strv headers;
    int64_t timeout;
    bool allow_plain;
};
struct hook {
    const struct mmr_host *host;
    const struct hook_config *cfg;
    struct mmr_post *post;
    struct mmr_seen *seen;
    char token[MMR_SECRET_MAX], secret[MMR_SECRET_MAX];
    char *template;
    enum mmr_template_type type;
    struct mmr_reply_rule rule;
    struct call *call[MMR_POST_AT_ONCE];
    unsigned n_call;
};
struct call { /* one request under way */
    struct hook *h;
    uint64_t seq;
    char key[MMR_SEEN_KEY_MAX];
    char *body, reply[MMR_REPLY_MAX];
    size_t reply_len;
    struct curl_slist *head;
};

static void free_call(struct call *c)
{
    struct hook *h = c->h;
    for (unsigned i = 0; i < h->n_call; i++)
        if (h->call[i] == c) {
            h->call[i] = h->call[--h->n_call];
            break;
        }
    curl_slist_free_all(c->head);
    free(c->body);
    free(c);
}

static void say(struct hook *h, uint64_t seq, int level, const char *detail)
{
    char text[DETAIL_MAX + 1];
    (void)snprintf(text, sizeof text, "%s", detail);
    (void)h->host->forward_done(h->host->impl, seq, level, h->host->now_ns(h->host->impl, MMR_CLOCK_WALL), text);
}

static size_t on_reply(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *c = ctx;
    size_t room = sizeof c->reply - c->reply_len, len = size * n < room ? size * n : room; /* the rest is of no interest */
    memcpy(c->reply + c->reply_len, bytes, len);
    c->reply_len += len;
    return size * n;
}

static bool is_final(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_SSL_CACERT_BADFILE;
}

static void on_done(void *ctx, CURL *easy, CURLcode code, const char *error)
{
    struct call *c = ctx;
    struct hook *h = c->h;
    char detail[DETAIL_MAX + 1], value[40] = "";
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    int level = code != CURLE_OK ? is_final(code) ? (int)MMR_DELIVERY_FAILED : (int)MMR_DELIVERY_TRIED
                                 : mmr_reply_level(&h->rule, status, c->reply, c->reply_len);
    if (code == CURLE_OK && h->rule.field)
        (void)mmr_reply_field(c->reply, c->reply_len, h->rule.field, value, sizeof value);
    for (char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = '_';
    if (code == CURLE_OK)
        (void)snprintf(detail, sizeof detail, "HTTP %ld%s%s", status, *value ? " " : "", value);
    else
        (void)snprintf(detail, sizeof detail, "%s", error);
    if (level >= MMR_DELIVERY_GATEWAY && *c->key)
        mmr_seen_add(h->seen, c->key, level);
    say(h, c->seq, level, detail);
    free_call(c);
}

static const char *place(void *ctx, const char *name)
{
    static const char *const names[] = {"key", "channel", "to", "lang", "office", "service", "subject", "text", "voice", "message",
                                        "band", "incident", "contact", "confirm_url", "report_url"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return mmr_record_text(ctx, name);
    return NULL;
}

static bool add_head(struct call *c, const char *fmt_name, const char *value)
{
    char line[HEADER_MAX];
    (void)snprintf(line, sizeof line, "%s%s", fmt_name, value);
    struct curl_slist *more = curl_slist_append(c->head, line);
    if (more)
        c->head = more;
    return more != NULL;
}

/* "t=SECONDS,v1=HEX" with HMAC-SHA256 over "SECONDS.BODY": the receiver refuses what is old or changed. */
static bool sign(struct call *c)
{
    const struct hook *h = c->h;
    char time[32], value[128], hex[2 * crypto_auth_hmacsha256_BYTES + 1];
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state st;
    int n = snprintf(time, sizeof time, "%lld.", (long long)(h->host->now_ns(h->host->impl, MMR_CLOCK_WALL) / 1000000000));
    (void)crypto_auth_hmacsha256_init(&st, (const uint8_t *)h->secret, strlen(h->secret));
    (void)crypto_auth_hmacsha256_update(&st, (const uint8_t *)time, (unsigned long long)n);
    (void)crypto_auth_hmacsha256_update(&st, (const uint8_t *)c->body, strlen(c->body));
    (void)crypto_auth_hmacsha256_final(&st, mac);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    (void)snprintf(value, sizeof value, "t=%.*s,v1=%s", n - 1, time, hex);
    return add_head(c, "X-Mamori-Signature: ", value);
}

static int start(struct call *c, struct mmr_error *err)
{
    struct hook *h = c->h;
    static const char *const types[] = {"application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"};
    CURL *e = mmr_post_handle(h->cfg->timeout, h->cfg->ca_file);
    bool is_good = e && add_head(c, "Content-Type: ", types[h->type]) && add_head(c, "Idempotency-Key: ", c->key) && add_head(c, "Expect:", "");
    for (size_t i = 0; i < h->cfg->headers.n && is_good; i++)
        is_good = add_head(c, "", h->cfg->headers.v[i]);
    if (is_good && h->token[0])
        is_good = add_head(c, "Authorization: Bearer ", h->token);
    if (is_good && h->secret[0])
        is_good = sign(c);
    if (!is_good) {
        curl_easy_cleanup(e);
        return mmr_fail(err, MMR_ENOMEM, "webhook: out of memory");
    }
    (void)curl_easy_setopt(e, CURLOPT_URL, h->cfg->url);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, h->cfg->allow_plain ? "https,http" : "https");
    (void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body);
    (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)strlen(c->body));
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->head);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_reply);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, "mamori");
    int r = mmr_post_start(h->post, e, on_done, c, err);
    if (r)
        curl_easy_cleanup(e);
    return r;
}

/* Of an OCSF record, whose key is its own id. */
static void machine_key(const void *data, size_t len, char buf[MMR_SEEN_KEY_MAX])
{
    uint8_t hash[16];
    (void)crypto_generichash(hash, sizeof hash, data, len, NULL, 0);
    (void)sodium_bin2hex(buf, MMR_SEEN_KEY_MAX, hash, sizeof hash);
}

static int fill(struct call *c, const void *data, size_t len, struct mmr_error *err)
{
    struct hook *h = c->h;
    struct mmr_record r;
    int e = mmr_record_read(data, len, &r, err);
    if (e == MMR_EUNSUPPORTED && !h->template) {
        machine_key(data, len, c->key);
        c->body = strndup(data, len);
        return c->body ? 0 : MMR_EAGAIN;
    }
    if (e)
        return e;
    (void)snprintf(c->key, sizeof c->key, "%s", r.key);
    if (h->template)
        e = mmr_template_fill(h->template, h->type, place, &r, &c->body, err);
    else
        e = (c->body = strndup(data, len)) ? 0 : MMR_EAGAIN;
    mmr_record_done(&r);
    return e == MMR_ENOMEM ? MMR_EAGAIN : e;
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct hook *h = self;
    int level;
    for (unsigned i = 0; i < h->n_call; i++)
        if (h->call[i]->seq == seq)
            return 0; /* its answer comes */
    struct call *c = h->n_call < MMR_POST_AT_ONCE ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return MMR_EAGAIN;
    c->h = h;
    c->seq = seq;
    int r = fill(c, data, len, err);
    if (!r && mmr_seen_has(h->seen, c->key, &level)) {
        free_call(c);
        say(h, seq, level, "was sent before");
        return 0;
    }
    if (!r) {
        h->call[h->n_call++] = c;
        r = start(c, err);
    }
    if (r) {
        free_call(c);
        return r == MMR_ENOMEM ? MMR_EAGAIN : r;
    }
    return 0;
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)self;
    (void)deadline_ms;
    (void)err;
    return 0;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct hook *h = self;
    (void)cookie;
    mmr_post_fd(h->post, fd, rw);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct hook *h = self;
    (void)cookie;
    mmr_post_timer(h->post);
}

static void destroy(void *self)
{
    struct hook *h = self;
    if (!h)
        return;
    mmr_post_free(h->post);
    while (h->n_call)
        free_call(h->call[0]);
    mmr_seen_close(h->seen);
    sodium_memzero(h->token, sizeof h->token);
    sodium_memzero(h->secret, sizeof h->secret);
    free(h->template);
    free(h);
}

static int read_template(struct hook *h, struct mmr_error *err)
{
    const char *path = h->cfg->template;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : calloc(1, MMR_TEMPLATE_MAX + 1);
    ssize_t n = text ? read(fd, text, MMR_TEMPLATE_MAX + 1) : -1;
    int r = n < 0 ? mmr_fail(err, MMR_EIO, "'template': cannot read '%.200s': %s", path, strerror(errno))
                  : n > MMR_TEMPLATE_MAX ? mmr_fail(err, MMR_ETOOBIG, "'template': '%.200s' is over %d bytes", path, MMR_TEMPLATE_MAX) : 0;
    struct mmr_record none = {.json = json_object_new_object()};
    char *body = NULL;
    if (fd >= 0)
        (void)close(fd);
    if (!r)
        r = mmr_template_fill(text, h->type, place, &none, &body, err); /* a place nobody knows is said now, not in the night */
    struct json_object *parsed = !r && h->type == MMR_TEMPLATE_JSON ? json_tokener_parse(body) : NULL;
    if (!r && h->type == MMR_TEMPLATE_JSON && !parsed)
        r = mmr_fail(err, MMR_ECONFIG, "'template': '%.200s' with its places filled is no JSON; put places inside quotes: \"{text}\"", path);
    json_object_put(parsed);
    json_object_put(none.json);
    free(body);
    if (r)
        free(text);
    else
        h->template = text;
    return r;
}

static int check(struct hook *h, struct mmr_error *err)
{
    static const char *const types[] = {"json", "form", "text"};
    const struct hook_config *c = h->cfg;
    int t = 0;
    while (t < 3 && strcmp(types[t], c->type) != 0)
        t++;
    if (t == 3)
        return mmr_fail(err, MMR_ECONFIG, "'type': found '%.40s', expected json, form or text", c->type);
    h->type = (enum mmr_template_type)t;
    if (strncmp(c->url, "https://", 8) != 0 && !(c->allow_plain && strncmp(c->url, "http://", 7) == 0))
        return mmr_fail(err, MMR_ECONFIG, "'url': found '%.80s', expected https://…; 'allow_plain: yes' lets http:// pass", c->url);
    if (strcmp(c->accepted, "gateway") != 0 && strcmp(c->accepted, "recipient") != 0)
        return mmr_fail(err, MMR_ECONFIG, "'accepted': found '%.40s', expected gateway or recipient", c->accepted);
    for (size_t i = 0; i < c->headers.n; i++)
        if (!strchr(c->headers.v[i], ':') || strpbrk(c->headers.v[i], "\r\n"))
            return mmr_fail(err, MMR_ECONFIG, "'headers': found '%.60s', expected 'Name: value'", c->headers.v[i]);
    h->rule = (struct mmr_reply_rule){c->status_field, c->status_delivered, c->status_failed,
                                      strcmp(c->accepted, "recipient") == 0 ? (int)MMR_DELIVERY_RECIPIENT : (int)MMR_DELIVERY_GATEWAY};
    return c->template ? read_template(h, err) : 0;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct hook *h = calloc(1, sizeof *h);
    if (!h || sodium_init() < 0) {
        free(h);
        return mmr_fail(err, MMR_ENOMEM, "webhook: out of memory");
    }
    h->host = host;
    h->cfg = config;
    int r = check(h, err);
    if (!r && h->cfg->token_file)
        r = mmr_post_secret(h->cfg->token_file, h->token, err);
    if (!r && h->cfg->secret_file)
        r = mmr_post_secret(h->cfg->secret_file, h->secret, err);
    if (!r)
        r = mmr_post_new(host, COOKIE_POST, &h->post, err);
    if (!r)
        r = mmr_seen_open(host->state_dir, &h->seen, err);
    if (r) {
        destroy(h);
        return r;
    }
    *ret_self = h;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct hook_config, url, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "where to POST: https://…"),
    MMR_CFG(struct hook_config, template, MMR_CFG_STR, 0, NULL, 0, 0, "file with the body, with {to}, {text} and so on; unset: the record as it is"),
    MMR_CFG(struct hook_config, type, MMR_CFG_STR, 0, "json", 0, 0, "what the body is: json, form or text"),
    MMR_CFG(struct hook_config, headers, MMR_CFG_STRV, 0, NULL, 0, 0, "more headers, 'Name: value'"),
    MMR_CFG(struct hook_config, token_file, MMR_CFG_STR, 0, NULL, 0, 0, "file with a token, mode 0600: sent as Authorization: Bearer"),
    MMR_CFG(struct hook_config, secret_file, MMR_CFG_STR, 0, NULL, 0, 0, "file with a secret, mode 0600: signs the body (X-Mamori-Signature)"),
    MMR_CFG(struct hook_config, ca_file, MMR_CFG_STR, 0, NULL, 0, 0, "certificates to trust; the machine's own when unset"),
    MMR_CFG(struct hook_config, accepted, MMR_CFG_STR, 0, "gateway", 0, 0, "what a 2xx says: gateway (it took the message) or recipient (the recipient's system has it)"),
    MMR_CFG(struct hook_config, status_field, MMR_CFG_STR, 0, NULL, 0, 0, "field of the JSON answer that says more, as in messages.0.status"),
    MMR_CFG(struct hook_config, status_delivered, MMR_CFG_STR, 0, NULL, 0, 0, "its value when the recipient's system has the message"),
    MMR_CFG(struct hook_config, status_failed, MMR_CFG_STR, 0, NULL, 0, 0, "its value when it never will"),
    MMR_CFG(struct hook_config, timeout, MMR_CFG_MSEC, 0, "30s", 1000, 55000, "give up after this; the clock tries again"),
    MMR_CFG(struct hook_config, allow_plain, MMR_CFG_BOOL, 0, "no", 0, 0, "yes: http:// too, for a gateway on this machine"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(webhook) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.webhook", .name = "webhook", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Posts notices to chat tools, short-message and voice gateways, or records to a machine.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_NET_OUT,
    .config = config_rows, .config_size = sizeof(struct hook_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer, .forwarder = &forwarder,
};
