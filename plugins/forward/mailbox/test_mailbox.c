/* test_mailbox.c - mails as other makers' servers write them: read from text, and through a real relay (exim) and a real mailbox (dovecot). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "answer.h"
#include "imap.h"
#include "testserver.h"

extern const struct mmr_plugin mmr_plugin_mailbox, mmr_plugin_smtp;

#define TOKEN "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define REPORT "MIME-Version: 1.0\r\nContent-Type: multipart/report;\r\n\treport-type=delivery-status; boundary=\"b=_1\"\r\nAuto-Submitted: auto-replied\r\n\r\n"
#define STATUS "--b=_1\r\nContent-Type: text/plain\r\n\r\nwords\r\n--b=_1\r\nContent-type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n"
#define HEAD_BACK "--b=_1\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nMessage-ID: <k.0.owner.mail." OTHER "@example.test>\r\n\r\n--b=_1--\r\n"

static void mails_say_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *why, *mail;
        enum mmr_mail_kind kind;
        int level;
        const char *token;
    } rows[] = {
        {"delivered", REPORT STATUS "Original-Envelope-Id: " TOKEN "\r\n\r\nFinal-Recipient: rfc822;a@b\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n" HEAD_BACK, MMR_MAIL_STATUS,
         MMR_DELIVERY_RECIPIENT, TOKEN},
        {"the letter more of an old curl", REPORT STATUS "Original-Envelope-ID: " TOKEN ">\r\n\r\nAction: failed (bad)\r\n\r\n--b=_1--\r\n", MMR_MAIL_STATUS, MMR_DELIVERY_FAILED, TOKEN},
        {"lines of one character, and lower case", "content-type: MULTIPART/Report; boundary=x; report-type=Delivery-Status\n\n--x\n\n\n--x\nCONTENT-TYPE: message/delivery-status\n\n"
         "original-envelope-id:\n " TOKEN "\n\naction: DELIVERED\n", MMR_MAIL_STATUS, MMR_DELIVERY_RECIPIENT, TOKEN},
        {"no envelope id: the head it gives back", REPORT STATUS "\r\nAction: failed\r\n\r\n" HEAD_BACK, MMR_MAIL_STATUS, MMR_DELIVERY_FAILED, OTHER},
        {"handed to one that tells nothing", REPORT STATUS "Original-Envelope-Id: " TOKEN "\r\n\r\nAction: relayed\r\n", MMR_MAIL_STATUS, MMR_DELIVERY_GATEWAY, TOKEN},
        {"delayed: nothing is decided", REPORT STATUS "Original-Envelope-Id: " TOKEN "\r\n\r\nAction: delayed\r\n", MMR_MAIL_OTHER, MMR_DELIVERY_TRIED, TOKEN},
        {"a notice about nobody's mail", REPORT STATUS "\r\nAction: delivered\r\n", MMR_MAIL_OTHER, MMR_DELIVERY_RECIPIENT, ""},
        {"an id of another length", REPORT STATUS "Original-Envelope-Id: " TOKEN "0\r\n\r\nAction: delivered\r\n", MMR_MAIL_OTHER, MMR_DELIVERY_RECIPIENT, ""},
        {"a read receipt", "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\n\n--x\nContent-Type: message/disposition-notification\n\n"
         "Original-Message-ID: <k." TOKEN "@x>\nDisposition: manual-action/MDN-sent-manually; displayed\n", MMR_MAIL_OTHER, MMR_DELIVERY_TRIED, ""},
        {"a reply", "From: owner@example.test\nIn-Reply-To: <16.0.owner.mail." TOKEN "@example.test>\nSubject: Re: x\n\nok\n", MMR_MAIL_REPLY, MMR_DELIVERY_CONFIRMED, TOKEN},
        {"references, over lines", "References: <a@b>\r\n <k." TOKEN "@x>\r\n\t<c@d>\r\n\r\n", MMR_MAIL_REPLY, MMR_DELIVERY_CONFIRMED, TOKEN},
        {"in reply to is nearer than references", "References: <k." OTHER "@x>\nIn-Reply-To: <k." TOKEN "@x>\n\n", MMR_MAIL_REPLY, MMR_DELIVERY_CONFIRMED, TOKEN},
        {"in the subject", "Subject: Re: [" TOKEN "] seen\n\n", MMR_MAIL_REPLY, MMR_DELIVERY_CONFIRMED, TOKEN},
        {"a token that is no part of an id", "References: <" TOKEN "@x>\n\n", MMR_MAIL_OTHER, MMR_DELIVERY_TRIED, ""},
        {"a token in the words only", "Subject: hi\n\nIn-Reply-To: <k." TOKEN "@x>\n", MMR_MAIL_OTHER, MMR_DELIVERY_TRIED, ""},
        {"away from the office", "Auto-Submitted: auto-replied\nIn-Reply-To: <k." TOKEN "@x>\n\n", MMR_MAIL_AUTOMATIC, MMR_DELIVERY_TRIED, TOKEN},
        {"an older kind of away", "In-Reply-To: <k." TOKEN "@x>\nPrecedence: auto_reply\n\n", MMR_MAIL_AUTOMATIC, MMR_DELIVERY_TRIED, TOKEN},
        {"a bounce of an old kind", "Return-Path: <>\nIn-Reply-To: <k." TOKEN "@x>\n\n", MMR_MAIL_AUTOMATIC, MMR_DELIVERY_TRIED, TOKEN},
        {"a person's, said to be so", "Auto-Submitted: no\nIn-Reply-To: <k." TOKEN "@x>\n\n", MMR_MAIL_REPLY, MMR_DELIVERY_CONFIRMED, TOKEN},
        {"no mail", "", MMR_MAIL_OTHER, MMR_DELIVERY_TRIED, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_mail_answer a = mmr_mail_answer(rows[i].mail, strlen(rows[i].mail));
        if (a.kind != rows[i].kind || a.level != rows[i].level || strcmp(a.token, rows[i].token) != 0)
            fail_msg("%s: kind %d level %d token '%s'", rows[i].why, (int)a.kind, a.level, a.token);
        for (size_t cut = 0; cut < strlen(rows[i].mail); cut++) { /* in memory of exactly that size */
            char *part = malloc(cut + 1);
            assert_non_null(part);
            memcpy(part, rows[i].mail, cut);
            a = mmr_mail_answer(part, cut);
            if (a.kind == MMR_MAIL_STATUS || a.kind == MMR_MAIL_REPLY)
                assert_int_equal(strlen(a.token), MMR_MAIL_TOKEN);
            free(part);
        }
    }
}

