/* report_text.c - the report as plain text, and the words of both layouts. */
#include "report_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct words mmr_report_ja = {
    .title = "見守り週報", .numbers = {"見守った時間", "止めた回数", "お願い"}, .requests = "お願い", .none_requests = "今週のお願いはありません。",
    .urgent = "急ぎのお知らせをした件", .none_urgent = "ありませんでした。", .noticed = "気づいた時刻", .told_in = "お知らせまで", .not_told = "届いたか確かめられていません",
    .minutes = "分", .now = "いま", .defended = "止めた件", .none_defended = "ありませんでした。", .no_response = "対応のいらない件",
    .none_no_response = "ありませんでした。", .gaps = "見守れなかった時間", .none_gaps = "ありませんでした。", .coverage = "見守りの範囲",
    .important = "大事な情報のあるパソコン", .exits = "会社の出入口", .unknown = "数はまだ登録されていません", .support = "ご相談", .ask = "お困りのときは",
    .last_week = "先週", .times = "回", .percent = "%", .items = "件", .more = "ほか",
    .footer = "この週報は自動で作られました。記録はあとから書き換えられない形で残っています。", .watchword = "合言葉",
    .visits = "無料の駆付け 残り%lld回（1年に%lld回）"};
const struct words mmr_report_en = {
    .title = "Weekly report", .numbers = {"Time watched", "Stopped", "Requests"}, .requests = "What we ask you to do", .none_requests = "Nothing this week.",
    .urgent = "Urgent messages", .none_urgent = "None.", .noticed = "Noticed", .told_in = "Told after", .not_told = "not known to have arrived",
    .minutes = " min", .now = "Now", .defended = "What was stopped", .none_defended = "Nothing.", .no_response = "Nothing to do about these",
    .none_no_response = "None.", .gaps = "When we could not watch", .none_gaps = "There was no such time.", .coverage = "What is watched",
    .important = "PCs with important information", .exits = "Ways in and out of the company", .unknown = "not registered yet", .support = "Help", .ask = "If you need help",
    .last_week = "last week", .times = "", .percent = "%", .items = "", .more = "and",
    .footer = "This report was made automatically. Its records are kept in a form that cannot be changed unseen.", .watchword = "watchword",
    .visits = "Free visits left: %lld (%lld a year)"};

void mmr_report_visits(FILE *f, const char *before, struct json_object *o, const struct words *w, const char *behind)
{
    char text[120];
    if (!mmr_report_has(o, "visits_left") || mmr_report_int(o, "visits_free", 0) <= 0)
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the words are ours, in two languages */
    (void)snprintf(text, sizeof text, w->visits, (long long)mmr_report_int(o, "visits_left", 0), (long long)mmr_report_int(o, "visits_free", 0));
#pragma GCC diagnostic pop
    (void)fprintf(f, "%s%s%s", before, text, behind);
}

const char *mmr_report_str(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

int64_t mmr_report_int(struct json_object *o, const char *key, int64_t dflt)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : dflt;
}

bool mmr_report_has(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && v;
}

struct json_object *mmr_report_list(struct json_object *o, const char *key, size_t *ret_n)
{
    struct json_object *v = NULL;
    *ret_n = 0;
    if (!o || !json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_array))
        return NULL;
    *ret_n = json_object_array_length(v);
    return v;
}

static void heading(FILE *f, const char *text)
{
    (void)fprintf(f, "\n■ %s\n", text);
}

static void texts(FILE *f, struct json_object *o, const char *key, const char *none)
{
    size_t n;
    struct json_object *list = mmr_report_list(o, key, &n);
    if (!n)
        (void)fprintf(f, "  %s\n", none);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        (void)fprintf(f, "  ・%s\n", json_object_is_type(x, json_type_object) ? mmr_report_str(x, "text") : "");
    }
}

static void urgent(FILE *f, struct json_object *o, const struct words *w)
{
    size_t n;
    struct json_object *list = mmr_report_list(o, "urgent", &n);
    if (!n)
        (void)fprintf(f, "  %s\n", w->none_urgent);
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(list, i);
        if (!json_object_is_type(x, json_type_object))
            continue;
        (void)fprintf(f, "  ・%s\n    %s: %s / ", mmr_report_str(x, "text"), w->noticed, mmr_report_str(x, "noticed"));
        if (mmr_report_has(x, "told_min"))
            (void)fprintf(f, "%s: %lld%s", w->told_in, (long long)mmr_report_int(x, "told_min", 0), w->minutes);
        else
            (void)fprintf(f, "%s: %s", w->told_in, w->not_told);
        (void)fprintf(f, "\n    %s: %s\n", w->now, mmr_report_str(x, "state"));
    }
}

static void part(FILE *f, struct json_object *o, const char *ok, const char *all, const char *name, const struct words *w)
{
    if (mmr_report_has(o, all) && mmr_report_int(o, all, 0) > 0)
        (void)fprintf(f, "  %s: %lld/%lld\n", name, (long long)mmr_report_int(o, ok, 0), (long long)mmr_report_int(o, all, 0));
    else
        (void)fprintf(f, "  %s: %s\n", name, w->unknown);
}

int mmr_report_text(struct json_object *o, const struct words *w, char **ret, struct mmr_error *err)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "weekly report: out of memory");
    (void)fprintf(f, "%s  %s\n%s\n\n%s\n", w->title, mmr_report_str(o, "office"), mmr_report_str(o, "period"), mmr_report_str(o, "sentence"));
    (void)fprintf(f, "\n  %s %s%s / %s %lld%s / %s %lld%s\n", w->numbers[0], mmr_report_str(o, "watched"), w->percent, w->numbers[1],
                  (long long)mmr_report_int(o, "stopped", 0), w->times, w->numbers[2], (long long)mmr_report_int(o, "asked", 0), w->items);
    heading(f, w->requests);
    texts(f, o, "requests", w->none_requests);
    heading(f, w->urgent);
    urgent(f, o, w);
    heading(f, w->defended);
    texts(f, o, "defended", w->none_defended);
    heading(f, w->no_response);
    texts(f, o, "no_response", w->none_no_response);
    heading(f, w->gaps);
    texts(f, o, "gaps", w->none_gaps);
    heading(f, w->coverage);
    part(f, o, "important_ok", "important", w->important, w);
    part(f, o, "exits_ok", "exits", w->exits, w);
    heading(f, w->support);
    mmr_report_visits(f, "  ", o, w, "\n");
    (void)fprintf(f, "  %s: %s\n", w->ask, mmr_report_str(o, "phone"));
    if (*mmr_report_str(o, "watchword"))
        (void)fprintf(f, "  %s: %s\n", w->watchword, mmr_report_str(o, "watchword"));
    (void)fprintf(f, "\n-- \n%s\n%s\n", w->footer, mmr_report_str(o, "service"));
    bool is_bad = ferror(f) != 0;
    if (fclose(f) != 0 || is_bad) {
        free(out);
        return mmr_fail(err, MMR_ENOMEM, "weekly report: out of memory");
    }
    *ret = out;
    return 0;
}
