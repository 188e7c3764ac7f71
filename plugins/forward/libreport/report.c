/*
 * report.c - the report as one HTML page for a phone, a mail program and paper: tables and inline style only, because mail
 * programs keep nothing else; nothing is fetched; every text is escaped. State is said by word and shape, never by colour alone.
 */
#include "report_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };
#define INK "#1c2430"
#define SOFT "#5d6878"
#define LINE "#e3e7ee"

static void esc(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++)
        switch (*p) {
        case '<': (void)fputs("&lt;", f); break;
        case '>': (void)fputs("&gt;", f); break;
        case '&': (void)fputs("&amp;", f); break;
        case '"': (void)fputs("&quot;", f); break;
        case '\n': (void)fputs("<br>", f); break;
        default:
            if ((unsigned char)*p >= 0x20 && *p != 0x7f)
                (void)fputc(*p, f);
        }
}

struct light {
    const char *name, *shape, *ja, *en, *ink, *ground;
};
static const struct light lights[] = {
    {"green", "✔", "問題ありません", "All is well", "#1a5fb4", "#e8f1fc"},
    {"yellow", "▲", "確認のお願いがあります", "Please check something", "#7a5200", "#fff5d6"},
    {"red", "■", "すぐに対応が必要です", "Please act now", "#a3160f", "#fdeaea"},
    {"grey", "?", "いま確認できません", "Not known at present", "#4a5260", "#eef0f3"},
};

static const struct light *light_of(const char *name)
{
    for (size_t i = 0; i < sizeof lights / sizeof lights[0]; i++)
        if (strcmp(lights[i].name, name) == 0)
            return &lights[i];
    return &lights[3];
}

static void open_card(FILE *f, const char *title, size_t n)
{
    (void)fputs("<tr><td style=\"padding:0 24px 22px\"><h2 style=\"margin:0 0 10px;font-size:17px;line-height:1.4;color:" INK ";border-bottom:1px solid " LINE ";padding-bottom:8px\">", f);
    esc(f, title);
    if (n)
        (void)fprintf(f, "<span style=\"float:right;color:" SOFT ";font-weight:normal;font-size:14px\">%zu</span>", n);
    (void)fputs("</h2>", f);
}

static void close_card(FILE *f)
{
    (void)fputs("</td></tr>\n", f);
}

static void none(FILE *f, const char *text)
{
    (void)fputs("<p style=\"margin:0;color:" SOFT ";font-size:15px;line-height:1.7\">", f);
    esc(f, text);
    (void)fputs("</p>", f);
}

static void card_of_texts(FILE *f, struct json_object *o, const char *key, const char *title, const char *empty, const char *mark, const char *ink)
{
    size_t n;
    struct json_object *list = mmr_report_list(o, key, &n);
    open_card(f, title, n);
    if (!n)
        none(f, empty);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        if (!json_object_is_type(x, json_type_object))
            continue;
        (void)fprintf(f, "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%%\"><tr><td width=\"26\" valign=\"top\" style=\"font-size:15px;line-height:1.7;color:%s;font-weight:bold\">", ink);
        esc(f, mark);
        (void)fputs("</td><td style=\"font-size:15px;line-height:1.7;color:" INK ";padding-bottom:8px\">", f);
        esc(f, mmr_report_str(x, "text"));
        if (*mmr_report_str(x, "due")) {
            (void)fputs("<br><b>", f);
            esc(f, mmr_report_str(x, "due"));
            (void)fputs("</b>", f);
        }
        (void)fputs("</td></tr></table>", f);
    }
    close_card(f);
}

static void card_urgent(FILE *f, struct json_object *o, const struct words *w)
{
    size_t n;
    struct json_object *list = mmr_report_list(o, "urgent", &n);
    open_card(f, w->urgent, n);
    if (!n)
        none(f, w->none_urgent);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        if (!json_object_is_type(x, json_type_object))
            continue;
        bool is_red = strcmp(mmr_report_str(x, "band"), "red") == 0;
        (void)fprintf(f, "<div style=\"border-left:4px solid %s;padding:2px 0 2px 14px;margin:0 0 14px\"><div style=\"font-size:15px;line-height:1.7;color:" INK "\">",
                      is_red ? "#a3160f" : "#c08a00");
        (void)fprintf(f, "<b style=\"color:%s\">%s</b> ", is_red ? "#a3160f" : "#7a5200", is_red ? "■" : "▲"); /* never by colour alone */
        esc(f, mmr_report_str(x, "text"));
        (void)fputs("</div><div style=\"font-size:13px;line-height:1.7;color:" SOFT "\">", f);
        esc(f, w->noticed);
        (void)fputs(" ", f);
        esc(f, mmr_report_str(x, "noticed"));
        (void)fputs(" &nbsp;·&nbsp; ", f);
        esc(f, w->told_in);
        (void)fputs(" ", f);
        if (mmr_report_has(x, "told_min"))
            (void)fprintf(f, "<b style=\"color:" INK "\">%lld%s</b>", (long long)mmr_report_int(x, "told_min", 0), w->minutes);
        else
            esc(f, w->not_told);
        (void)fputs("<br>", f);
        esc(f, w->now);
        (void)fputs(": ", f);
        esc(f, mmr_report_str(x, "state"));
        (void)fputs("</div></div>", f);
    }
    close_card(f);
}