static void a_server_s_lists_are_read_within_bounds(void **state)
{
    (void)state;
    uint32_t validity = 7, next = 7, uid[MMR_IMAP_UIDS_MAX];
    bool has_more = true;
    static const char status[] = "* STATUS \"IN (1)BOX\" (UIDVALIDITY 4294967295 UIDNEXT 42)\r\n";
    static const char *const bad[] = {"* STATUS INBOX (UIDNEXT 42)", "* STATUS INBOX (UIDVALIDITY 4294967296 UIDNEXT 42)", "* STATUS INBOX (UIDVALIDITY 0 UIDNEXT 1)", "", "("};
    assert_true(mmr_imap_status(status, sizeof status - 1, &validity, &next));
    assert_int_equal(validity, UINT32_MAX);
    assert_int_equal(next, 42);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mmr_imap_status(bad[i], strlen(bad[i]), &validity, &next));
    static const char list[] = "* OK\r\n* SEARCH 9 3 12 3\r\n* 7 EXISTS\r\n* SEARCH 99999999999 11\r\n";
    assert_int_equal(mmr_imap_search(list, sizeof list - 1, 3, uid, &has_more), 3);
    assert_false(has_more);
    assert_true(uid[0] == 9 && uid[1] == 11 && uid[2] == 12);
    char many[4000] = "* SEARCH";
    for (int i = 300; i > 0; i--)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), " %d", i);
    assert_int_equal(mmr_imap_search(many, strlen(many), 5, uid, &has_more), MMR_IMAP_UIDS_MAX);
    assert_true(has_more);
    for (uint32_t i = 0; i < MMR_IMAP_UIDS_MAX; i++)
        assert_int_equal(uid[i], 6 + i);
    assert_int_equal(mmr_imap_search("* SEARCH\r\n", 10, 0, uid, &has_more), 0);
}

