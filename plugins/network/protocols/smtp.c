/*
 * smtp.c - mail on its way: envelope, subject, names and kinds of attachments, URLs are left to rules on
 * file.data. Source: RFC 5321, RFC 2045, RFC 2183. Bodies are looked at up to a ceiling.
 */
#include "lines.h"
#include "proto.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TEXT = 256, FILE_BYTES = 48 * 1024, RCPT_MAX = 16, RECEIVED_MAX = 8 };
enum header { H_FROM = 0, H_TO, H_CC, H_SUBJECT, H_DATE, H_MESSAGE_ID, H_MAILER, HEADERS };
static const struct {
    const char *name, *buf; /* as in the mail; as rules call it */
} headers[HEADERS] = {{"From:", "email.from"}, {"To:", "email.to"}, {"Cc:", "email.cc"}, {"Subject:", "email.subject"},
                      {"Date:", "email.date"}, {"Message-ID:", "email.message_id"}, {"X-Mailer:", "email.x_mailer"}};

enum smtp_state { IN_COMMANDS = 0, IN_HEADERS, IN_PART_HEADERS, IN_BODY };
enum { PIECE_MAX = 1 << 30 };
struct smtp_flow {
    struct lines line, cut; /* cut: the line a BDAT ended in the middle of */
    enum smtp_state state, between; /* between: where the mail goes on with the next BDAT */
    uint64_t piece;                  /* bytes of this BDAT that are still to come (RFC 3030) */
    bool is_piece, is_last_piece;
    char helo[TEXT], from[TEXT], header[HEADERS][TEXT], rcpt[RCPT_MAX][TEXT];
    char (*received)[TEXT]; /* RECEIVED_MAX of them, made with the first */
    uint32_t n_rcpt, n_bad, n_files, n_received;
    int8_t folded;          /* header whose next line may go on, -1 none */
    char file[TEXT], type[64];
    bool is_base64, wants_data, wants_tls;
    uint8_t *content; /* of the attachment being read, decoded */
    size_t n_content;
    uint32_t bits;
    uint8_t n_bits;
};

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    if (dir == MMR_TO_SERVER) {
        if (n < 5)
            return PROTO_MORE;
        return strncasecmp((const char *)p, "EHLO ", 5) == 0 || strncasecmp((const char *)p, "HELO ", 5) == 0 ||
                       strncasecmp((const char *)p, "MAIL ", 5) == 0 || strncasecmp((const char *)p, "LHLO ", 5) == 0
                   ? PROTO_YES
                   : PROTO_NO;
    }
    if (n < 4)
        return PROTO_MORE;
    return memcmp(p, "220", 3) == 0 && (port == 25 || port == 587 || memmem(p, n, "SMTP", 4)) ? PROTO_YES : PROTO_NO;
}

static void *smtp_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct smtp_flow));
}

static void smtp_close(struct proto *m, void *state)
{
    struct smtp_flow *s = state;
    (void)m;
    free(s->content);
    free(s->received);
    free(s);
}

static void end_file(struct proto *m, struct proto_flow *pf, struct smtp_flow *s, const struct mmr_packet *pkt)
{
    if (s->file[0] || s->n_content) {
        m->n_bufs = 0;
        proto_buf(m, "file.data", s->content, s->n_content);
        proto_buf(m, "file.name", s->file, strlen(s->file));
        proto_tx_send(m, pf, pkt, MMR_TO_SERVER, false, "smtp", NULL);
    }
    if (s->file[0]) {
        struct mmr_event *ev = proto_event(m, pf->flow, pkt, "smtp.file", MMR_CLASS_EMAIL, 1);
        mmr_event_str(ev, "file.name", s->file);
        mmr_event_str(ev, "email.from", s->from);
        mmr_event_str(ev, "email.subject", s->header[H_SUBJECT][0] ? s->header[H_SUBJECT] : NULL);
        mmr_event_str(ev, "unmapped.content_type", s->type[0] ? s->type : NULL);
        mmr_event_str(ev, "unmapped.file_type", s->content ? proto_file_type(s->content, s->n_content) : NULL);
        proto_event_send(m);
        s->n_files++;
    }
    s->file[0] = s->type[0] = '\0';
    s->is_base64 = false;
    s->n_content = 0;
    s->n_bits = 0;
}

