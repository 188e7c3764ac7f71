/* kw_words.c - keywords that name a value in words: certificate texts and dates, versions, states, encryption types. */
#include <rules/parse.h>

#include <rules/buffers.h>
#include <rules/regex.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static int bad(struct parse *p, const char *name, struct text arg, const char *want)
{
    return mmr_fail(&p->err, MMR_EBADMSG, "%s: found '%.*s', expected %s", name,
                    (int)(arg.len > 60 ? 60 : arg.len), arg.p ? arg.p : "", want);
}

static struct step *step_of(struct parse *p, uint8_t type, const char *buf, const void *arg, size_t len)
{
    unsigned id = mmr_buf_by_sticky(buf, strlen(buf));
    int g = mmr_parse_group(p, id, mmr_buf_kind(id)->flags & BUF_MULTI);
    struct step *s = g < 0 ? NULL : mmr_parse_step(p, type, (uint32_t)g);
    return s && (s->p = mmr_parse_keep(p, arg, len)) ? s : NULL;
}

/* tls.subject:!"CN=a" and kin: the text is in the buffer */
static int kw_text(struct parse *p, const struct keyword *k, struct text arg)
{
    static const char *const bufs[] = {"tls.cert_subject", "tls.cert_issuer", "tls.cert_fingerprint", "ssh.software"};
    char text[512];
    arg = mmr_text_trim(arg);
    bool is_not = mmr_text_starts(&arg, "!");
    (void)mmr_text_unquote(&arg);
    if (!arg.p || !arg.len || arg.len >= sizeof text)
        return bad(p, k->name, arg, "a text in quotes");
    for (size_t i = 0; i < arg.len; i++) {
        char c = arg.p[i];
        bool is_lowered = k->arg == 2 && c >= 'A' && c <= 'Z'; /* fingerprints are kept in lower case */
        text[i] = (char)(is_lowered ? c + 32 : c);
    }
    struct step *s = step_of(p, STEP_CONTENT, bufs[k->arg], text, arg.len);
    if (!s)
        return p->err.code;
    s->len = (uint32_t)arg.len;
    s->flags = is_not ? S_NEGATED : 0;
    return 0;
}

/* "2015", "2015-10", "2015-10-22", "2015-10-22 23:59:59" (or with T), in UTC; or seconds since 1970 from five digits on */
static bool read_date(struct text t, int64_t *ret)
{
    int v[6] = {1970, 1, 1, 0, 0, 0}, n = 0;
    t = mmr_text_trim(t);
    if (t.len >= 5 && mmr_text_int(t, ret))
        return *ret >= 0;
    while (t.len && n < 6) {
        size_t i = 0;
        int x = 0;
        for (; i < t.len && i < 4 && t.p[i] >= '0' && t.p[i] <= '9'; i++)
            x = x * 10 + (t.p[i] - '0');
        if (i != (n ? 2 : 4))
            return false;
        v[n++] = x;
        t.p += i;
        t.len -= i;
        if (!t.len)
            break;
        char want = n < 3 ? '-' : n == 3 ? (t.p[0] == 'T' ? 'T' : ' ') : ':';
        if (t.p[0] != want || n == 6)
            return false;
        t.p++;
        t.len--;
    }
    if (!n || t.len || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 60)
        return false;
    struct tm tm = {.tm_year = v[0] - 1900, .tm_mon = v[1] - 1, .tm_mday = v[2], .tm_hour = v[3], .tm_min = v[4], .tm_sec = v[5]};
    *ret = timegm(&tm);
    return *ret >= 0;
}

/* tls_cert_notbefore:<2025, >2015-10-22, 2015<>2016: before, after and between take the named moments in */
static int kw_date(struct parse *p, const struct keyword *k, struct text arg)
{
    struct number n = {.op = NUM_EQ};
    struct text t = arg = mmr_text_trim(arg), second = {NULL, 0};
    (void)mmr_text_unquote(&t);
    const char *between = t.len > 2 ? memmem(t.p, t.len, "<>", 2) : NULL;
    if (between) {
        second = (struct text){between + 2, (size_t)(t.p + t.len - between - 2)};
        t.len = (size_t)(between - t.p);
        n.op = NUM_IN;
    } else if (mmr_text_starts(&t, "<")) {
        n.op = NUM_LE;
    } else if (mmr_text_starts(&t, ">")) {
        n.op = NUM_GE;
    }
    if (!read_date(t, &n.a) || (between && !read_date(second, &n.b)))
        return bad(p, k->name, arg, "a date such as 2015-10-22, <2025, >2015 or 2015<>2016");
    if (between) {
        n.a--;
        n.b++;
    }
    return step_of(p, STEP_NUMBER, k->arg ? "tls.cert_not_after" : "tls.cert_not_before", &n, sizeof n) ? 0 : p->err.code;
}

