/* test_report.c - the page of a week: what it says, what it never does, and that it is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report.h"
#include "testhost.h"

#include <json-c/json.h>
#include <mamori/render.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct mmr_plugin mmr_plugin_report;

static const char week[] =
    "{\"kind\":\"report\",\"key\":\"report.12.owner\",\"to\":\"\",\"number\":12,\"lang\":\"ja\",\"office\":\"山田商店\",\"service\":\"みまもりサービス\",\"phone\":\"03-0000-0000\",\"watchword\":\"さくら\","
    "\"period\":\"2026年11月16日(月)〜11月22日(日)\",\"light\":\"yellow\",\"sentence\":\"今週、会社にお知らせを送った件のうち、まだ終わっていないものがあります。下のお願いをご覧ください。\","
    "\"text\":\"x\",\"watched\":\"99.8\",\"stopped\":3,\"asked\":1,\"last_week\":{\"watched\":\"100\",\"stopped\":1},"
    "\"requests\":[{\"text\":\"今日中に「UKETSUKE」のことで03-0000-0000へご連絡ください。お知らせは送りましたが、まだ終わっていません。\"}],"
    "\"urgent\":[{\"band\":\"red\",\"text\":\"11月18日 14:05 経理のパソコンで悪い動きを見つけ、お知らせを送りました。ご不明な点は03-0000-0000へおたずねください。\",\"noticed\":\"11月18日 14:05\",\"told_min\":2,\"state\":\"止めて、止まったことを確かめました\"},"
    "{\"band\":\"yellow\",\"text\":\"11月20日 9:40 受付のパソコンで悪い動きを見つけ、お知らせを送りました。ご不明な点は03-0000-0000へおたずねください。\",\"noticed\":\"11月20日 9:40\",\"state\":\"まだ終わっていません\"}],"
    "\"defended\":[{\"text\":\"11月16日 10:12 営業2のパソコンで、メールについていた悪いファイルを見つけました。開く前に使えない場所へ移し、動いていないことを確かめました。お客様にしていただくことはありません。\"},"
    "{\"text\":\"11月19日 3:21 インターネットから「NAS-01」に入ろうとする通信がありました。3:21 に止め、続きがないことを確かめました。お客様にしていただくことはありません。\"}],"
    "\"no_response\":[{\"count\":312,\"text\":\"インターネットから会社の入口を調べる通信が、今週312回ありました。入口は閉じていて、中には入られていません。どの会社にも届くものです。お客様にしていただくことはありません。\"}],"
    "\"gaps\":[{\"text\":\"11月17日 2:00 から 11月17日 2:20 まで、会社全体を見守れませんでした。わけ:見守り装置の電源が切れていたため。いまは見守りに戻しました。お客様にしていただくことはありません。\"}],"
    "\"important_ok\":3,\"important\":3,\"exits_ok\":1,\"exits\":2,\"incident_ids\":[]}";

static struct json_object *data(void)
{
    struct json_object *o = json_tokener_parse(week);
    assert_non_null(o);
    return o;
}

static void the_page_says_everything_and_fetches_nothing(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *o = data();
    char *html = NULL, *text = NULL;
    assert_int_equal(mmr_report_render(o, &html, &text, &err), 0);
    static const char *const says[] = {"山田商店", "11月16日", "▲", "99.8", "KETSUKE", "経理のパソコン", "営業2", "312回", "見守り装置の電源", "03-0000-0000", "さくら"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        if (!strstr(html, says[i]) || (strcmp(says[i], "▲") != 0 && !strstr(text, says[i])))
            fail_msg("'%s' is missing", says[i]);
    static const char *const never[] = {"http://", "https://", "<img", "<script", "<link", "url(", "@import", "src="};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (strstr(html, never[i]))
            fail_msg("the page has '%s'", never[i]);
    static const char *const terms[] = {"インシデント", "マルウェア", "EDR", "UTM", "アラート", "エンドポイント", "隔離"};
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        if (strstr(html, terms[i]))
            fail_msg("a word of technicians: %s", terms[i]);
    const char *out = getenv("MMR_REPORT_OUT"); /* to look at it */
    FILE *f = out ? fopen(out, "we") : NULL;
    if (f) {
        (void)fputs(html, f);
        (void)fclose(f);
    }
    free(html);
    free(text);
    json_object_put(o);
}

static void a_quiet_week_in_english_is_a_page_too(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *o = json_tokener_parse("{\"kind\":\"report\",\"lang\":\"en\",\"office\":\"Y & <b>Co</b>\",\"light\":\"green\",\"sentence\":\"Nothing bad happened.\",\"watched\":\"100\",\"urgent\":[1,null],\"gaps\":{}}");
    char *html = NULL, *text = NULL;
    assert_int_equal(mmr_report_render(o, &html, &text, &err), 0);
    assert_non_null(strstr(html, "All is well"));
    assert_non_null(strstr(html, "Y &amp; &lt;b&gt;Co"));
    assert_null(strstr(html, "<b>Co"));
    assert_non_null(strstr(text, "Nothing this week."));
    free(html);
    free(text);
    json_object_put(o);
    static const char *const wrong[] = {"[]", "{}", "{\"kind\":\"notice\"}", "3"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        o = json_tokener_parse(wrong[i]);
        assert_int_equal(mmr_report_render(o, &html, &text, &err), MMR_EBADMSG);
        json_object_put(o);
    }
    assert_int_equal(mmr_report_render(NULL, &html, &text, &err), MMR_EBADMSG);
    const struct mmr_render_ops *ops = mmr_plugin_report.extension(MMR_RENDER_ID);
    assert_non_null(ops);
    assert_int_equal(ops->render("{\"kind\":", 8, &html, NULL, &err), MMR_EBADMSG);
    assert_int_equal(ops->render(week, strlen(week), &html, NULL, &err), 0);
    free(html);
}

static void each_report_is_kept_as_page_text_and_data(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    char path[4200];
    const char *dir = mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_report, NULL, &err) != 0)
        fail_msg("%s", err.text);
    for (uint64_t seq = 1; seq <= 2; seq++) { /* the same again: the same files */
        assert_int_equal(mmr_testhost_forward(th, 0, week, seq, &err), 0);
        assert_int_equal(mmr_testhost_delivery(th, seq - 1)->level, MMR_DELIVERY_GATEWAY);
    }
    static const char *const suffix[] = {"html", "txt", "json"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/week-0012.%s", dir, suffix[i]);
        FILE *f = fopen(path, "re");
        if (!f)
            fail_msg("%s is missing", path);
        (void)fclose(f);
    }
    assert_int_equal(mmr_testhost_forward(th, 0, "{\"kind\":\"notice\",\"key\":\"a\",\"text\":\"b\"}", 3, &err), MMR_EUNSUPPORTED);
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_says_everything_and_fetches_nothing),
        cmocka_unit_test(a_quiet_week_in_english_is_a_page_too),
        cmocka_unit_test(each_report_is_kept_as_page_text_and_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
