/* The words for people: the samples of SERVICE_STANDARD 6 pass the rules of its section 7, and each rule is seen to bite. */
#include "notify/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct seen {
    int n;
    unsigned line;
    char all[4096];
};

static void on_finding(void *ctx, unsigned line, const char *what)
{
    struct seen *s = ctx;
    size_t used = strlen(s->all);
    s->n++;
    s->line = line;
    (void)snprintf(s->all + used, sizeof s->all - used, "%s\n", what);
}

static struct seen lint(const char *text, enum mmr_wording kind)
{
    struct seen s = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_wording_lint(text, strlen(text), kind, 1, on_finding, &s, &err);
    if (r != s.n)
        fail_msg("returned %d (%s) but told %d", r, err.text, s.n);
    return s;
}

static void samples_of_the_standard_are_plain(void **state)
{
    (void)state;
    static const struct { const char *what, *text; enum mmr_wording kind; } rows[] = {
        {"A ja", "【至急】経理のパソコンで、ファイルが勝手に書き換えられています(合言葉:{合言葉})\n7月3日 14:05 に気づきました。データを人質にとるウイルスのおそれがあります。悪い動きを一つ止めましたが、まだ安全ではありません。\nお願い:①「KEIRI-01」のLANの線を抜く(無線なら切る)。電源は切らない。②ほかのパソコンで共有フォルダーを開かない。③{電話番号}に電話するか「来てほしい」を押す。作業代は無料です(今年の残り1回)。交通費はご負担いただきます。", MMR_WORDING_NOTICE},
        {"A en", "[URGENT] Files on the accounting PC are being changed without permission. Noticed 3 July 14:05. It may be a virus that holds data hostage. We stopped one bad program, but it is not safe yet. Please: (1) unplug the network cable of KEIRI-01, do not switch it off; (2) do not open shared folders on other PCs; (3) call {phone} or press \"Please come\". Work is free (1 left this year); travel is charged.", MMR_WORDING_NOTICE},
        {"B ja", "【お早めに】受付のパソコンが、あやしい相手と通信しようとしました。7月3日 9:40 に気づき、通信は止めました。原因がパソコンに残っているかもしれません。今日中に{電話番号}へご連絡ください。それまで「UKETSUKE」は使わないでください。", MMR_WORDING_NOTICE},
        {"B en", "[Please check soon] The reception PC tried to contact a suspicious address. We noticed at 9:40 on 3 July and stopped it. The cause may still be on the PC. Please call {phone} today and do not use UKETSUKE until then.", MMR_WORDING_NOTICE},
        {"C ja", "7月1日 10:12 営業2のパソコンで、メールについていた悪いファイルを見つけました。開く前に使えない場所へ移し、動いていないことを確かめました。お客様にしていただくことはありません。", MMR_WORDING_WEEKLY},
        {"C en", "1 July 10:12, sales PC 2: we found a bad file attached to a mail, moved it where it cannot run before it was opened, and checked that nothing ran. Nothing for you to do.", MMR_WORDING_WEEKLY},
        {"D ja", "インターネットから会社の入口を調べる通信が、今週312回ありました。入口は閉じていて、中には入られていません。どの会社にも届くものです。お客様にしていただくことはありません。", MMR_WORDING_WEEKLY},
        {"D en", "312 probes of your company's entrance this week. The door was closed and nobody got in. Every company receives these. Nothing for you to do.", MMR_WORDING_WEEKLY},
        {"follow-up ja", "先ほどの続きです。15:20 に悪い動きをすべて止め、15:26 に確かめました。点検が終わるまで「KEIRI-01」はつながないでください。", MMR_WORDING_NOTICE},
        {"follow-up en", "Update: all bad activity was stopped at 15:20 and checked at 15:26. Keep KEIRI-01 unplugged until the inspection is done.", MMR_WORDING_NOTICE},
        {"voice", "{サービス名}です。合言葉は{合言葉}。至急のお知らせです。{一文}。聞いた方は1、来てほしい方は2を押してください。", MMR_WORDING_VOICE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = lint(rows[i].text, rows[i].kind);
        if (s.n)
            fail_msg("%s: %s", rows[i].what, s.all);
    }
}

#define PLAIN_JA "14:05 にパソコンの悪い動きを止めました。{phone}へご連絡ください。"

static void each_rule_bites(void **state)
{
    (void)state;
    static const struct { const char *text, *want; } rows[] = {
        {PLAIN_JA "EDRが働きました。", "見守り装置"}, {PLAIN_JA "UTMが働きました。", "見守り装置"}, {PLAIN_JA "エンドポイントです。", "パソコン"},
        {PLAIN_JA "インシデントです。", "できごと"}, {PLAIN_JA "アラートです。", "お知らせ"}, {PLAIN_JA "マルウェアです。", "悪いプログラム(ウイルス)"},
        {PLAIN_JA "ランサムウェアです。", "データを人質にとるウイルス"}, {PLAIN_JA "C2です。", "あやしい相手との通信"}, {PLAIN_JA "検疫しました。", "使えない場所に移す"},
        {PLAIN_JA "隔離しました。", "つながりを切る"}, {PLAIN_JA "フィッシングです。", "にせのメール"}, {PLAIN_JA "スキャンです。", "入口を調べる通信"},
        {PLAIN_JA "Malwareです。", "悪いプログラム(ウイルス)"},
        {"14:05: we stopped malware on the PC. Please call.", "bad program (virus)"}, {"14:05: we stopped a C2 on the PC. Please call.", "contact with a suspicious address"},
        {"14:05: we isolated the PC and stopped it. Please call.", "cut the connection"},
        {"パソコンの悪い動きを止めました。ご連絡ください。", "no time"}, {"14:05 に悪い動きを止めました。ご連絡ください。", "no place"},
        {"14:05 にパソコンで悪い動きがありました。ご連絡ください。", "what we did"}, {"14:05 にパソコンの悪い動きを止めました。", "what to do"},
        {"We stopped it on the PC. Please call.", "no time"}, {"At 14:05 we stopped it. Please call.", "no place"},
        {"At 14:05 the PC did something. Please call.", "what we did"}, {"At 14:05 we stopped it on the PC.", "what to do"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = lint(rows[i].text, MMR_WORDING_NOTICE);
        if (s.n != 1 || !strstr(s.all, rows[i].want))
            fail_msg("'%s': %d findings, expected one with '%s': %s", rows[i].text, s.n, rows[i].want, s.all);
    }
    assert_int_equal(lint(PLAIN_JA, MMR_WORDING_NOTICE).n, 0);
    assert_int_equal(lint("At 14:05 we stopped it on the PC: no scandal, EDRX and {malware} are words of their own. Please call.", MMR_WORDING_NOTICE).n, 0);
    struct seen s = lint(PLAIN_JA "\n{ malware\n", MMR_WORDING_NOTICE); /* a brace that is no place hides nothing */
    assert_true(s.n == 1 && s.line == 2);
}

static void a_sentence_has_60_characters(void **state)
{
    (void)state;
    char text[512] = PLAIN_JA;
    for (int i = 0; i < 60; i++)
        (void)strncat(text, "あ", sizeof text - strlen(text) - 1);
    assert_int_equal(lint(text, MMR_WORDING_NOTICE).n, 0);
    (void)strncat(text, "あ", sizeof text - strlen(text) - 1);
    struct seen s = lint(text, MMR_WORDING_NOTICE);
    assert_true(s.n == 1 && strstr(s.all, "61 characters"));
    (void)strncat(text, "。い", sizeof text - strlen(text) - 1);
    assert_int_equal(lint(text, MMR_WORDING_NOTICE).n, 1);
}

/* The places of a text, in a form two languages can be compared by. */
static void places_of(const struct mmr_message_text *t, char ret[16][32], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < t->len; i++) {
        const char *close = t->text[i] == '{' ? memchr(t->text + i, '}', t->len - i) : NULL;
        if (!close)
            continue;
        assert_true(*n < 16 && close - (t->text + i) < 32);
        (void)snprintf(ret[(*n)++], 32, "%.*s", (int)(close - (t->text + i) - 1), t->text + i + 1);
    }
}

static void built_in_messages_are_plain_in_both_languages(void **state)
{
    (void)state;
    static const char *const must[] = {"severe.files", "severe.red", "severe.yellow", "severe.outbound", "severe.many", "change", "followup.contained",
                                       "correction", "task.call", "voice.red", "weekly.defended.mail", "weekly.probes", "weekly.quiet", "weekly.gap"};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_message_text ja, en;
    const char *bytes;
    size_t len, pos = 0, n_ja, n_en, count = 0;
    char p_ja[16][32], p_en[16][32], text[4096];
    for (size_t i = 0; i < sizeof must / sizeof must[0]; i++)
        assert_int_equal(mmr_catalogue_find("ja", must[i], &ja, &err), 0);
    assert_int_equal(mmr_catalogue_file("ja.txt", &bytes, &len, &err), 0);
    assert_true(mmr_catalogue_is(bytes, len));
    int r;
    for (; (r = mmr_catalogue_next(bytes, len, &pos, &ja, &err)) == 0; count++) {
        if (mmr_catalogue_find("en", ja.name, &en, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(ja.kind, en.kind);
        places_of(&ja, p_ja, &n_ja);
        places_of(&en, p_en, &n_en);
        for (size_t i = 0; i < n_ja; i++) {
            size_t k = 0;
            while (k < n_en && strcmp(p_ja[i], p_en[k]) != 0)
                k++;
            if (k == n_en)
                fail_msg("'%s': place '%s' is not in the English text", ja.name, p_ja[i]);
        }
        struct mmr_place place[16];
        for (size_t i = 0; i < n_ja; i++)
            place[i] = (struct mmr_place){p_ja[i], strstr(p_ja[i], "time") || strcmp(p_ja[i], "from") == 0 ? "7月3日 14:05" : "事務所の共有サーバー"};
        for (int lang = 0; lang < 2; lang++) {
            const struct mmr_message_text *t = lang ? &en : &ja;
            struct seen s = {0};
            assert_int_equal(mmr_wording_lint(t->text, t->len, t->kind, t->line, on_finding, &s, &err), 0);
            if (mmr_catalogue_render(t, place, n_ja, text, sizeof text, &err) != 0)
                fail_msg("%s", err.text);
            assert_null(strchr(text, '{'));
            if (!lang && lint(text, t->kind).n)
                fail_msg("'%s' with its places filled: %s", t->name, lint(text, t->kind).all);
        }
    }
    assert_int_equal(r, MMR_ENOENT);
    assert_true(count >= sizeof must / sizeof must[0]);
}

static void places_are_filled_or_refused(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    static const char file[] = "# a comment\n[a.b] notice\n[URGENT] {x} and {y}\nsecond line\n\n[c] voice\n{open\n";
    struct mmr_message_text t;
    size_t pos = 0;
    char buf[64];
    const struct mmr_place two[] = {{"x", "one\ntwo"}, {"y", "{x}"}};
    assert_int_equal(mmr_catalogue_next(file, strlen(file), &pos, &t, &err), 0);
    assert_true(strcmp(t.name, "a.b") == 0 && t.line == 3);
    assert_int_equal(mmr_catalogue_render(&t, two, 2, buf, sizeof buf, &err), 0);
    assert_string_equal(buf, "[URGENT] one two and {x}\nsecond line"); /* a value is never read as a template */
    assert_int_equal(mmr_catalogue_render(&t, two, 1, buf, sizeof buf, &err), MMR_EINVAL);
    for (size_t cap = 1; cap <= strlen("[URGENT] one two and {x}\nsecond line"); cap++)
        assert_int_equal(mmr_catalogue_render(&t, two, 2, buf, cap, &err), MMR_ETOOBIG);
    assert_int_equal(mmr_catalogue_next(file, strlen(file), &pos, &t, &err), 0);
    assert_true(strcmp(t.name, "c") == 0 && t.kind == MMR_WORDING_VOICE);
    assert_int_equal(mmr_catalogue_render(&t, two, 2, buf, sizeof buf, &err), MMR_EINVAL);
    assert_int_equal(mmr_catalogue_next(file, strlen(file), &pos, &t, &err), MMR_ENOENT);
    assert_int_equal(mmr_catalogue_find("ja", "nothing.such", &t, &err), MMR_ENOENT);
    assert_int_equal(mmr_catalogue_find("fr", "severe.red", &t, &err), MMR_ENOENT);
}

static void hostile_text_is_refused_or_read_within_its_bounds(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct seen s = {0};
    static const char *const bad[] = {"\xff\xfe", "\xe3\x81", "abc\xc0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mmr_wording_lint(bad[i], strlen(bad[i]), MMR_WORDING_NOTICE, 1, on_finding, &s, &err), MMR_EBADMSG);
    static const char *const odd[] = {"[", "[]", "[x]", "[x] other\n", "[x] notice", "\n\n#", "#"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct mmr_message_text t;
        size_t pos = 0;
        (void)mmr_catalogue_is(odd[i], strlen(odd[i]));
        int r = mmr_catalogue_next(odd[i], strlen(odd[i]), &pos, &t, &err);
        assert_true(r == (i == 4 ? 0 : i > 4 ? MMR_ENOENT : MMR_EBADMSG));
    }
    assert_int_equal(lint("", MMR_WORDING_NOTICE).n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_the_standard_are_plain),
        cmocka_unit_test(each_rule_bites),
        cmocka_unit_test(a_sentence_has_60_characters),
        cmocka_unit_test(built_in_messages_are_plain_in_both_languages),
        cmocka_unit_test(places_are_filled_or_refused),
        cmocka_unit_test(hostile_text_is_refused_or_read_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