static int kw_validity(struct parse *p, const struct keyword *k, struct text arg)
{
    const char *word = k->arg ? "expired" : "valid";
    if (arg.p && arg.len)
        return bad(p, k->name, arg, "no value");
    struct step *s = step_of(p, STEP_CONTENT, "tls.cert_time", word, strlen(word));
    if (!s)
        return p->err.code;
    s->len = (uint32_t)strlen(word);
    return 0;
}

static int whole(struct parse *p, const char *buf, const char *re)
{
    struct regex *rx = NULL;
    unsigned id = mmr_buf_by_sticky(buf, strlen(buf));
    int g = mmr_parse_group(p, id, mmr_buf_kind(id)->flags & BUF_MULTI);
    if (g < 0)
        return g;
    int rc = mmr_regex_new(re, strlen(re), RE_NOCASE, &rx, &p->err);
    if (rc < 0)
        return rc;
    *mmr_regex_next(rx) = p->set->regexes;
    p->set->regexes = rx;
    struct step *s = mmr_parse_step(p, STEP_PCRE, (uint32_t)g);
    if (!s)
        return p->err.code;
    s->p = rx;
    return 0;
}

struct word_row {
    const char *word, *value; /* the value as an expression */
};

/* A list of words, each standing for the whole buffer; "!" before any of them means none of the list. */
static int words(struct parse *p, const struct keyword *k, struct text arg, const struct word_row *rows, size_t n_rows, const char *buf,
                 const char *want)
{
    char re[512] = "";
    size_t at = 8, n = 0; /* 8: room for the beginning */
    bool is_not = false;
    (void)mmr_text_unquote(&arg);
    while (arg.len) {
        size_t len = 0;
        while (len < arg.len && arg.p[len] != ',' && arg.p[len] != '|')
            len++;
        struct text w = mmr_text_trim((struct text){arg.p, len});
        arg.p += len + (len < arg.len);
        arg.len -= len + (len < arg.len);
        const char *value = NULL;
        is_not |= mmr_text_starts(&w, "!");
        (void)mmr_text_unquote(&w);
        for (size_t i = 0; i < n_rows; i++)
            if (mmr_text_is(w, rows[i].word))
                value = rows[i].value;
        if (!value || at + strlen(value) + 4 > sizeof re)
            return bad(p, k->name, w, want);
        int add = snprintf(re + at, sizeof re - at, "%s%s", n++ ? "|" : "", value);
        at += add > 0 ? (size_t)add : 0;
    }
    if (!n)
        return bad(p, k->name, arg, want);
    (void)snprintf(re + at, sizeof re - at, ")%s", is_not ? "$)" : "$");
    const char *head = is_not ? "^(?!(?:" : "^(?:";
    size_t n_head = strlen(head);
    memcpy(re + 8 - n_head, head, n_head);
    return whole(p, buf, re + 8 - n_head);
}

/* Both ask for the hello's version; the record that carries a hello mostly says 1.0, whatever is spoken. */
static int kw_version(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct word_row rows[] = {
        {"sslv2", "SSLv2"}, {"sslv3", "SSLv3"}, {"tls1.0", "TLSv1"}, {"tls1.1", "TLS 1\\.1"}, {"tls1.2", "TLS 1\\.2"},
        {"tls1.3", "TLS 1\\.3"}, {"1.0", "TLSv1"}, {"1.1", "TLS 1\\.1"}, {"1.2", "TLS 1\\.2"}, {"1.3", "TLS 1\\.3"}};
    return words(p, k, arg, rows, sizeof rows / sizeof rows[0], "tls.version",
                 "1.0 to 1.3, or tls1.0 to tls1.3, sslv2, sslv3");
}

static int kw_state(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct word_row rows[] = {{"client_hello", "client_hello"}, {"server_hello", "server_hello"}};
    if (arg.p && (memmem(arg.p, arg.len, "keyx", 4) || memmem(arg.p, arg.len, "unknown", 7) || memchr(arg.p, '!', arg.len)))
        return mmr_parse_unsupported(p, (struct text){k->name, strlen(k->name)}); /* only hellos are told */
    return words(p, k, arg, rows, sizeof rows / sizeof rows[0], "tls.state", "client_hello or server_hello");
}