/* ---- with real servers ---- */

static struct mmr_testhost *reader;

static char kept[128]; /* where the one that runs keeps how far it has looked */

/* at: what the one before has kept; NULL: nothing */
static void open_reader(const struct testserver *s, const char *password, const char *at)
{
    char server[64];
    FILE *f = fopen(testserver_path(s, "imap"), "re");
    int port = 0;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_true(f && fscanf(f, "%d", &port) == 1);
    (void)fclose(f);
    (void)snprintf(server, sizeof server, "localhost:%d", port);
    const char *const cfg[] = {"server", server, "user", "mamori", "password_file", password, "ca_file", testserver_path(s, "cert.pem"), "every", "1s", NULL};
    reader = mmr_testhost_new();
    mmr_testhost_use_real_clock(reader);
    (void)snprintf(kept, sizeof kept, "%s/at", mmr_testhost_make_state_dir(reader));
    if (at)
        testserver_write(kept, at, 0600);
    if (mmr_testhost_add(reader, &mmr_plugin_mailbox, cfg, &err) != 0 || mmr_testhost_start(reader, &err) != 0)
        fail_msg("%s", err.text);
}

static bool read_kept(char *ret, int cap)
{
    FILE *f = fopen(kept, "re");
    bool is_read = f && fgets(ret, cap, f);
    if (f)
        (void)fclose(f);
    return is_read;
}

static bool has(const char *token, int level)
{
    for (int i = 0, at; (at = mmr_testhost_find(reader, "notice.answer", i)) >= 0; i++)
        if (strcmp(mmr_testhost_text(reader, at, "unmapped.token"), token) == 0 && mmr_testhost_int(reader, at, "unmapped.level", 99) == level)
            return true;
    return false;
}

static bool comes(const char *token, int level)
{
    for (int i = 0; i < 1200 && !has(token, level); i++)
        (void)mmr_testhost_poll(reader, 50);
    return has(token, level);
}

