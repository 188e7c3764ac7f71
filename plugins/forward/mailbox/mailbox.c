/*
 * mailbox.c - looks into the mailbox our mails come from (IMAP) for what comes back: delivery status notices and replies. It passes tokens on,
 * and the core says what they mean. How far it has looked is kept only when what it found is committed, so nothing is overlooked.
 */
#include "answer.h"
#include "imap.h"
#include "post.h"

#include <mamori/event.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COOKIE_POST = 1, COOKIE_LOOK = 2, URL_MAX = 512, FIRST_LOOK = 200, QUEUE_MAX = 256, SOON_MS = 10 };

struct mailbox_config {
    const char *server, *tls, *ca_file, *user, *password_file, *folder;
    int64_t every, timeout;
};
enum step { IDLE = 0, ASK_STATE, ASK_LIST, GET_MAIL };
struct seen { /* a mail that was looked at, and how many events there were by then */
    uint64_t event;
    uint32_t uid;
};
struct mailbox {
    const struct mmr_host *host;
    const struct mailbox_config *cfg;
    struct mmr_post *post;
    enum step step;
    bool is_stopped, has_more, is_failing;
    char password[MMR_SECRET_MAX];
    char *text; /* of the answer under way; MMR_MAIL_BYTES_MAX */
    size_t len;
    uint32_t validity, next; /* as the server said */
    uint32_t at, kept;       /* looked at; known to be so after a restart */
    uint32_t uid[MMR_IMAP_UIDS_MAX];
    size_t n_uid, i_uid;
    uint64_t emitted, committed;
    struct seen seen[QUEUE_MAX];
    size_t n_seen;
};

static void look_again(struct mailbox *m, int64_t ms)
{
    m->step = IDLE;
    if (!m->is_stopped)
        (void)m->host->set_timer(m->host->impl, ms, COOKIE_LOOK);
}

/* ---- how far ---- */

static int path_of(const struct mailbox *m, char *buf, size_t cap, const char *name)
{
    int n = m->host->state_dir[0] ? snprintf(buf, cap, "%s/%s", m->host->state_dir, name) : -1;
    return n > 0 && (size_t)n < cap ? 0 : MMR_ETOOBIG;
}

static void read_kept(struct mailbox *m)
{
    char path[4096];
    FILE *f = path_of(m, path, sizeof path, "at") == 0 ? fopen(path, "re") : NULL;
    if (f && fscanf(f, "%u %u", &m->validity, &m->kept) != 2)
        m->validity = m->kept = 0;
    if (f)
        (void)fclose(f);
    m->at = m->kept;
}

/* Whole or not at all; where it cannot be kept, mails are looked at twice, which their tokens allow. */
static void keep(struct mailbox *m)
{
    char path[4096], fresh[4096], text[32];
    if (path_of(m, path, sizeof path, "at") != 0 || path_of(m, fresh, sizeof fresh, "at.new") != 0)
        return;
    int n = snprintf(text, sizeof text, "%u %u\n", m->validity, m->kept);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_good = fd >= 0 && write(fd, text, (size_t)n) == n && fdatasync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (!is_good || rename(fresh, path) != 0)
        m->host->log(m->host->impl, MMR_LOG_WARN, "cannot keep how far the mailbox was read; mails may be looked at twice");
}

static void settle(struct mailbox *m)
{
    size_t n = 0;
    while (n < m->n_seen && m->seen[n].event <= m->committed)
        m->kept = m->seen[n++].uid;
    if (!n)
        return;
    memmove(m->seen, m->seen + n, (m->n_seen - n) * sizeof m->seen[0]);
    m->n_seen -= n;
    keep(m);
}

/* ---- a question ---- */

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
    struct mailbox *m = ctx;
    size_t len = size * n, room = MMR_MAIL_BYTES_MAX - m->len;
    memcpy(m->text + m->len, p, len < room ? len : room);
    m->len += len < room ? len : room;
    return len; /* the rest is not looked at */
}

static void on_done(void *ctx, CURL *easy, CURLcode code, const char *error);