static void end_mail(struct proto *m, struct proto_flow *pf, struct smtp_flow *s, const struct mmr_packet *pkt)
{
    const char *rcpt[RCPT_MAX];
    end_file(m, pf, s, pkt);
    for (uint32_t i = 0; i < s->n_rcpt; i++)
        rcpt[i] = s->rcpt[i];
    m->n_bufs = 0;
    proto_buf(m, "smtp.helo", s->helo, strlen(s->helo));
    proto_buf(m, "smtp.mail_from", s->from, strlen(s->from));
    for (uint32_t i = 0; i < s->n_rcpt; i++)
        proto_buf(m, "smtp.rcpt_to", s->rcpt[i], strlen(s->rcpt[i]));
    for (unsigned i = 0; i < HEADERS; i++)
        if (s->header[i][0])
            proto_buf(m, headers[i].buf, s->header[i], strlen(s->header[i]));
    for (uint32_t i = 0; i < s->n_received; i++)
        proto_buf(m, "email.received", s->received[i], strlen(s->received[i]));
    proto_tx_send(m, pf, pkt, MMR_TO_SERVER, true, "smtp", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "smtp.mail", MMR_CLASS_EMAIL, 1);
    mmr_event_str(ev, "email.from", s->from);
    mmr_event_strv(ev, "email.to", rcpt, s->n_rcpt);
    mmr_event_str(ev, "email.subject", s->header[H_SUBJECT][0] ? s->header[H_SUBJECT] : NULL);
    mmr_event_str(ev, "unmapped.helo", s->helo[0] ? s->helo : NULL);
    mmr_event_int(ev, "unmapped.attachments", s->n_files);
    proto_event_send(m);
    s->state = IN_COMMANDS;
    s->from[0] = '\0';
    for (unsigned i = 0; i < HEADERS; i++)
        s->header[i][0] = '\0';
    s->n_rcpt = s->n_files = s->n_received = 0;
}

static void address(const char *line, char *buf, size_t cap)
{
    const char *p = strchr(line, '<'), *end = p ? strchr(p, '>') : NULL;
    if (p && end)
        proto_text(buf, cap, p + 1, (size_t)(end - p - 1));
}

/* name="x" or filename="x" or name=x */
static void attachment_name(const char *line, char *buf, size_t cap)
{
    const char *p = strcasestr(line, "name=");
    if (!p)
        return;
    p += 5;
    size_t n = *p == '"' ? strcspn(p + 1, "\"") : strcspn(p, "; \t");
    proto_text(buf, cap, *p == '"' ? p + 1 : p, n);
}

/* A header of the mail itself: kept with its folded lines (RFC 5322 2.2.3). False: it is none that rules ask for. */
static bool on_mail_header(struct smtp_flow *s, const char *line)
{
    if ((line[0] == ' ' || line[0] == '\t') && s->folded >= 0) {
        char *text = s->header[s->folded];
        size_t n = strlen(text);
        proto_text(text + n, TEXT - n, line, strlen(line));
        return true;
    }
    s->folded = -1;
    for (unsigned i = 0; i < HEADERS; i++) {
        size_t n = strlen(headers[i].name);
        if (strncasecmp(line, headers[i].name, n) != 0)
            continue;
        line += n;
        line += strspn(line, " ");
        proto_text(s->header[i], TEXT, line, strlen(line));
        s->folded = (int8_t)i;
        return true;
    }
    if (strncasecmp(line, "Received:", 9) == 0 && s->n_received < RECEIVED_MAX &&
        (s->received || (s->received = calloc(RECEIVED_MAX, sizeof *s->received)))) {
        line += 9 + strspn(line + 9, " ");
        proto_text(s->received[s->n_received++], TEXT, line, strlen(line));
        return true;
    }
    return false;
}

