/* cmd_wording.c - `mamori wording`: are the words for people plain, and what do they look like? */
#include "cli/command.h"
#include "notify/catalogue.h"
#include "util/scope.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

enum { FILE_MAX = 1024 * 1024, PLACES_MAX = 32, MESSAGE_MAX = 8192 };

struct where {
    const char *file, *name; /* name: of the message; "" */
};

static void on_finding(void *ctx, unsigned line, const char *what)
{
    const struct where *w = ctx;
    (void)printf("%s", w->file);
    if (line)
        (void)printf(":%u", line);
    if (w->name[0])
        (void)printf(" [%s]", w->name);
    (void)printf(" %s\n", what);
}

/* Returns findings, or a negative error. */
static int lint(const char *file, const char *bytes, size_t len, struct mmr_error *err)
{
    struct where w = {file, ""};
    struct mmr_message_text t;
    int findings = 0, r;
    if (!mmr_catalogue_is(bytes, len))
        return mmr_wording_lint(bytes, len, MMR_WORDING_NOTICE, 1, on_finding, &w, err);
    for (size_t pos = 0; (r = mmr_catalogue_next(bytes, len, &pos, &t, err)) == 0;) {
        w.name = t.name;
        r = mmr_wording_lint(t.text, t.len, t.kind, t.line, on_finding, &w, err);
        if (r < 0)
            return r;
        findings += r;
    }
    return r == MMR_ENOENT ? findings : r;
}

static int read_file(const char *path, char **ret, size_t *ret_len, struct mmr_error *err)
{
    FILE *f = fopen(path, "re");
    char *bytes = f ? malloc(FILE_MAX + 1) : NULL;
    size_t len = bytes ? fread(bytes, 1, FILE_MAX + 1, f) : 0;
    int saved = errno;
    bool is_bad = !bytes || ferror(f);
    if (f)
        (void)fclose(f);
    if (is_bad || len > FILE_MAX) {
        free(bytes);
        return is_bad ? mmr_fail(err, MMR_EIO, "cannot read '%s': %s", path, strerror(saved))
                      : mmr_fail(err, MMR_ETOOBIG, "'%s' is over %d bytes", path, FILE_MAX);
    }
    *ret = bytes;
    *ret_len = len;
    return 0;
}

static int lint_all(int n, char **files)
{
    static const char *const built_in[] = {"ja.txt", "en.txt"};
    struct mmr_error err = {.struct_size = sizeof err};
    int findings = 0;
    for (int i = 0; i < (n ? n : 2); i++) {
        mmr_autofree char *own = NULL;
        const char *bytes = NULL;
        size_t len = 0;
        int r = n ? read_file(files[i], &own, &len, &err) : mmr_catalogue_file(built_in[i], &bytes, &len, &err);
        if (!r)
            r = lint(n ? files[i] : built_in[i], n ? own : bytes, len, &err);
        if (r < 0) {
            (void)fprintf(stderr, "mamori wording: %s: %s\n", n ? files[i] : built_in[i], err.text);
            return MMR_EXIT_FAILED;
        }
        findings += r;
    }
    (void)printf("%d finding%s\n", findings, findings == 1 ? "" : "s");
    return findings ? MMR_EXIT_NO : MMR_EXIT_OK;
}

static int show(const char *lang, int n, char **words)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_place place[PLACES_MAX];
    struct mmr_message_text t;
    char text[MESSAGE_MAX];
    size_t places = 0;
    if (n < 1) {
        (void)fprintf(stderr, "mamori wording show: found nothing, expected the name of a message\n");
        return MMR_EXIT_USAGE;
    }
    for (int i = 1; i < n; i++) {
        char *eq = strchr(words[i], '=');
        if (!eq || places == PLACES_MAX) {
            (void)fprintf(stderr, "mamori wording show: found '%s', expected PLACE=VALUE, at most %d\n", words[i], PLACES_MAX);
            return MMR_EXIT_USAGE;
        }
        *eq = '\0';
        place[places++] = (struct mmr_place){words[i], eq + 1};
    }
    if (mmr_catalogue_find(lang, words[0], &t, &err) != 0 || mmr_catalogue_render(&t, place, places, text, sizeof text, &err) != 0) {
        (void)fprintf(stderr, "mamori wording show: %s\n", err.text);
        return MMR_EXIT_USAGE;
    }
    (void)printf("%s\n", text);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"lang", required_argument, NULL, 'l'}, {"config", required_argument, NULL, 'c'}, {0}};
    const char *lang = "ja";
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (o == 'l')
            lang = optarg;
        else if (o != 'c')
            return MMR_EXIT_USAGE;
    const char *what = optind < argc ? argv[optind] : "nothing";
    if (strcmp(what, "lint") == 0)
        return lint_all(argc - optind - 1, argv + optind + 1);
    if (strcmp(what, "show") == 0)
        return show(lang, argc - optind - 1, argv + optind + 1);
    (void)fprintf(stderr, "mamori wording: found '%s', expected 'lint' or 'show'\n", what);
    return MMR_EXIT_USAGE;
}

MMR_COMMAND(wording) = {
    .name = "wording",
    .help = "are messages plain enough for everybody; show one",
    .usage = "mamori wording lint [FILE]...\n"
             "mamori wording show [--lang ja|en] NAME [PLACE=VALUE]...\n"
             "\n"
             "lint: words of technicians, a Japanese sentence over 60 characters, a message without time, place,\n"
             "what we did, or what to do. A FILE is one message, or a file of messages (\"[NAME] notice|weekly|voice\",\n"
             "then the text). Without FILE: the messages built in. Exit status 0: no findings; 1: some.\n"
             "show: a built-in message with its places filled.\n",
    .run = run,
};