static int ask(struct mailbox *m, enum step step, const char *where, const char *command)
{
    char url[URL_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mailbox_config *c = m->cfg;
    CURL *e = mmr_post_handle(c->timeout, c->ca_file);
    if (!e)
        return MMR_ENOMEM;
    (void)snprintf(url, sizeof url, "%s://%s/%s", strcmp(c->tls, "implicit") == 0 ? "imaps" : "imap", c->server, where);
    (void)curl_easy_setopt(e, CURLOPT_URL, url);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "imap,imaps");
    (void)curl_easy_setopt(e, CURLOPT_USERNAME, c->user);
    (void)curl_easy_setopt(e, CURLOPT_PASSWORD, m->password);
    (void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (strcmp(c->tls, "none") != 0)
        (void)curl_easy_setopt(e, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    if (command)
        (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, command);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, m);
    m->len = 0;
    int r = mmr_post_start(m->post, e, on_done, m, &err);
    if (r)
        curl_easy_cleanup(e);
    else
        m->step = step;
    return r;
}

static int ask_state(struct mailbox *m)
{
    char command[160];
    (void)snprintf(command, sizeof command, "STATUS \"%s\" (UIDVALIDITY UIDNEXT)", m->cfg->folder);
    return ask(m, ASK_STATE, "", command);
}

static int ask_list(struct mailbox *m)
{
    char command[64];
    (void)snprintf(command, sizeof command, "UID SEARCH UID %u:*", m->at + 1);
    return ask(m, ASK_LIST, m->cfg->folder, command);
}

static int get_mail(struct mailbox *m)
{
    char where[256];
    (void)snprintf(where, sizeof where, "%s/;UIDVALIDITY=%u;UID=%u;PARTIAL=0.%d", m->cfg->folder, m->validity, m->uid[m->i_uid], MMR_MAIL_BYTES_MAX);
    return ask(m, GET_MAIL, where, NULL);
}

/* ---- an answer ---- */

/* MMR_EAGAIN: the bus is full */
static int pass_on(struct mailbox *m, const struct mmr_mail_answer *a)
{
    uint8_t buf[512];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "notice.answer", MMR_CLASS_EVENT_LOG, 99, m->host->now_ns(m->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "unmapped.token", a->token);
    mmr_event_int(&ev, "unmapped.level", a->level);
    mmr_event_str(&ev, "unmapped.who", a->kind == MMR_MAIL_REPLY ? "reply" : "delivery notice");
    int r = mmr_event_end(&ev);
    if (!r)
        r = m->host->emit(m->host->impl, ev.buf, ev.len);
    m->emitted += r == 0;
    return r;
}

/* One mail was looked at, or is not there any more. False: later, the bus or our own list is full. */
static bool take_mail(struct mailbox *m, bool is_there)
{
    struct mmr_mail_answer a = {.kind = MMR_MAIL_OTHER};
    if (m->n_seen == QUEUE_MAX)
        return false;
    if (is_there)
        a = mmr_mail_answer(m->text, m->len);
    if ((a.kind == MMR_MAIL_STATUS || a.kind == MMR_MAIL_REPLY) && pass_on(m, &a) == MMR_EAGAIN)
        return false;
    m->at = m->uid[m->i_uid++];
    m->seen[m->n_seen++] = (struct seen){m->emitted, m->at};
    settle(m);
    return true;
}

static void say_trouble(struct mailbox *m, const char *error)
{
    char text[260];
    if (m->is_failing)
        return;
    m->is_failing = true;
    (void)snprintf(text, sizeof text, "%.60s: %.150s; delivery notices and replies wait there", m->cfg->server, error);
    m->host->log(m->host->impl, MMR_LOG_WARN, text);
}

static void take_state(struct mailbox *m)
{
    uint32_t validity, next;
    if (!mmr_imap_status(m->text, m->len, &validity, &next)) {
        say_trouble(m, "found no STATUS of the folder with UIDVALIDITY and UIDNEXT; is 'server' an IMAP server, and 'folder' there?");
        look_again(m, m->cfg->every);
        return;
    }
    if (validity != m->validity) { /* the first time, or the server numbers anew: the last ones are enough */
        m->validity = validity;
        m->kept = m->at = next > FIRST_LOOK ? next - FIRST_LOOK - 1 : 0;
        m->n_seen = 0;
    }
    m->is_failing = false;
    m->next = next;
    if (m->at + 1 >= next || ask_list(m) != 0)
        look_again(m, m->cfg->every);
}

static void go_on(struct mailbox *m)
{
    if (m->i_uid < m->n_uid) {
        if (get_mail(m) != 0)
            look_again(m, m->cfg->every);
        return;
    }
    look_again(m, m->has_more ? SOON_MS : m->cfg->every);
}

static void on_done(void *ctx, CURL *easy, CURLcode code, const char *error)
{
    struct mailbox *m = ctx;
    enum step step = m->step;
    curl_easy_cleanup(easy);
    m->step = IDLE;
    if (m->is_stopped)
        return;
    if (code != CURLE_OK && !(step == GET_MAIL && code == CURLE_REMOTE_FILE_NOT_FOUND)) {
        say_trouble(m, error);
        look_again(m, m->cfg->every);
    } else if (step == ASK_STATE) {
        take_state(m);
    } else if (step == ASK_LIST) {
        m->n_uid = mmr_imap_search(m->text, m->len, m->at, m->uid, &m->has_more);
        m->i_uid = 0;
        go_on(m);
    } else if (take_mail(m, code == CURLE_OK)) {
        go_on(m);
    } else {
        look_again(m, m->cfg->every); /* from here on */
    }
}

/* ---- life ---- */

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct mailbox *m = self;
    (void)cookie;
    mmr_post_fd(m->post, fd, rw);
}