static void on_header(struct smtp_flow *s, const char *line)
{
    if (s->state == IN_HEADERS && on_mail_header(s, line))
        return;
    if (strncasecmp(line, "Content-Type:", 13) == 0) {
        const char *p = line + 13 + strspn(line + 13, " ");
        proto_text(s->type, sizeof s->type, p, strcspn(p, ";"));
    } else if (strncasecmp(line, "Content-Transfer-Encoding:", 26) == 0) {
        s->is_base64 = strcasestr(line, "base64") != NULL;
    }
    if (!s->file[0] && (strncasecmp(line, "Content-", 8) == 0 || line[0] == ' ' || line[0] == '\t'))
        attachment_name(line, s->file, sizeof s->file);
}

static void keep(struct smtp_flow *s, uint8_t b)
{
    if (s->n_content < FILE_BYTES)
        s->content[s->n_content++] = b;
}

static void on_body(struct smtp_flow *s, const char *line)
{
    if (!s->content && !(s->content = malloc(FILE_BYTES)))
        return;
    if (!s->is_base64) {
        for (const char *p = line; *p; p++)
            keep(s, (uint8_t)*p);
        keep(s, '\n');
        return;
    }
    for (const char *p = line; *p; p++) {
        int v = *p >= 'A' && *p <= 'Z'   ? *p - 'A'
                : *p >= 'a' && *p <= 'z' ? *p - 'a' + 26
                : *p >= '0' && *p <= '9' ? *p - '0' + 52
                : *p == '+'              ? 62
                : *p == '/'              ? 63
                                         : -1;
        if (v < 0)
            continue;
        s->bits = s->bits << 6 | (uint32_t)v;
        s->n_bits = (uint8_t)(s->n_bits + 6);
        if (s->n_bits >= 8) {
            s->n_bits = (uint8_t)(s->n_bits - 8);
            keep(s, (uint8_t)(s->bits >> s->n_bits));
        }
    }
}

static void begin_mail(struct smtp_flow *s)
{
    s->folded = -1;
    s->state = IN_HEADERS;
    s->type[0] = s->file[0] = '\0';
    s->is_base64 = false;
}

/* "BDAT bytes" or "BDAT bytes LAST": so many bytes of the mail follow, as they are. */
static void on_piece(struct smtp_flow *s, const char *arg)
{
    char *end;
    unsigned long long n = strtoull(arg, &end, 10);
    if (end == arg || n > PIECE_MAX)
        return;
    if (s->between == IN_COMMANDS)
        begin_mail(s);
    else
        s->state = s->between;
    s->is_piece = true;
    s->is_last_piece = strcasecmp(end, " LAST") == 0;
    s->piece = n;
}

static bool on_command(struct proto_flow *pf, struct smtp_flow *s, const char *line)
{
    if (strncasecmp(line, "EHLO ", 5) == 0 || strncasecmp(line, "HELO ", 5) == 0)
        proto_text(s->helo, sizeof s->helo, line + 5, strlen(line + 5));
    else if (strncasecmp(line, "MAIL FROM:", 10) == 0)
        address(line, s->from, sizeof s->from);
    else if (strncasecmp(line, "RCPT TO:", 8) == 0 && s->n_rcpt < RCPT_MAX)
        address(line, s->rcpt[s->n_rcpt++], TEXT);
    else if (strcasecmp(line, "DATA") == 0)
        s->wants_data = true;
    else if (strncasecmp(line, "BDAT ", 5) == 0)
        on_piece(s, line + 5);
    else if (strcasecmp(line, "RSET") == 0)
        s->between = IN_COMMANDS;
    else if (strncasecmp(line, "STARTTLS", 8) == 0)
        s->wants_tls = !(pf->is_switching = !pf->flow->packets[MMR_TO_CLIENT]); /* an unseen server cannot be waited for */
    else if (line[0] && (line[0] < 'A' || line[0] > 'z') && ++s->n_bad > 32)
        return false;
    if (s->wants_data && strcasecmp(line, "DATA") == 0) {
        s->wants_data = false;
        begin_mail(s); /* clients that pipeline do not wait for the 354 */
    }
    return true;
}