static void number(FILE *f, const char *value, const char *unit, const char *name, const char *before, const struct words *w)
{
    (void)fputs("<td width=\"33%\" align=\"center\" valign=\"top\" style=\"padding:14px 4px;border:1px solid " LINE ";border-radius:10px\"><div style=\"font-size:13px;color:" SOFT "\">", f);
    esc(f, name);
    (void)fputs("</div><div style=\"font-size:28px;line-height:1.35;font-weight:bold;color:" INK "\">", f);
    esc(f, value);
    (void)fputs("<span style=\"font-size:14px;font-weight:normal\">", f);
    esc(f, unit);
    (void)fputs("</span></div><div style=\"font-size:12px;color:" SOFT "\">", f);
    if (*before) {
        esc(f, w->last_week);
        (void)fputs(" ", f);
        esc(f, before);
        esc(f, unit);
    } else {
        (void)fputs("&nbsp;", f);
    }
    (void)fputs("</div></td>", f);
}

static void numbers(FILE *f, struct json_object *o, const struct words *w)
{
    char stopped[24], asked[24], before[2][24] = {"", ""};
    struct json_object *last = NULL;
    (void)json_object_object_get_ex(o, "last_week", &last);
    (void)snprintf(stopped, sizeof stopped, "%lld", (long long)mmr_report_int(o, "stopped", 0));
    (void)snprintf(asked, sizeof asked, "%lld", (long long)mmr_report_int(o, "asked", 0));
    if (json_object_is_type(last, json_type_object))
        (void)snprintf(before[0], sizeof before[0], "%lld", (long long)mmr_report_int(last, "stopped", 0));
    else
        last = NULL;
    (void)fputs("<tr><td style=\"padding:0 18px 22px\"><table role=\"presentation\" cellpadding=\"0\" cellspacing=\"6\" width=\"100%\"><tr>", f);
    const char *watched = mmr_report_str(o, "watched");
    number(f, *watched ? watched : "-", *watched ? w->percent : "", w->numbers[0], mmr_report_str(last, "watched"), w);
    number(f, stopped, w->times, w->numbers[1], before[0], w);
    number(f, asked, w->items, w->numbers[2], before[1], w);
    (void)fputs("</tr></table></td></tr>\n", f);
}

static void part(FILE *f, struct json_object *o, const char *ok, const char *all, const char *name, const struct words *w)
{
    int64_t have = mmr_report_int(o, ok, 0), want = mmr_report_int(o, all, 0);
    bool is_known = mmr_report_has(o, all) && want > 0;
    (void)fputs("<tr><td style=\"font-size:15px;line-height:1.9;color:" INK "\">", f);
    esc(f, name);
    (void)fputs("</td><td align=\"right\" style=\"font-size:15px;line-height:1.9;color:" INK ";white-space:nowrap\">", f);
    if (is_known)
        (void)fprintf(f, "<b>%lld / %lld</b> %s", (long long)have, (long long)want, have >= want ? "✔" : "▲");
    else
        esc(f, w->unknown);
    (void)fputs("</td></tr>", f);
}

static void card_coverage(FILE *f, struct json_object *o, const struct words *w)
{
    open_card(f, w->coverage, 0);
    (void)fputs("<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\">", f);
    part(f, o, "important_ok", "important", w->important, w);
    part(f, o, "exits_ok", "exits", w->exits, w);
    (void)fputs("</table>", f);
    close_card(f);
}

