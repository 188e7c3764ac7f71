/* Keys and signatures against the minisign program itself, and what is no key or signature. */
#include "trust/minisign.h"

#include "trust/place.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* minisign 0.11: -G -W; then -S -m f -t 'id=org.x version=1.0 abi=0' with f = "data\n" */
static const char pub[] = "untrusted comment: minisign public key 92D2BBD21CAC3E80\nRWSAPqwc0rvSkuAWWZ/tvIeBF9ePQIuty6ZuyAO5JVjBTYaW9L4thBK8\n";
static const char sig[] = "untrusted comment: unt\n"
                          "RUSAPqwc0rvSkqCTHOlzbF3HYdWAXXAWMrT0hlTM7foEhSLdhcKJd0cG6JNgIsjfKsPnVtEA9K73MNaYk/ete64N+8OEEneLQw8=\n"
                          "trusted comment: id=org.x version=1.0 abi=0\n"
                          "M4jdvJITMiShv2hepMT5ajRt83hZDf3tAuDP/3LSnkErR/W8ellPUDJjYI+JsyZfyQ9HcxmBAxcJidOodrIbAg==\n";

static void hash_of(const char *text, uint8_t ret[64])
{
    assert_int_equal(crypto_generichash(ret, 64, (const uint8_t *)text, strlen(text), NULL, 0), 0);
}

static void what_minisign_signed_is_good(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sign_key k;
    struct mmr_signature s;
    uint8_t hash[64];
    char id[MMR_SIGN_ID_TEXT], word[32];
    (void)state;
    assert_int_equal(mmr_sign_key_parse("k", pub, sizeof pub - 1, &k, &err), 0);
    mmr_sign_id_text(k.id, id);
    assert_string_equal(id, "92D2BBD21CAC3E80");
    assert_int_equal(mmr_signature_parse("s", sig, sizeof sig - 1, &s, &err), 0);
    hash_of("data\n", hash);
    assert_int_equal(mmr_signature_verify("s", &k, &s, hash, &err), 0);
    mmr_signature_word(&s, "version", word, sizeof word);
    assert_string_equal(word, "1.0");
    mmr_signature_word(&s, "ersion", word, sizeof word);
    assert_string_equal(word, "");

    hash_of("date\n", hash); /* another file, the same comment */
    assert_int_equal(mmr_signature_verify("s", &k, &s, hash, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "was changed after key 92D2BBD21CAC3E80 signed"));
    hash_of("data\n", hash); /* the file, another comment */
    s.trusted[3] = 'O';
    assert_int_equal(mmr_signature_verify("s", &k, &s, hash, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "trusted comment was changed"));
}

static void what_is_no_key_or_signature_is_named(void **state)
{
    static const struct {
        const char *why, *text;
        bool is_key;
        int want;
    } rows[] = {
        {"empty", "", true, MMR_EBADMSG},
        {"a comment alone", "untrusted comment: x\n", true, MMR_EBADMSG},
        {"three lines", "untrusted comment: x\nRWSAPqwc0rvSkuAWWZ/tvIeBF9ePQIuty6ZuyAO5JVjBTYaW9L4thBK8\nmore\n", true, MMR_EBADMSG},
        {"one character short", "RWSAPqwc0rvSkuAWWZ/tvIeBF9ePQIuty6ZuyAO5JVjBTYaW9L4thBK\n", true, MMR_EBADMSG},
        {"another kind of key", "AWSAPqwc0rvSkuAWWZ/tvIeBF9ePQIuty6ZuyAO5JVjBTYaW9L4thBK8\n", true, MMR_EBADMSG},
        {"two lines of four", "untrusted comment: x\nRUSAPqwc\n", false, MMR_EBADMSG},
        {"no comment", "hello\nRUSA\ntrusted comment: x\nM4jd\n", false, MMR_EBADMSG},
    };
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    char high[sizeof pub]; /* a byte above 127 in place of a '/': some decoders take it for one */
    struct mmr_sign_key taken;
    memcpy(high, pub, sizeof pub);
    *strchr(strchr(high, '\n'), '/') = (char)0x8e;
    assert_int_equal(mmr_sign_key_parse("k", high, sizeof high - 1, &taken, &err), MMR_EBADMSG);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_sign_key k;
        struct mmr_signature s;
        err.text[0] = '\0';
        int got = rows[i].is_key ? mmr_sign_key_parse("THE FILE", rows[i].text, strlen(rows[i].text), &k, &err)
                                 : mmr_signature_parse("THE FILE", rows[i].text, strlen(rows[i].text), &s, &err);
        if (got != rows[i].want || !strstr(err.text, "THE FILE"))
            fail_msg("%s: got %d (%s)", rows[i].why, got, err.text);
    }
    /* the older form, which signs the file itself: its second byte is 'd' */
    char old[sizeof sig];
    memcpy(old, sig, sizeof sig);
    memcpy(strstr(old, "RUSA"), "RWSA", 4);
    struct mmr_signature s;
    assert_int_equal(mmr_signature_parse("s", old, sizeof old - 1, &s, &err), MMR_EUNSUPPORTED);
}

