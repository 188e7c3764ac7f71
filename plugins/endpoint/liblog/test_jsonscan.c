/* test_jsonscan.c - the scanner against json-c, and against what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonscan.h"

static struct mmr_js_doc doc;

static int parse(const char *text, char *copy)
{
    size_t n = strlen(text);
    memcpy(copy, text, n + 1);
    return mmr_js_parse(copy, n, &doc, NULL);
}

/* Every value json-c sees is the value of the node at its place; returns false at the first difference. */
static bool same(struct json_object *o, int32_t at)
{
    const struct mmr_js_node *nd = &doc.node[at];
    size_t n;
    const char *t = mmr_js_text(&doc, at, &n);
    switch (json_object_get_type(o)) {
    case json_type_null: return nd->type == MMR_JS_NULL;
    case json_type_boolean: return nd->type == MMR_JS_BOOL && (t[0] == 't') == json_object_get_boolean(o);
    case json_type_int: return nd->type == MMR_JS_NUMBER && strtoll(t, NULL, 10) == json_object_get_int64(o);
    case json_type_double: return nd->type == MMR_JS_NUMBER;
    case json_type_string:
        return nd->type == MMR_JS_STRING && n == (size_t)json_object_get_string_len(o) &&
               memcmp(t, json_object_get_string(o), n) == 0;
    case json_type_object: {
        if (nd->type != MMR_JS_OBJECT)
            return false;
        json_object_object_foreach(o, key, val)
        {
            int32_t found = MMR_JS_NONE; /* the last of equal keys is json-c's */
            for (int32_t i = at + 1; i < nd->end; i = doc.node[i].end)
                if (doc.node[i].key_len == strlen(key) && memcmp(doc.node[i].key, key, strlen(key)) == 0)
                    found = i;
            if (found < 0 || !same(val, found))
                return false;
        }
        return true;
    }
    case json_type_array: {
        int32_t i = at + 1;
        if (nd->type != MMR_JS_ARRAY)
            return false;
        for (size_t k = 0; k < json_object_array_length(o); k++, i = doc.node[i].end)
            if (i >= nd->end || !same(json_object_array_get_idx(o, k), i))
                return false;
        return i == nd->end;
    }
    }
    return false;
}

static void values_are_those_of_json_c(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "[]", " { \"a\" : 1 } ", "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":true}", "[\"\",\"x\",false,-1.5e3,0]",
        "{\"t\":\"\\u3042\\ud83d\\ude00\\n\\\\\\/\\\"\\t\\b\\f\\r\"}", "{\"k\\u0041\":\"v\"}", "{\"a\":[[],{},[{}]],\"b\":\"\"}",
        "{\"long\":\"0123456789abcdef0123456789abcdef\\\\0123456789abcdef\"}",
    };
    char copy[256];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json_object *o = json_tokener_parse(texts[i]);
        if (parse(texts[i], copy) != 0 || !same(o, 0))
            fail_msg("%s is read differently", texts[i]);
        json_object_put(o);
    }
}

/* Random texts, most of them nearly JSON: what strict json-c takes, the scanner takes and reads alike. */
static void random_texts_are_read_like_json_c_reads_them(void **state)
{
    (void)state;
    static const char *const parts[] = {"{", "}", "[", "]", ",", ":", "\"a\"", "\"b\\n\"", "\"\\u00e9\"", "1", "-2", "0.5", "1e3",
                                        "true", "false", "null", " ", "\"key\"", "tru", "\"\\x\""};
    uint32_t seed = 1;
    int taken = 0;
    for (int round = 0; round < 200000; round++) {
        char text[256] = "", copy[256];
        size_t n = 0;
        int want = 1 + (int)((seed >> 8) % 9);
        if (round & 1) { /* half of them are objects or arrays that are closed */
            text[n++] = round & 2 ? '[' : '{';
            text[n] = '\0';
        }
        for (int k = 0; k < want; k++) {
            seed = seed * 1664525u + 1013904223u;
            const char *p = parts[(seed >> 16) % (sizeof parts / sizeof parts[0])];
            if (n + strlen(p) < 200)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s", p);
        }
        if (round & 1)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", round & 2 ? "]" : "}");
        struct json_tokener *tok = json_tokener_new_ex(17);
        json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
        struct json_object *o = json_tokener_parse_ex(tok, text, (int)n + 1); /* with the NUL: the text ends here */
        enum json_tokener_error e = json_tokener_get_error(tok);
        bool is_taken = e == json_tokener_success && json_tokener_get_parse_end(tok) >= n;
        int got = parse(text, copy);
        if (is_taken && (got != 0 || !same(o, 0)))
            fail_msg("'%s': json-c reads it, the scanner says %d", text, got);
        if (!is_taken && got == 0 && strspn(text, " ") != n)
            fail_msg("'%s': json-c refuses it (%s), the scanner does not", text, json_tokener_error_desc(e));
        taken += is_taken;
        json_object_put(o);
        json_tokener_free(tok);
    }
    assert_true(taken > 1000);
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"", MMR_EBADMSG}, {"{", MMR_EBADMSG}, {"{\"a\"}", MMR_EBADMSG}, {"{\"a\":}", MMR_EBADMSG}, {"{\"a\":1,}", MMR_EBADMSG},
        {"[1,]", MMR_EBADMSG}, {"\"abc", MMR_EBADMSG}, {"\"\\", MMR_EBADMSG}, {"\"\\u12\"", MMR_EBADMSG}, {"01", MMR_EBADMSG},
        {"1.", MMR_EBADMSG}, {"1e", MMR_EBADMSG}, {"-", MMR_EBADMSG}, {"tru", MMR_EBADMSG}, {"{} x", MMR_EBADMSG},
        {"{\"a\":1]", MMR_EBADMSG}, {"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", 0}, {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", MMR_ETOOBIG},
    };
    char copy[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got = parse(rows[i].text, copy);
        if (got != rows[i].want)
            fail_msg("'%s': got %d, want %d", rows[i].text, got, rows[i].want);
    }
}

static void a_huge_object_keeps_its_first_values_and_counts_the_rest(void **state)
{
    (void)state;
    size_t n = 0;
    char *text = malloc(64 * 1024);
    assert_non_null(text);
    text[n++] = '[';
    for (int i = 0; i < 5000; i++)
        n += (size_t)snprintf(text + n, 16, "%s%d", i ? "," : "", i);
    text[n++] = ']';
    assert_int_equal(mmr_js_parse(text, n, &doc, NULL), 0);
    assert_int_equal(doc.n, MMR_JS_NODES_MAX);
    assert_int_equal(doc.dropped, 5001 - MMR_JS_NODES_MAX);
    free(text);
}

static void lone_surrogates_and_raw_bytes_are_tolerated(void **state)
{
    (void)state;
    char copy[128];
    size_t n;
    assert_int_equal(parse("{\"a\":\"\\ud800x\",\"b\":\"\x82\xa0\t\"}", copy), 0);
    assert_memory_equal(mmr_js_text(&doc, mmr_js_get(&doc, 0, "a"), &n), "\xef\xbf\xbdx", 4);
    assert_int_equal(n, 4);
    assert_memory_equal(mmr_js_text(&doc, mmr_js_get(&doc, 0, "b"), &n), "\x82\xa0\t", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_json_c),
        cmocka_unit_test(random_texts_are_read_like_json_c_reads_them),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(a_huge_object_keeps_its_first_values_and_counts_the_rest),
        cmocka_unit_test(lone_surrogates_and_raw_bytes_are_tolerated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