static void what_comes_back_is_passed_on_once(void **state)
{
    (void)state;
    static const char *const to[] = {"owner", "gone", "away"};
    static const char *const report[] = {"11111111111111111111111111111111", "22222222222222222222222222222222", "33333333333333333333333333333333"};
    static const char *const reply[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccccccccccc"};
    struct testserver s;
    struct mmr_error err = {.struct_size = sizeof err};
    char server[64], command[1024];
    testserver_start(&s, "mailhost.py", NULL);
    const char *password = testserver_path(&s, "password");
    testserver_write(password, "correct-horse\n", 0600);
    (void)snprintf(server, sizeof server, "127.0.0.1:%d", s.port);
    const char *const cfg[] = {"server", server, "tls", "none", "from", "mamori@example.test", "read_back", "yes", NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_smtp, cfg, &err) != 0)
        fail_msg("%s", err.text);
    for (uint64_t i = 0; i < 3; i++) {
        char record[1024];
        (void)snprintf(record, sizeof record,
                       "{\"kind\":\"notice\",\"key\":\"00000000000000%02d.0.%s.mail\",\"channel\":\"mail\",\"to\":\"%s@example.test\",\"lang\":\"en\",\"office\":\"o\",\"service\":\"s\","
                       "\"subject\":\"a subject\",\"text\":\"words\",\"message\":\"urgent\",\"band\":\"red\",\"report_token\":\"%s\",\"reply_token\":\"%s\"}",
                       (int)i, to[i], to[i], report[i], reply[i]);
        assert_int_equal(mmr_testhost_forward(th, 0, record, i + 1, &err), 0);
    }
    assert_true(testserver_wait(th, 3));
    for (size_t i = 0; i < 3; i++) /* the relay has it; nobody knows more */
        assert_int_equal(mmr_testhost_delivery(th, i)->level, MMR_DELIVERY_GATEWAY);
    open_reader(&s, password, NULL);
    assert_true(comes(report[0], MMR_DELIVERY_RECIPIENT));
    assert_true(comes(report[1], MMR_DELIVERY_FAILED));
    assert_true(comes(report[2], MMR_DELIVERY_RECIPIENT));
    /* a person presses "reply" in a program of her own */
    (void)snprintf(command, sizeof command,
                   "/usr/bin/python3 -c \"import email,glob,smtplib;m=email.message_from_binary_file(open(glob.glob('%s/box/owner/new/*')[0],'rb'));"
                   "s=smtplib.SMTP('127.0.0.1',%d);s.sendmail('owner@example.test',['mamori@example.test'],"
                   "'From: owner@example.test\\r\\nSubject: Re: '+m['Subject']+'\\r\\nIn-Reply-To: '+m['Message-ID']+'\\r\\n\\r\\nI saw it\\r\\n')\"",
                   s.dir, s.port);
    assert_int_equal(system(command), 0);
    assert_true(comes(reply[0], MMR_DELIVERY_CONFIRMED));
    assert_false(has(reply[2], MMR_DELIVERY_CONFIRMED)); /* it is a program that is away */
    assert_int_equal(mmr_testhost_count(reader, "notice.answer"), 4);
    assert_int_equal(mmr_testhost_refusals(reader, NULL), 0);

    /* nothing was committed: after a crash all of it comes again. A mail that said nothing may be behind it, if it came first */
    char at[64] = "";
    bool is_kept = read_kept(at, sizeof at);
    mmr_testhost_free(reader);
    open_reader(&s, password, is_kept ? at : NULL);
    assert_true(comes(reply[0], MMR_DELIVERY_CONFIRMED));
    assert_int_equal(mmr_testhost_count(reader, "notice.answer"), 4);
    mmr_plugin_mailbox.sensor->on_committed(mmr_testhost_self(reader, 0), 4);
    assert_true(read_kept(at, sizeof at));
    mmr_testhost_free(reader);
    open_reader(&s, password, at);
    for (int i = 0; i < 60; i++)
        (void)mmr_testhost_poll(reader, 50);
    assert_int_equal(mmr_testhost_count(reader, "notice.answer"), 0);
    mmr_testhost_free(reader);
    mmr_testhost_free(th);
    testserver_stop(&s);
}

static void wrong_settings_are_named(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-mailbox-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "x\n", 2), 2);
    (void)close(fd);
    const char *const rows[][9] = {{"server", "nohost", "user", "u", "password_file", path}, {"server", "imaps://h:1", "user", "u", "password_file", path},
                                   {"server", "h:1", "user", "u", "password_file", path, "tls", "maybe"}, {"server", "192.0.2.1:1", "user", "u", "password_file", path, "tls", "none"},
                                   {"server", "h:1", "user", "u", "password_file", path, "folder", "a\" b"}, {"server", "h:1", "user", "u", "password_file", "/nonexistent"}};
    static const char *const says[] = {"'server'", "'server'", "'tls'", "in the open", "'folder'", "/nonexistent"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        assert_true(mmr_testhost_add(th, &mmr_plugin_mailbox, rows[i], &err) < 0);
        if (!strstr(err.text, says[i]))
            fail_msg("%s", err.text);
        mmr_testhost_free(th);
    }
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mails_say_what_they_say),
        cmocka_unit_test(a_server_s_lists_are_read_within_bounds),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(what_comes_back_is_passed_on_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