static void on_mail_line(struct proto *m, struct proto_flow *pf, struct smtp_flow *s, const struct mmr_packet *pkt, const char *line)
{
    if (line[0] == '-' && line[1] == '-' && line[2] && s->state == IN_BODY) {
        end_file(m, pf, s, pkt); /* a boundary, or a signature's dashes: both end what came before */
        s->state = IN_PART_HEADERS;
    } else if (s->state == IN_HEADERS || s->state == IN_PART_HEADERS) {
        if (line[0] == '\0')
            s->state = IN_BODY;
        else
            on_header(s, line);
    } else {
        on_body(s, line);
    }
}

static void end_piece(struct proto *m, struct proto_flow *pf, struct smtp_flow *s, const struct mmr_packet *pkt)
{
    s->between = s->is_last_piece ? IN_COMMANDS : s->state;
    s->is_piece = false;
    if (s->is_last_piece)
        end_mail(m, pf, s, pkt);
    s->state = IN_COMMANDS;
}

/* Bytes of a BDAT; a line may go on in the next one. */
static void take_piece(struct proto *m, struct proto_flow *pf, struct smtp_flow *s, const struct mmr_chunk *c, const uint8_t **p, size_t *left)
{
    struct lines *l = &s->line;
    size_t n = *left < s->piece ? *left : (size_t)s->piece, rest = n;
    s->piece -= n;
    *left -= n;
    while (lines_next(l, p, &rest))
        on_mail_line(m, pf, s, c->packet, l->buf);
    if (s->piece)
        return;
    if (s->is_last_piece && l->n) { /* the last line has no end of its own */
        l->buf[l->n] = '\0';
        l->n = 0;
        on_mail_line(m, pf, s, c->packet, l->buf);
    }
    s->cut.n = s->is_last_piece ? 0 : l->n;
    memcpy(s->cut.buf, l->buf, s->cut.n);
    l->n = 0;
    end_piece(m, pf, s, c->packet);
}

static bool smtp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct smtp_flow *s = pf->state;
    struct lines *l = &s->line;
    const uint8_t *p = c->data;
    size_t left = c->len;
    if (c->dir == MMR_TO_CLIENT) { /* the "220" after STARTTLS is mail's last word: it must not be taken for a new greeting */
        pf->is_switching = s->wants_tls && c->len >= 3 && memcmp(c->data, "220", 3) == 0;
        s->wants_tls = s->wants_tls && !c->len;
        return true;
    }
    if (c->flags & MMR_CHUNK_GAP) {
        l->is_over = true;
        if (s->is_piece && c->gap < s->piece)
            s->piece -= c->gap;
        else if (s->is_piece)
            end_piece(m, pf, s, c->packet);
    }
    while (left > 0) {
        if (s->is_piece) {
            take_piece(m, pf, s, c, &p, &left);
            continue;
        }
        if (!lines_next(l, &p, &left))
            break;
        if (s->state == IN_COMMANDS) {
            if (!on_command(pf, s, l->buf))
                return false;
            if (s->is_piece && s->piece == 0)
                end_piece(m, pf, s, c->packet); /* "BDAT 0 LAST" */
            if (s->is_piece) {
                memcpy(l->buf, s->cut.buf, s->cut.n);
                l->n = s->cut.n;
                s->cut.n = 0;
            }
        } else if (strcmp(l->buf, ".") == 0) {
            end_mail(m, pf, s, c->packet);
        } else {
            on_mail_line(m, pf, s, c->packet, l->buf);
        }
    }
    return true;
}

const struct proto_parser proto_smtp = {
    .app = "smtp", .ip_proto = IPPROTO_TCP, .probe = probe, .open = smtp_open, .data = smtp_data, .close = smtp_close};