/* ssh.protoversion:2, 1.99, "2.0", or 2_compat for both */
static int kw_ssh_version(struct parse *p, const struct keyword *k, struct text arg)
{
    char re[64] = "^(?:2|1\\.99)";
    size_t at = 1;
    (void)mmr_text_unquote(&arg);
    if (mmr_text_is(arg, "2_compat"))
        return whole(p, "ssh.proto", re);
    if (!arg.p || !arg.len || arg.len > 20)
        return bad(p, k->name, arg, "a version such as 2 or 2_compat");
    for (size_t i = 0; i < arg.len; i++) {
        if ((arg.p[i] < '0' || arg.p[i] > '9') && arg.p[i] != '.')
            return bad(p, k->name, arg, "a version such as 2 or 2_compat");
        at += (size_t)(arg.p[i] == '.' ? snprintf(re + at, sizeof re - at, "\\.") : snprintf(re + at, sizeof re - at, "%c", arg.p[i]));
    }
    return whole(p, "ssh.proto", re);
}

/* krb5.ticket_encryption: 23 or a list, or weak; source of the numbers: the registry of RFC 3961 */
static int kw_ticket(struct parse *p, const struct keyword *k, struct text arg)
{
    char re[256] = "^(?:";
    size_t at = strlen(re), n = 0;
    struct text t = arg = mmr_text_trim(arg);
    bool is_not = mmr_text_starts(&t, "!");
    t = mmr_text_trim(t);
    if (mmr_text_is(t, "weak")) /* all but AES and Camellia */
        return whole(p, "krb5.ticket_etype", is_not ? "^(?:17|18|19|20|25|26)$" : "^(?!(?:17|18|19|20|25|26)$)");
    while (t.len) {
        int64_t v;
        if (!mmr_text_int(mmr_text_cut(&t, ','), &v) || at + 24 > sizeof re)
            return bad(p, k->name, arg, "weak, or numbers of encryption types");
        int add = snprintf(re + at, sizeof re - at, "%s%lld", n++ ? "|" : "", (long long)v);
        at += add > 0 ? (size_t)add : 0;
    }
    if (!n || is_not)
        return bad(p, k->name, arg, "weak, or numbers of encryption types");
    (void)snprintf(re + at, sizeof re - at, ")$");
    return whole(p, "krb5.ticket_etype", re);
}

/* The file itself is not kept; the rule says that there is one. */
static int kw_file_there(struct parse *p, const struct keyword *k, struct text arg)
{
    struct number n = {.op = NUM_GE};
    (void)arg;
    (void)k;
    p->notice = "filestore: the file is not kept; the rule itself works";
    return step_of(p, STEP_SIZE, "file.data", &n, sizeof n) ? 0 : p->err.code;
}

static int kw_bounce(struct parse *p, const struct keyword *k, struct text arg)
{
    if (arg.p && arg.len)
        return bad(p, k->name, arg, "no value");
    struct step *s = step_of(p, STEP_CONTENT, "ftp.bounce", "yes", 3);
    if (!s)
        return p->err.code;
    s->len = 3;
    return 0;
}

static int kw_ftp_data(struct parse *p, const struct keyword *k, struct text arg)
{
    static const struct word_row rows[] = {{"retr", "RETR"}, {"stor", "STOR"}};
    return words(p, k, arg, rows, sizeof rows / sizeof rows[0], "ftpdata_command", "retr or stor");
}

const struct keyword mmr_kw_words[] = {
    {"tls.subject", kw_text, 0},
    {"tls.issuerdn", kw_text, 1},
    {"tls.fingerprint", kw_text, 2},
    {"ssh.softwareversion", kw_text, 3},
    {"ssh.protoversion", kw_ssh_version, 0},
    {"tls_cert_notbefore", kw_date, 0},
    {"tls_cert_notafter", kw_date, 1},
    {"tls_cert_valid", kw_validity, 0},
    {"tls_cert_expired", kw_validity, 1},
    {"tls.version", kw_version, 0},
    {"ssl_version", kw_version, 1},
    {"ssl_state", kw_state, 0},
    {"krb5.ticket_encryption", kw_ticket, 0},
    {"filestore", kw_file_there, 0},
    {"ftpbounce", kw_bounce, 0},
    {"ftpdata_command", kw_ftp_data, 0},
    {NULL, NULL, 0},
};