static void head(FILE *f, struct json_object *o, const struct words *w, bool is_ja)
{
    const struct light *l = light_of(mmr_report_str(o, "light"));
    (void)fprintf(f, "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>", is_ja ? "ja" : "en");
    esc(f, w->title);
    (void)fputs("</title><style>@media print{body{background:#fff!important}}@media(max-width:480px){h1{font-size:20px!important}}</style></head>\n"
                "<body style=\"margin:0;padding:0;background:#f2f4f8;-webkit-text-size-adjust:100%;font-family:'Hiragino Sans','Hiragino Kaku Gothic ProN','Noto Sans JP','Noto Sans CJK JP','Yu Gothic',Meiryo,'Segoe UI',Roboto,Helvetica,Arial,sans-serif\">\n"
                "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\"><tr><td align=\"center\" style=\"padding:16px 8px 32px\">\n"
                "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\" style=\"max-width:640px;background:#ffffff;border-radius:14px;border:1px solid " LINE "\">\n"
                "<tr><td style=\"padding:24px 24px 14px\"><div style=\"font-size:14px;color:" SOFT "\">", f);
    esc(f, mmr_report_str(o, "office"));
    (void)fputs("</div><h1 style=\"margin:2px 0 2px;font-size:24px;line-height:1.35;color:" INK "\">", f);
    esc(f, w->title);
    (void)fputs("</h1><div style=\"font-size:14px;color:" SOFT "\">", f);
    esc(f, mmr_report_str(o, "period"));
    (void)fprintf(f, "</div></td></tr>\n<tr><td style=\"padding:0 24px 20px\"><table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%%\" style=\"background:%s;border-radius:12px\"><tr>"
                     "<td width=\"58\" align=\"center\" valign=\"top\" style=\"padding:16px 0 16px 10px;font-size:30px;line-height:1.2;color:%s\">%s</td><td style=\"padding:16px 16px 16px 8px\">"
                     "<div style=\"font-size:19px;line-height:1.4;font-weight:bold;color:%s\">%s</div><div style=\"font-size:15px;line-height:1.7;color:" INK "\">",
                  l->ground, l->ink, l->shape, l->ink, is_ja ? l->ja : l->en);
    esc(f, mmr_report_str(o, "sentence"));
    (void)fputs("</div></td></tr></table></td></tr>\n", f);
}

static void foot(FILE *f, struct json_object *o, const struct words *w)
{
    open_card(f, w->support, 0);
    (void)fputs("<p style=\"margin:0;font-size:15px;line-height:1.8;color:" INK "\">", f);
    mmr_report_visits(f, "<b>", o, w, "</b><br>");
    esc(f, w->ask);
    (void)fputs(" <b style=\"white-space:nowrap\">", f);
    esc(f, mmr_report_str(o, "phone"));
    (void)fputs("</b>", f);
    if (*mmr_report_str(o, "watchword")) {
        (void)fputs("<br>", f);
        esc(f, w->watchword);
        (void)fputs(" <b>", f);
        esc(f, mmr_report_str(o, "watchword"));
        (void)fputs("</b>", f);
    }
    (void)fputs("</p>", f);
    close_card(f);
    (void)fputs("<tr><td style=\"padding:0 24px 24px;font-size:12px;line-height:1.7;color:" SOFT "\">", f);
    esc(f, w->footer);
    (void)fputs("<br>", f);
    esc(f, mmr_report_str(o, "service"));
    (void)fprintf(f, " #%lld</td></tr>\n</table>\n</td></tr></table></body></html>\n", (long long)mmr_report_int(o, "number", 0));
}

static int html(struct json_object *o, const struct words *w, bool is_ja, char **ret, struct mmr_error *err)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "weekly report: out of memory");
    head(f, o, w, is_ja);
    numbers(f, o, w);
    card_of_texts(f, o, "requests", w->requests, w->none_requests, "▶", "#7a5200");
    card_urgent(f, o, w);
    card_of_texts(f, o, "defended", w->defended, w->none_defended, "✔", "#1a5fb4");
    card_of_texts(f, o, "no_response", w->no_response, w->none_no_response, "-", SOFT);
    card_of_texts(f, o, "gaps", w->gaps, w->none_gaps, "▲", "#7a5200");
    card_coverage(f, o, w);
    foot(f, o, w);
    bool is_bad = ferror(f) != 0;
    if (fclose(f) != 0 || is_bad) {
        free(out);
        return mmr_fail(err, MMR_ENOMEM, "weekly report: out of memory");
    }
    *ret = out;
    return 0;
}

int mmr_report_render(struct json_object *data, char **ret_html, char **ret_text, struct mmr_error *err)
{
    bool is_ja = json_object_is_type(data, json_type_object) && strncmp(mmr_report_str(data, "lang"), "en", 2) != 0;
    const struct words *w = is_ja ? &mmr_report_ja : &mmr_report_en;
    char *page = NULL;
    int r = json_object_is_type(data, json_type_object) && strcmp(mmr_report_str(data, "kind"), "report") == 0
                ? 0
                : mmr_fail(err, MMR_EBADMSG, "found no weekly report, expected an object with \"kind\": \"report\"");
    if (!r && ret_html)
        r = html(data, w, is_ja, &page, err);
    if (!r && ret_text)
        r = mmr_report_text(data, w, ret_text, err);
    if (r) {
        free(page);
        return r;
    }
    if (ret_html)
        *ret_html = page;
    return 0;
}