/* Each look is a connection of its own: on one that has the folder open a server may go on to tell what was there before. */
static int hang_up(struct mailbox *m)
{
    struct mmr_post *fresh = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_post_new(m->host, COOKIE_POST, &fresh, &err);
    if (r)
        return r;
    mmr_post_free(m->post);
    m->post = fresh;
    return 0;
}

static void on_timer(void *self, uint64_t cookie)
{
    struct mailbox *m = self;
    if (cookie == COOKIE_POST)
        mmr_post_timer(m->post);
    else if (m->step == IDLE && !m->is_stopped && (hang_up(m) != 0 || ask_state(m) != 0))
        look_again(m, m->cfg->every);
}

static int start(void *self, struct mmr_error *err)
{
    struct mailbox *m = self;
    (void)err;
    m->is_stopped = false;
    read_kept(m);
    look_again(m, SOON_MS);
    return 0;
}

static void stop(void *self)
{
    struct mailbox *m = self;
    m->is_stopped = true;
    (void)m->host->set_timer(m->host->impl, -1, COOKIE_LOOK);
}

static void on_committed(void *self, uint64_t upto)
{
    struct mailbox *m = self;
    if (upto > m->committed)
        m->committed = upto;
    settle(m);
}

static void destroy(void *self)
{
    struct mailbox *m = self;
    if (!m)
        return;
    m->is_stopped = true;
    mmr_post_free(m->post);
    sodium_memzero(m->password, sizeof m->password);
    free(m->text);
    free(m);
}

static bool is_folder(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 100 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == n;
}

static int check(const struct mailbox_config *c, struct mmr_error *err)
{
    bool is_here = strncmp(c->server, "127.0.0.1:", 10) == 0 || strncmp(c->server, "localhost:", 10) == 0;
    if (strcmp(c->tls, "starttls") != 0 && strcmp(c->tls, "implicit") != 0 && strcmp(c->tls, "none") != 0)
        return mmr_fail(err, MMR_ECONFIG, "'tls': found '%.40s', expected implicit, starttls or none", c->tls);
    if (strpbrk(c->server, "/@ ?#;\r\n") || !strchr(c->server, ':') || strlen(c->server) > 200)
        return mmr_fail(err, MMR_ECONFIG, "'server': found '%.60s', expected HOST:PORT", c->server);
    if (!is_folder(c->folder))
        return mmr_fail(err, MMR_ECONFIG, "'folder': found '%.60s', expected up to 100 letters, digits and . _ - /", c->folder);
    if (strcmp(c->tls, "none") == 0 && !is_here)
        return mmr_fail(err, MMR_ECONFIG, "'tls: none' would send the password of '%.40s' in the open; use implicit or starttls", c->user);
    return 0;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct mailbox *m = calloc(1, sizeof *m);
    if (!m || sodium_init() < 0 || !(m->text = malloc(MMR_MAIL_BYTES_MAX))) {
        free(m);
        return mmr_fail(err, MMR_ENOMEM, "mailbox: out of memory");
    }
    m->host = host;
    m->cfg = config;
    int r = check(m->cfg, err);
    if (!r)
        r = mmr_post_secret(m->cfg->password_file, m->password, err);
    if (!r)
        r = mmr_post_new(host, COOKIE_POST, &m->post, err);
    if (r) {
        destroy(m);
        return r;
    }
    *ret_self = m;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct mailbox_config, server, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "HOST:PORT of the IMAP server (usual port 993)"),
    MMR_CFG(struct mailbox_config, tls, MMR_CFG_STR, 0, "implicit", 0, 0, "implicit (port 993), starttls (port 143) or none (this machine only)"),
    MMR_CFG(struct mailbox_config, ca_file, MMR_CFG_STR, 0, NULL, 0, 0, "certificates to trust; the machine's own when unset"),
    MMR_CFG(struct mailbox_config, user, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "name to log in with"),
    MMR_CFG(struct mailbox_config, password_file, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "file with the password, mode 0600"),
    MMR_CFG(struct mailbox_config, folder, MMR_CFG_STR, 0, "INBOX", 0, 0, "folder that answers come into"),
    MMR_CFG(struct mailbox_config, every, MMR_CFG_MSEC, 0, "60s", 1000, 3600000, "how often it is looked into"),
    MMR_CFG(struct mailbox_config, timeout, MMR_CFG_MSEC, 0, "30s", 1000, 55000, "give up on the server after this"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop, .on_committed = on_committed};
static const char *const events[] = {"notice.answer", NULL};

MMR_PLUGIN(mailbox) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.mailbox", .name = "mailbox", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Reads delivery notices and replies to notices from a mailbox (IMAP).",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_NET_OUT,
    .events = events, .config = config_rows, .config_size = sizeof(struct mailbox_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer, .sensor = &sensor,
};