static void put(const char *dir, const char *name, const char *bytes, size_t len, char *path)
{
    (void)snprintf(path, 160, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* Our key, our signature, the other program; and its key with a password, our signature, the other program. */
static void the_minisign_program_takes_ours(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char dir[] = "/tmp/mmr-minisign-XXXXXX", file[160], other[160], command[700], text[MMR_SIGN_FILE_MAX];
    struct mmr_sign_secret s, again;
    struct mmr_sign_key k;
    uint8_t hash[64];
    size_t n;
    (void)state;
    if (system("command -v minisign >/dev/null") != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    put(dir, "f", "data\n", 5, file);
    hash_of("data\n", hash);
    assert_int_equal(mmr_sign_secret_new(&s, &err), 0);
    mmr_sign_secret_public(&s, &k);
    put(dir, "k.pub", text, mmr_sign_key_format(&k, text), other);
    assert_int_equal(mmr_signature_make(&s, hash, "id=a version=1.0.0 abi=0", text, &n, &err), 0);
    put(dir, "f.minisig", text, n, other);
    (void)snprintf(command, sizeof command, "minisign -V -q -p %s/k.pub -m %s", dir, file);
    assert_int_equal(system(command), 0);
    put(dir, "f", "date\n", 5, file);
    (void)snprintf(command, sizeof command, "minisign -V -q -p %s/k.pub -m %s 2>/dev/null", dir, file);
    assert_int_not_equal(system(command), 0); /* it does look */

    n = mmr_sign_secret_format(&s, text);
    assert_int_equal(mmr_sign_secret_parse("k", text, n, NULL, &again, &err), 0);
    assert_memory_equal(&again, &s, sizeof s);
    put(dir, "k.sec", text, n, other);
    (void)snprintf(command, sizeof command, "minisign -S -s %s/k.sec -m %s -t 'id=a' >/dev/null && minisign -V -q -p %s/k.pub -m %s", dir, file, dir, file);
    assert_int_equal(system(command), 0);

    /* minisign -G with the password "pw"; one try costs a second and a gigabyte, as minisign chose */
    static const char locked[] = "untrusted comment: minisign encrypted secret key\n"
        "RWRTY0Iy4w4Qcmpg1sbKz0DHuEGT5sTpwXeAH0t8Z6kE6deG1ToAAAACAAAAAAAAAEAAAAAA/hB3/Hf6zjCFy0z5O4pUI+H6oBspxWRZVxsLdJ1NKNN9Rgc8T2MLzNUsrPG5Bh2/z5kdgHczbYbBpXnJ3PSUKSiBjQMk+QYTtScLt0+PPapRzkFxSliLYaB4H34xAez3MJby277NKOk=\n";
    static const char locked_pub[] = "untrusted comment: x\nRWR+raapqrxhtORsMIM/0xKcuXzEFKCUa4wPWDm/B/uLeZl5aYXd2cpZ\n";
    assert_int_equal(mmr_sign_secret_parse("e", locked, sizeof locked - 1, NULL, &again, &err), MMR_EPERM);
    assert_non_null(strstr(err.text, "--password-file"));
    assert_int_equal(mmr_sign_secret_parse("e", locked, sizeof locked - 1, "wrong", &again, &err), MMR_EPERM);
    assert_int_equal(mmr_sign_secret_parse("e", locked, sizeof locked - 1, "pw", &again, &err), 0);
    put(dir, "e.pub", locked_pub, sizeof locked_pub - 1, other);
    assert_int_equal(mmr_signature_make(&again, hash, "x", text, &n, &err), 0);
    put(dir, "f", "data\n", 5, file);
    put(dir, "f.minisig", text, n, other);
    (void)snprintf(command, sizeof command, "minisign -V -q -p %s/e.pub -m %s", dir, file);
    assert_int_equal(system(command), 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_minisign_signed_is_good),
        cmocka_unit_test(what_is_no_key_or_signature_is_named),
        cmocka_unit_test(the_minisign_program_takes_ours),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
