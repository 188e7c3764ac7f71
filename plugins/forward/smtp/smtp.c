/*
 * smtp.c - forwarder: notices and weekly reports as mail. By a submission server (a relay's "yes" is level 1), or straight to
 * the recipient's own server (level 2). What was handed on is remembered, so that a record given again is not sent twice.
 */
#include "letter.h"
#include "mx.h"
#include "post.h"
#include "seen.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { COOKIE_POST = 1, COOKIE_MX = 2, DETAIL_MAX = 100, URL_MAX = 400 };

struct smtp_config {
    const char *server, *tls, *ca_file, *user, *password_file, *from, *from_name, *hello, *dns;
    struct mmr_strv own_domains;
    int64_t timeout, mx_port;
    bool read_back;
};
struct smtp {
    const struct mmr_host *host;
    const struct smtp_config *cfg;
    struct mmr_post *post;
    struct mmr_mx *mx;
    struct mmr_seen *seen;
    char password[MMR_SECRET_MAX];
    bool is_direct;
    bool is_ending;
    enum { DSN_UNKNOWN = 0, DSN_NO, DSN_YES } dsn; /* does 'server' send delivery notices where it is asked to? */
    struct mail *mail[MMR_POST_AT_ONCE]; /* under way: the core asks again before they are answered */
    unsigned n_mail;
};
struct mail { /* one letter under way */
    struct smtp *s;
    uint64_t seq;
    struct mmr_record record;
    struct curl_slist *head, *to, *resolve;
    curl_mime *mime;
    struct mmr_mx_host mx[MMR_MX_HOSTS_MAX];
    unsigned n_mx, at_mx;
};

enum { PARAMETERS_MAX = 700 };
static int send_mail(struct mail *m, struct mmr_error *err);

static void free_mail(struct mail *m)
{
    struct smtp *s = m->s;
    for (unsigned i = 0; i < s->n_mail; i++)
        if (s->mail[i] == m) {
            s->mail[i] = s->mail[--s->n_mail];
            break;
        }
    curl_slist_free_all(m->head);
    curl_slist_free_all(m->to);
    curl_slist_free_all(m->resolve);
    curl_mime_free(m->mime);
    mmr_record_done(&m->record);
    free(m);
}

static void say(struct smtp *s, uint64_t seq, int level, const char *detail)
{
    char text[DETAIL_MAX + 1];
    (void)snprintf(text, sizeof text, "%s", detail);
    (void)s->host->forward_done(s->host->impl, seq, level, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), text);
}

static void finish(struct mail *m, int level, const char *detail)
{
    struct smtp *s = m->s;
    if (level >= MMR_DELIVERY_GATEWAY)
        mmr_seen_add(s->seen, m->record.key, level);
    say(s, m->seq, level, detail);
    free_mail(m);
}

static bool is_own(const struct smtp *s, const char *to)
{
    const char *domain = strchr(to, '@');
    for (size_t i = 0; domain && i < s->cfg->own_domains.n; i++)
        if (strcasecmp(s->cfg->own_domains.v[i], domain + 1) == 0)
            return true;
    return false;
}

/* Will the same fail again, whenever it is tried? Then the next channel is asked at once. */
static bool is_final(CURLcode code, long reply)
{
    if (reply >= 500 && reply < 600)
        return true;
    return code == CURLE_LOGIN_DENIED || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_USE_SSL_FAILED || code == CURLE_SSL_CACERT_BADFILE;
}

static void on_done(void *ctx, CURL *easy, CURLcode code, const char *error)
{
    struct mail *m = ctx;
    struct smtp *s = m->s;
    long reply = 0;
    char detail[DETAIL_MAX + 1];
    struct mmr_error err = {.struct_size = sizeof err};
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply);
    curl_easy_cleanup(easy);
    curl_mime_free(m->mime); /* bound to that handle */
    curl_slist_free_all(m->head);
    curl_slist_free_all(m->to);
    curl_slist_free_all(m->resolve);
    m->mime = NULL;
    m->head = m->to = m->resolve = NULL;
    const char *server = s->is_direct ? m->mx[m->at_mx].name : s->cfg->server;
    if (code == CURLE_OK) {
        bool is_theirs = s->is_direct || is_own(s, m->record.to);
        (void)snprintf(detail, sizeof detail, "%s %.60s", is_theirs ? "taken by the recipient's server" : "taken by the relay", server);
        finish(m, is_theirs ? MMR_DELIVERY_RECIPIENT : MMR_DELIVERY_GATEWAY, detail);
        return;
    }
    bool is_over = is_final(code, reply);
    if (s->is_direct && !is_over && ++m->at_mx < m->n_mx && send_mail(m, &err) == 0)
        return; /* the next server of the domain */
    (void)snprintf(detail, sizeof detail, "%.30s: %s", server, error);
    finish(m, is_over ? MMR_DELIVERY_FAILED : MMR_DELIVERY_TRIED, detail);
}

