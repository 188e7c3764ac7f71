/* connect.c - the connection, with credentials from a file, and the stream. The library connects again by itself; what was under way then is sent again. */
#include "engine/nats/nats.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONNECT_MS = 1500 /* each of 16 servers, and a beat is still in time */, TRY_MS = 2000, RECONNECT_MS = 500, PING_MS = 5000, PINGS_OUT = 3, ASK_MS = 3000, LOOK_MS = 1000, CHECK_MS = 600000, HEADERS_MAX = 1024,
       PART_MIN = 1024, LOGIN_MAX = 4096, LOGIN_VALUE_MAX = 1024 };

/* ---- credentials ---- */

struct login {
    char user[LOGIN_VALUE_MAX], password[LOGIN_VALUE_MAX], token[LOGIN_VALUE_MAX], nkey[LOGIN_VALUE_MAX], nkey_seed_file[LOGIN_VALUE_MAX],
        certificate[LOGIN_VALUE_MAX], certificate_key[LOGIN_VALUE_MAX];
    bool is_creds;
};

static int read_login(const char *path, struct login *ret, struct mmr_error *err)
{
    char text[LOGIN_MAX + 1], *save = NULL;
    struct stat st;
    struct {
        const char *key;
        char *value;
    } const keys[] = {{"user", ret->user}, {"password", ret->password}, {"token", ret->token}, {"nkey", ret->nkey},
                      {"nkey_seed_file", ret->nkey_seed_file}, {"certificate", ret->certificate}, {"certificate_key", ret->certificate_key}};
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        return mmr_fail(err, MMR_ECONFIG, "collector.engine_login '%.150s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || (st.st_uid != geteuid() && st.st_uid != 0))
        return mmr_fail(err, MMR_ECONFIG, "collector.engine_login '%.150s' can be read by others, or is another user's: chmod 600 it", path);
    ssize_t n = read(fd, text, sizeof text);
    if (n < 0 || n > LOGIN_MAX)
        return mmr_fail(err, MMR_ECONFIG, "collector.engine_login '%.150s': %s", path, n < 0 ? strerror(errno) : "longer than 4096 bytes");
    text[n] = '\0';
    if (strstr(text, "-----BEGIN NATS USER JWT-----")) {
        ret->is_creds = true;
        return 0;
    }
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        size_t i = 0, k = strcspn(line, ":");
        const char *value = line[k] ? line + k + 1 + strspn(line + k + 1, " \t") : NULL;
        if (*line == '#')
            continue;
        for (; i < sizeof keys / sizeof keys[0]; i++)
            if (strlen(keys[i].key) == k && strncmp(keys[i].key, line, k) == 0)
                break;
        if (i == sizeof keys / sizeof keys[0] || !value || strlen(value) >= LOGIN_VALUE_MAX)
            return mmr_fail(err, MMR_ECONFIG, "collector.engine_login '%.100s': a line that is not understood; expected 'user: …', 'password: …', 'token: …',"
                            " 'nkey: …' (public), 'nkey_seed_file: …', 'certificate: …', 'certificate_key: …', or a NATS .creds file", path);
        (void)snprintf(keys[i].value, LOGIN_VALUE_MAX, "%s", value);
    }
    return 0;
}

static int set_login(struct mmr_nats *x, natsOptions *o, struct mmr_error *err)
{
    struct login *l = calloc(1, sizeof *l);
    natsStatus s = NATS_OK;
    int r = l ? read_login(x->login, l, err) : mmr_fail(err, MMR_ENOMEM, "out of memory");
    if (!r && l->is_creds)
        s = natsOptions_SetUserCredentialsFromFiles(o, x->login, NULL);
    if (!r && l->user[0])
        s = natsOptions_SetUserInfo(o, l->user, l->password);
    if (!r && s == NATS_OK && l->token[0])
        s = natsOptions_SetToken(o, l->token);
    if (!r && s == NATS_OK && l->nkey[0])
        s = natsOptions_SetNKeyFromSeed(o, l->nkey, l->nkey_seed_file);
    if (!r && s == NATS_OK && l->certificate[0])
        s = natsOptions_LoadCertificatesChain(o, l->certificate, l->certificate_key);
    if (l) {
        explicit_bzero(l, sizeof *l);
        free(l);
    }
    return r ? r : s == NATS_OK ? 0 : mmr_fail(err, MMR_ECONFIG, "collector.engine_login '%.150s': %s", x->login, natsStatus_GetText(s));
}

/* ---- the connection ---- */

static void on_connected(natsConnection *nc, void *ctx)
{
    struct mmr_nats *x = ctx;
    (void)nc;
    atomic_fetch_add(&x->connects, 1);
}

