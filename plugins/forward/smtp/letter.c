/* letter.c - see letter.h. What stands in a record may come from outside: it is escaped, and no header has a line break. */
#include "letter.h"

#include "report.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORD_BYTES = 39, HEADER_MAX = 1400 }; /* 39: 52 characters of base64, so that a word stays under 75 (RFC 2047 section 2) */

static bool is_ascii(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p >= 0x7f || (unsigned char)*p < 0x20)
            return false;
    return true;
}

void mmr_letter_encode(const char *text, char *buf, size_t cap)
{
    size_t len = strlen(text), out = 0;
    if (is_ascii(text)) {
        (void)snprintf(buf, cap, "%s", text);
        return;
    }
    buf[0] = '\0';
    for (size_t at = 0; at < len;) {
        char word[80];
        size_t n = len - at < WORD_BYTES ? len - at : WORD_BYTES;
        while (n > 1 && at + n < len && ((unsigned char)text[at + n] & 0xc0) == 0x80)
            n--;
        (void)sodium_bin2base64(word, sizeof word, (const unsigned char *)text + at, n, sodium_base64_VARIANT_ORIGINAL);
        int w = snprintf(buf + out, cap - out, "%s=?UTF-8?B?%s?=", at ? "\r\n " : "", word);
        if (w < 0 || (size_t)w >= cap - out) {
            buf[out] = '\0';
            return;
        }
        out += (size_t)w;
        at += n;
    }
}

char *mmr_letter_html(const char *text)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (!f)
        return NULL;
    for (const char *p = text; *p; p++)
        switch (*p) {
        case '<': (void)fputs("&lt;", f); break;
        case '>': (void)fputs("&gt;", f); break;
        case '&': (void)fputs("&amp;", f); break;
        case '"': (void)fputs("&quot;", f); break;
        case '\n': (void)fputs("<br>\n", f); break;
        default: (void)fputc(*p, f); break;
        }
    bool is_bad = ferror(f) != 0;
    if (fclose(f) != 0 || is_bad) {
        free(out);
        return NULL;
    }
    return out;
}

/* A task for the provider and a correction are not confirmed: they stop no repeats. */
static bool may_reply(const struct mmr_record *r, const struct mmr_letter_from *from)
{
    return from->is_read && *r->reply_token && strcmp(r->message, "task") != 0 && strcmp(r->message, "correction") != 0;
}

static const char *reply_words(const struct mmr_record *r, const struct mmr_letter_from *from)
{
    if (!may_reply(r, from))
        return "";
    return r->lang[0] == 'j' ? "このメールにそのまま返信しても、見たことが伝わります（本文は空のままでかまいません）。"
                             : "A reply to this mail says it too; it may be empty.";
}

/* A notice as a page: what happened and what to do, large enough for a phone at night. */
static int notice_html(const struct mmr_record *r, const struct mmr_letter_from *from, char **ret)
{
    bool is_red = strcmp(r->band, "red") == 0, is_ja = r->lang[0] == 'j';
    const char *colour = is_red ? "#b3261e" : strcmp(r->band, "yellow") == 0 ? "#8a6100" : "#1d4f91";
    char *body = mmr_letter_html(r->text), *link = mmr_letter_html(r->confirm_url), *office = mmr_letter_html(r->office), *out = NULL;
    char button[900] = "";
    if (body && link && *link)
        (void)snprintf(button, sizeof button,
                       "<p style=\"margin:24px 0 8px\"><a href=\"%s\" style=\"display:block;background:%s;color:#fff;text-decoration:none;"
                       "padding:16px;border-radius:10px;text-align:center;font-weight:bold;font-size:18px\">%s</a></p>",
                       link, colour, is_ja ? "このお知らせを見ました" : "I have seen this");
    int n = body && link && office
                ? asprintf(&out,
                           "<!DOCTYPE html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                           "<title>%s</title></head><body style=\"margin:0;background:#f3f4f6;font-family:'Hiragino Sans','Noto Sans JP','Yu Gothic',Meiryo,sans-serif\">"
                           "<div style=\"max-width:560px;margin:0 auto;background:#fff;border-top:8px solid %s;padding:20px 20px 28px\">"
                           "<div style=\"color:#5b6470;font-size:14px;margin-bottom:12px\">%s</div>"
                           "<div style=\"font-size:18px;line-height:1.75;color:#111827\">%s</div>%s"
                           "<p style=\"color:#5b6470;font-size:13px;line-height:1.6;margin:20px 0 0\">%s%s%s</p></div></body></html>",
                           is_ja ? "ja" : "en", office, colour, office, body, button, reply_words(r, from), may_reply(r, from) ? "<br>" : "",
                           is_ja ? "このお知らせがパスワードをたずねることはありません。合言葉がないお知らせには答えないでください。"
                                 : "This message never asks for a password. Do not answer one without the watchword.")
                : -1;
    free(body);
    free(link);
    free(office);
    *ret = n < 0 ? NULL : out;
    return n < 0 ? MMR_ENOMEM : 0;
}