static void set_tls(const struct smtp *s, CURL *e)
{
    if (s->is_direct) { /* as mail between servers is: encrypted where the other side can */
        (void)curl_easy_setopt(e, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (strcmp(s->cfg->tls, "none") != 0) {
        (void)curl_easy_setopt(e, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    }
    (void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

/* "250-DSN" among what it says to our greeting (RFC 3461 section 4); it greets again after STARTTLS. */
static size_t on_said(char *line, size_t size, size_t n, void *ctx)
{
    struct smtp *s = ctx;
    size_t len = size * n;
    if (len >= 7 && (memcmp(line, "250-", 4) == 0 || memcmp(line, "250 ", 4) == 0) && strncasecmp(line + 4, "DSN", 3) == 0 &&
        (len == 7 || line[7] == '\r' || line[7] == '\n' || line[7] == ' '))
        s->dsn = DSN_YES;
    return len;
}

/* Wants a notice, and may get one: by its relay, to the mailbox that is read. The recipient's own server needs none: its yes is level 2. */
static bool wants_notice(const struct mail *m)
{
    return m->s->cfg->read_back && !m->s->is_direct && !is_own(m->s, m->record.to) && *m->record.report_token;
}

/*
 * The parameters of RFC 3461 go with the addresses. The curl of Debian 12 takes what stands behind '>' for a part of the address and adds a '>'
 * of its own; newer ones do not. The last parameter of each is one in whose value a '>' is only a letter more ("xtext"): the envelope id, of which
 * the token is the first 32, and the address as we wrote it, which nobody reads.
 */
static void put_envelope(const struct mail *m, char from[PARAMETERS_MAX], char to[PARAMETERS_MAX])
{
    const struct smtp *s = m->s;
    bool is_asked = wants_notice(m) && s->dsn == DSN_YES;
    (void)snprintf(from, PARAMETERS_MAX, is_asked ? "<%s> RET=HDRS ENVID=%s" : "<%s>", s->cfg->from, m->record.report_token);
    (void)snprintf(to, PARAMETERS_MAX, is_asked && !strpbrk(m->record.to, "+=") ? "<%s> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%s" : "<%s>", m->record.to, m->record.to);
}

/* Asked once, before the first mail: a greeting and nothing else. */
static void on_probed(void *ctx, CURL *easy, CURLcode code, const char *error)
{
    struct mail *m = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)error;
    curl_easy_cleanup(easy);
    if (code == CURLE_OK && m->s->dsn == DSN_UNKNOWN)
        m->s->dsn = DSN_NO;
    if (send_mail(m, &err) != 0)
        finish(m, MMR_DELIVERY_TRIED, err.text);
}

static CURL *handle_to_server(const struct smtp *s, const char *hello)
{
    char url[URL_MAX];
    CURL *e = mmr_post_handle(s->cfg->timeout, s->cfg->ca_file);
    if (!e)
        return NULL;
    (void)snprintf(url, sizeof url, "%s://%s/%s", strcmp(s->cfg->tls, "implicit") == 0 ? "smtps" : "smtp", s->cfg->server, hello);
    (void)curl_easy_setopt(e, CURLOPT_URL, url);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    if (s->cfg->user) {
        (void)curl_easy_setopt(e, CURLOPT_USERNAME, s->cfg->user);
        (void)curl_easy_setopt(e, CURLOPT_PASSWORD, s->password);
    }
    set_tls(s, e);
    return e;
}

static const char *hello_of(const struct smtp *s, char *name, size_t cap)
{
    (void)snprintf(name, cap, "localhost");
    (void)gethostname(name, cap - 1);
    return s->cfg->hello ? s->cfg->hello : name; /* curl says it after the server's name */
}

static int probe(struct mail *m, struct mmr_error *err)
{
    char name[64];
    CURL *e = handle_to_server(m->s, hello_of(m->s, name, sizeof name));
    if (!e)
        return mmr_fail(err, MMR_ENOMEM, "mail: out of memory");
    (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, "NOOP");
    (void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_said);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, m->s);
    int r = mmr_post_start(m->s->post, e, on_probed, m, err);
    if (r)
        curl_easy_cleanup(e);
    return r;
}

static int send_mail(struct mail *m, struct mmr_error *err)
{
    struct smtp *s = m->s;
    const struct mmr_letter_from from = {s->cfg->from, s->cfg->from_name, s->cfg->read_back};
    char sender[PARAMETERS_MAX], recipient[PARAMETERS_MAX], pin[MMR_MX_NAME_MAX + MMR_MX_ADDR_MAX + 16], name[64] = "localhost";
    const char *hello = hello_of(s, name, sizeof name);
    CURL *e = handle_to_server(s, hello);
    if (!e)
        return mmr_fail(err, MMR_ENOMEM, "mail: out of memory");
    if (s->is_direct) {
        char url[URL_MAX];
        (void)snprintf(url, sizeof url, "smtp://%s:%lld/%s", m->mx[m->at_mx].name, (long long)s->cfg->mx_port, hello);
        (void)snprintf(pin, sizeof pin, "%s:%lld:%s", m->mx[m->at_mx].name, (long long)s->cfg->mx_port, m->mx[m->at_mx].addr);
        m->resolve = curl_slist_append(NULL, pin);
        (void)curl_easy_setopt(e, CURLOPT_URL, url);
        (void)curl_easy_setopt(e, CURLOPT_RESOLVE, m->resolve);
        (void)curl_easy_setopt(e, CURLOPT_USERNAME, NULL);
        (void)curl_easy_setopt(e, CURLOPT_PASSWORD, NULL);
    }
    put_envelope(m, sender, recipient);
    (void)curl_easy_setopt(e, CURLOPT_MAIL_FROM, sender);
    m->to = curl_slist_append(NULL, recipient);
    (void)curl_easy_setopt(e, CURLOPT_MAIL_RCPT, m->to);
    int r = mmr_letter_put(e, &m->record, &from, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL) / 1000000000, &m->head, &m->mime, err);
    if (!r)
        r = mmr_post_start(s->post, e, on_done, m, err);
    if (r)
        curl_easy_cleanup(e);
    return r;
}

static void on_mx(void *ctx, const struct mmr_mx_host *list, unsigned n, bool is_over, const char *why)
{
    struct mail *m = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (m->s->is_ending)
        return;
    if (n)
        memcpy(m->mx, list, n * sizeof *list);
    m->n_mx = n;
    if (n == 0)
        finish(m, is_over ? MMR_DELIVERY_FAILED : MMR_DELIVERY_TRIED, why);
    else if (send_mail(m, &err) != 0)
        finish(m, MMR_DELIVERY_TRIED, err.text);
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct smtp *s = self;
    struct mmr_record record;
    int level, r = mmr_record_read(data, len, &record, err);
    if (r)
        return r;
    for (unsigned i = 0; i < s->n_mail; i++)
        if (s->mail[i]->seq == seq) {
            mmr_record_done(&record);
            return 0; /* its answer comes */
        }
    if (mmr_seen_has(s->seen, record.key, &level)) {
        mmr_record_done(&record);
        say(s, seq, level, "was sent before");
        return 0;
    }
    const char *domain = strchr(record.to, '@');
    if (!domain || !domain[1] || strpbrk(record.to, "<> ,;\"")) {
        r = mmr_fail(err, MMR_EINVAL, "mail: '%.60s' is no mail address; see notify.contacts", record.to);
        mmr_record_done(&record);
        return r;
    }
    struct mail *m = s->n_mail < MMR_POST_AT_ONCE ? calloc(1, sizeof *m) : NULL;
    if (!m) {
        mmr_record_done(&record);
        return MMR_EAGAIN;
    }
    *m = (struct mail){.s = s, .seq = seq, .record = record};
    s->mail[s->n_mail++] = m;
    r = s->is_direct                                     ? mmr_mx_ask(s->mx, domain + 1, on_mx, m, err)
        : s->dsn == DSN_UNKNOWN && wants_notice(m) ? probe(m, err)
                                                         : send_mail(m, err);
    if (r) {
        free_mail(m);
        return r == MMR_ENOMEM ? MMR_EAGAIN : r;
    }
    return 0;
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)self; /* what is not answered is given again */
    (void)deadline_ms;
    (void)err;
    return 0;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct smtp *s = self;
    if (cookie == COOKIE_POST)
        mmr_post_fd(s->post, fd, rw);
    else
        mmr_mx_fd(s->mx, fd, rw);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct smtp *s = self;
    if (cookie == COOKIE_POST)
        mmr_post_timer(s->post);
    else
        mmr_mx_timer(s->mx);
}

static void destroy(void *self)
{
    struct smtp *s = self;
    if (!s)
        return;
    s->is_ending = true;
    mmr_post_free(s->post);
    mmr_mx_free(s->mx);
    while (s->n_mail)
        free_mail(s->mail[0]);
    mmr_seen_close(s->seen);
    sodium_memzero(s->password, sizeof s->password);
    free(s);
}

static int check(const struct smtp_config *c, struct mmr_error *err)
{
    if (strcmp(c->tls, "starttls") != 0 && strcmp(c->tls, "implicit") != 0 && strcmp(c->tls, "none") != 0)
        return mmr_fail(err, MMR_ECONFIG, "'tls': found '%.40s', expected starttls, implicit or none", c->tls);
    if (!strchr(c->from, '@') || strpbrk(c->from, "<> ,;\"\r\n"))
        return mmr_fail(err, MMR_ECONFIG, "'from': found '%.60s', expected one mail address", c->from);
    if (strpbrk(c->server, "/@ ?#\r\n"))
        return mmr_fail(err, MMR_ECONFIG, "'server': found '%.60s', expected HOST:PORT, or mx", c->server);
    if (c->user && !c->password_file)
        return mmr_fail(err, MMR_ECONFIG, "'user' is given: 'password_file' must name the file with its password");
    if (c->user && strcmp(c->tls, "none") == 0 && strncmp(c->server, "127.0.0.1", 9) != 0 && strncmp(c->server, "localhost", 9) != 0)
        return mmr_fail(err, MMR_ECONFIG, "'tls: none' would send the password of '%.40s' in the open; use starttls or implicit", c->user);
    return 0;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct smtp *s = calloc(1, sizeof *s);
    if (!s || sodium_init() < 0) {
        free(s);
        return mmr_fail(err, MMR_ENOMEM, "mail: out of memory");
    }
    s->host = host;
    s->cfg = config;
    s->is_direct = strcmp(s->cfg->server, "mx") == 0;
    int r = check(s->cfg, err);
    if (!r && s->cfg->user)
        r = mmr_post_secret(s->cfg->password_file, s->password, err);
    if (!r)
        r = mmr_post_new(host, COOKIE_POST, &s->post, err);
    if (!r && s->is_direct)
        r = mmr_mx_new(host, COOKIE_MX, s->cfg->dns, &s->mx, err);
    if (!r)
        r = mmr_seen_open(host->state_dir, &s->seen, err);
    if (r) {
        destroy(s);
        return r;
    }
    *ret_self = s;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct smtp_config, server, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0,
            "HOST:PORT of the mail server that takes our mail; or mx: straight to the server of each recipient"),
    MMR_CFG(struct smtp_config, tls, MMR_CFG_STR, 0, "starttls", 0, 0, "starttls (port 587), implicit (port 465) or none; not with mx, which encrypts where it can"),
    MMR_CFG(struct smtp_config, ca_file, MMR_CFG_STR, 0, NULL, 0, 0, "certificates to trust; the machine's own when unset"),
    MMR_CFG(struct smtp_config, user, MMR_CFG_STR, 0, NULL, 0, 0, "name to log in with"),
    MMR_CFG(struct smtp_config, password_file, MMR_CFG_STR, 0, NULL, 0, 0, "file with the password, mode 0600"),
    MMR_CFG(struct smtp_config, from, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "address the mail comes from"),
    MMR_CFG(struct smtp_config, from_name, MMR_CFG_STR, 0, NULL, 0, 0, "name beside it; the service's when unset"),
    MMR_CFG(struct smtp_config, own_domains, MMR_CFG_STRV, 0, NULL, 0, 0,
            "domains of recipients whose own mail server 'server' is: its yes counts as received (level 2), a relay's does not"),
    MMR_CFG(struct smtp_config, hello, MMR_CFG_STR, 0, NULL, 0, 0, "name to greet with; the machine's when unset"),
    MMR_CFG(struct smtp_config, dns, MMR_CFG_STR, 0, NULL, 0, 0, "with mx: ADDRESS:PORT of name servers; the machine's own when unset"),
    MMR_CFG(struct smtp_config, mx_port, MMR_CFG_INT, 0, "25", 1, 65535, "with mx: port of the recipients' servers"),
    MMR_CFG(struct smtp_config, read_back, MMR_CFG_BOOL, 0, "no", 0, 0,
            "yes: a 'mailbox' instance reads what comes back to 'from'; delivery notices are asked for, and people are told that a reply confirms"),
    MMR_CFG(struct smtp_config, timeout, MMR_CFG_MSEC, 0, "45s", 1000, 55000, "give up on a server after this; the clock tries again"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(smtp) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.smtp", .name = "smtp", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Sends notices and weekly reports as mail.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_NET_OUT,
    .config = config_rows, .config_size = sizeof(struct smtp_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer, .forwarder = &forwarder,
};