/* Each with a scheme we know, and without a password: a list of servers is no secret place. */
static int check_urls(struct mmr_nats *x, bool *ret_is_tls, struct mmr_error *err)
{
    if (!x->n_urls)
        return mmr_fail(err, MMR_ECONFIG, "collector.engine is empty; expected servers as in 'nats://192.0.2.10:4222'");
    for (int i = 0; i < x->n_urls; i++) {
        const bool is_tls = strncmp(x->urls[i], "tls://", 6) == 0;
        if ((!is_tls && strncmp(x->urls[i], "nats://", 7) != 0) || is_tls != (i ? *ret_is_tls : is_tls))
            return mmr_fail(err, MMR_ECONFIG, "collector.engine '%.100s': expected nats://HOST:PORT or tls://HOST:PORT, all the same", x->urls[i]);
        if (strchr(x->urls[i], '@'))
            return mmr_fail(err, MMR_ECONFIG, "collector.engine has a user or password in it: they belong into the file of collector.engine_login");
        *ret_is_tls = is_tls;
    }
    return 0;
}

static natsStatus set_options(struct mmr_nats *x, natsOptions *o, bool is_tls)
{
    const char *urls[MMR_NATS_URLS_MAX];
    for (int i = 0; i < x->n_urls; i++)
        urls[i] = x->urls[i];
    natsStatus s = natsOptions_SetServers(o, urls, x->n_urls);
    if (s == NATS_OK)
        s = natsOptions_SetName(o, "mamori collector");
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, CONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, PING_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(o, RECONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectedCB(o, on_connected, x);
    if (s == NATS_OK && (is_tls || *x->ca))
        s = natsOptions_SetSecure(o, true);
    if (s == NATS_OK && *x->ca)
        s = natsOptions_LoadCATrustedCertificates(o, x->ca);
    return s;
}

int mmr_nats_prepare(struct mmr_nats *x, struct mmr_error *err)
{
    bool is_tls = false;
    int r = check_urls(x, &is_tls, err);
    if (r)
        return r;
    natsStatus s = natsOptions_Create(&x->options);
    if (s == NATS_OK)
        s = set_options(x, x->options, is_tls);
    if (s != NATS_OK)
        return mmr_fail(err, MMR_ECONFIG, "collector.engine, engine_ca: %s", natsStatus_GetText(s));
    return *x->login ? set_login(x, x->options, err) : 0;
}

/* errors MMR_EIO no server can be reached, and why: to be tried again */
static int connect_now(struct mmr_nats *x, struct mmr_error *err)
{
    char inbox[80];
    natsInbox *random = NULL;
    jsOptions jo;
    natsStatus s = natsConnection_Connect(&x->nc, x->options);
    if (s == NATS_OK)
        s = natsInbox_Create(&random);
    free(x->inbox);
    x->inbox = random ? strdup(random) : NULL;
    natsInbox_Destroy(random);
    if (s == NATS_OK && !x->inbox)
        s = NATS_NO_MEMORY;
    if (s == NATS_OK) {
        (void)snprintf(inbox, sizeof inbox, "%s.>", x->inbox);
        s = natsConnection_Subscribe(&x->replies, x->nc, inbox, mmr_nats_on_reply, x);
    }
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(x->replies, -1, -1); /* at most one an unanswered message */
    (void)jsOptions_Init(&jo);
    jo.Wait = ASK_MS;
    if (s == NATS_OK)
        s = natsConnection_JetStream(&x->js, x->nc, &jo);
    if (s == NATS_OK) {
        atomic_fetch_add(&x->connects, 1);
        return 0;
    }
    const char *why = nats_GetLastError(&s);
    (void)mmr_fail(err, MMR_EIO, "no server of collector.engine can be reached (%.100s%s): %.200s", x->urls[0], x->n_urls > 1 ? " and others" : "",
                   why && *why ? why : natsStatus_GetText(s));
    natsSubscription_Destroy(x->replies);
    natsConnection_Destroy(x->nc);
    x->replies = NULL;
    x->nc = NULL;
    return MMR_EIO;
}

/* ---- the stream ---- */

static natsStatus make_stream(struct mmr_nats *x, jsStreamInfo **ret, jsErrCode *code)
{
    char all[300];
    const char *subjects[] = {all};
    jsStreamConfig c;
    (void)snprintf(all, sizeof all, "%s.>", x->subject);
    jsStreamConfig_Init(&c);
    c.Name = x->stream;
    c.Subjects = subjects;
    c.SubjectsLen = 1;
    c.Storage = js_FileStorage;
    c.Replicas = x->replicas;
    c.Duplicates = x->dedup_ms * MMR_NS_PER_MS;
    natsStatus s = js_AddStream(ret, x->js, &c, NULL, code);
    if (s == NATS_OK)
        mmr_log(MMR_LOG_INFO, "nats.stream_made", "stream=%s subjects=\"%s\" replicas=%lld duplicates_s=%lld", x->stream, all, (long long)x->replicas,
                (long long)(x->dedup_ms / 1000));
    return s;
}

static void say_away(struct mmr_nats *x, natsStatus s, jsErrCode code, const char *doing)
{
    char text[400];
    const char *what = code == JSStreamNotFoundErr ? "it is not there, and collector.engine_replicas is 0: make it, or say how many servers are to hold it"
                       : code == JSNotEnabledErr || code == JSNotEnabledForAccountErr || s == NATS_NO_RESPONDERS
                           ? "JetStream is not enabled at this server or for this account, or has no leader"
                       : code == JSClusterNotAvailErr || s == NATS_TIMEOUT ? "no answer: too few servers of the cluster are there to agree (no quorum)"
                       : code == JSClusterNoPeersErr || code == JSInsufficientResourcesErr ? "there are fewer servers than collector.engine_replicas says, or they have no room"
                       : code == JSStreamNameExistErr ? "another one has this name"
                                                      : natsStatus_GetText(s);
    (void)snprintf(text, sizeof text, "%s the stream '%s': %s (%d)", doing, x->stream, what, (int)code);
    mmr_engine_away(x->host, text);
}

static void learn(struct mmr_nats *x, const jsStreamInfo *si)
{
    int64_t max = natsConnection_GetMaxPayload(x->nc);
    if (si->Config->MaxMsgSize > 0 && (max <= 0 || si->Config->MaxMsgSize < max))
        max = si->Config->MaxMsgSize;
    max -= HEADERS_MAX;
    x->part_max = max < PART_MIN ? PART_MIN : (size_t)max;
}

static bool look(struct mmr_nats *x, int64_t now_ns)
{
    jsStreamInfo *si = NULL;
    jsErrCode code = 0;
    const char *doing = "looking at";
    natsStatus s = js_GetStreamInfo(&si, x->js, x->stream, NULL, &code);
    if (code == JSStreamNotFoundErr && x->replicas > 0) {
        doing = "making";
        code = 0;
        s = make_stream(x, &si, &code);
    }
    if (s != NATS_OK || !si || !si->Config) {
        say_away(x, s, code, doing);
        jsStreamInfo_Destroy(si);
        return false;
    }
    learn(x, si);
    if (!x->checked_ns || now_ns - x->checked_ns >= CHECK_MS * MMR_NS_PER_MS) {
        x->checked_ns = now_ns;
        mmr_nats_check(x, si);
    }
    jsStreamInfo_Destroy(si);
    return true;
}

int mmr_nats_tend(struct mmr_nats *x, int64_t now_ns, bool *ret_is_good, struct mmr_error *err)
{
    const uint32_t connects = atomic_load(&x->connects);
    const char *why = NULL;
    *ret_is_good = false;
    if (!x->nc) {
        if (x->tried_ns && now_ns - x->tried_ns < TRY_MS * MMR_NS_PER_MS)
            return 0;
        struct mmr_error not_yet = {.struct_size = sizeof not_yet};
        const int r = connect_now(x, &not_yet);
        x->tried_ns = mmr_clock_mono_ns();
        if (r) {
            mmr_engine_away(x->host, not_yet.text);
            return 0;
        }
    }
    if (natsConnection_IsClosed(x->nc)) {
        (void)natsConnection_GetLastError(x->nc, &why);
        return mmr_fail(err, MMR_EIO, "the servers closed the connection: %.150s", why ? why : "no reason given");
    }
    if (natsConnection_Status(x->nc) != NATS_CONN_STATUS_CONNECTED) {
        char text[400];
        natsStatus s = natsConnection_GetLastError(x->nc, &why);
        (void)snprintf(text, sizeof text, "no server of collector.engine can be reached (%s%s): %.200s", x->urls[0], x->n_urls > 1 ? " and others" : "",
                       why && *why ? why : natsStatus_GetText(s));
        x->is_stream_good = false;
        mmr_engine_away(x->host, text);
        return 0;
    }
    if (connects != x->seen) {
        char url[128] = "?";
        x->seen = connects;
        x->is_stream_good = false;
        x->looked_ns = 0;
        (void)natsConnection_GetConnectedUrl(x->nc, url, sizeof url);
        mmr_log(MMR_LOG_INFO, "nats.connected", "server=%s stream=%s", url, x->stream);
        mmr_nats_again(x);
    }
    if (!x->is_stream_good && (!x->looked_ns || now_ns - x->looked_ns >= LOOK_MS * MMR_NS_PER_MS)) {
        x->is_stream_good = look(x, now_ns);
        x->looked_ns = mmr_clock_mono_ns();
        if (x->is_stream_good)
            mmr_engine_ready(x->host);
    }
    *ret_is_good = x->is_stream_good;
    return 0;
}