static int notice_text(const struct mmr_record *r, const struct mmr_letter_from *from, char **ret)
{
    bool is_ja = r->lang[0] == 'j';
    const char *reply = reply_words(r, from);
    const char *ask = is_ja ? "見たことを知らせる(押すと、同じお知らせが止まります):" : "Say that you have seen this (it stops the repeats): ";
    int n = asprintf(ret, "%s\n%s%s%s\n%s%s-- \n%s\n", r->text, *r->confirm_url ? "\n" : "", *r->confirm_url ? ask : "", r->confirm_url, reply, *reply ? "\n" : "",
                     is_ja ? "このお知らせがパスワードをたずねることはありません。" : "This message never asks for a password.");
    if (n < 0)
        *ret = NULL;
    return n < 0 ? MMR_ENOMEM : 0;
}

static int bodies(const struct mmr_record *r, const struct mmr_letter_from *from, char **ret_text, char **ret_html, struct mmr_error *err)
{
    if (r->is_report)
        return mmr_report_render(r->json, ret_html, ret_text, err);
    int e = notice_text(r, from, ret_text);
    if (!e)
        e = notice_html(r, from, ret_html);
    return e ? mmr_fail(err, e, "mail: out of memory") : 0;
}

static struct curl_slist *add(struct curl_slist *list, const char *name, const char *value, bool *is_bad)
{
    char line[HEADER_MAX + 64];
    (void)snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(list, line);
    *is_bad |= !more;
    return more ? more : list;
}

static struct curl_slist *headers(const struct mmr_record *r, const struct mmr_letter_from *from, int64_t now_s, bool *is_bad)
{
    char text[HEADER_MAX], name[HEADER_MAX - 300], date[64];
    time_t t = (time_t)now_s;
    struct tm tm;
    struct curl_slist *list = NULL;
    mmr_letter_encode(from->name ? from->name : r->service, name, sizeof name);
    (void)snprintf(text, sizeof text, "%s <%s>", name, from->address);
    list = add(list, "From", text, is_bad);
    (void)snprintf(text, sizeof text, "<%s>", r->to);
    list = add(list, "To", text, is_bad);
    mmr_letter_encode(r->subject, text, sizeof text);
    list = add(list, "Subject", text, is_bad);
    (void)gmtime_r(&t, &tm);
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    list = add(list, "Date", date, is_bad);
    const char *domain = strchr(from->address, '@');
    /* The same mail sent twice is one to its reader. A reply refers to it: by the token it is known to be one. */
    (void)snprintf(text, sizeof text, "<%s%s%s@%s>", r->key, *r->reply_token ? "." : "", r->reply_token, domain ? domain + 1 : "localhost");
    list = add(list, "Message-ID", text, is_bad);
    list = add(list, "Auto-Submitted", "auto-generated", is_bad);
    if (strcmp(r->band, "red") == 0) {
        list = add(list, "X-Priority", "1", is_bad);
        list = add(list, "Importance", "high", is_bad);
    }
    return list;
}

static bool add_part(curl_mime *to, const char *data, const char *type)
{
    curl_mimepart *p = curl_mime_addpart(to);
    return p && curl_mime_data(p, data, CURL_ZERO_TERMINATED) == CURLE_OK && curl_mime_type(p, type) == CURLE_OK &&
           curl_mime_encoder(p, "base64") == CURLE_OK;
}

int mmr_letter_put(CURL *easy, const struct mmr_record *r, const struct mmr_letter_from *from, int64_t now_s,
                   struct curl_slist **ret_head, curl_mime **ret_mime, struct mmr_error *err)
{
    char *text = NULL, *html = NULL;
    bool is_bad = false;
    int e = bodies(r, from, &text, &html, err);
    curl_mime *mime = e ? NULL : curl_mime_init(easy), *both = mime ? curl_mime_init(easy) : NULL;
    if (!e) {
        curl_mimepart *p = both ? curl_mime_addpart(mime) : NULL;
        bool has = p && add_part(both, text, "text/plain; charset=utf-8") && add_part(both, html, "text/html; charset=utf-8") &&
                   curl_mime_subparts(p, both) == CURLE_OK;
        if (has)
            both = NULL; /* mime's now */
        is_bad = !has || curl_mime_type(p, "multipart/alternative") != CURLE_OK;
        *ret_head = headers(r, from, now_s, &is_bad);
        is_bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *ret_head) != CURLE_OK || curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime) != CURLE_OK;
        e = is_bad ? mmr_fail(err, MMR_ENOMEM, "mail: out of memory") : 0;
    }
    free(text);
    free(html);
    curl_mime_free(both);
    if (e) {
        curl_mime_free(mime);
        return e;
    }
    *ret_mime = mime;
    return 0;
}
