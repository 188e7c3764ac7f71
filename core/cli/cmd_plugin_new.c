/* cmd_plugin_new.c - `mamori plugin new`: a whole project outside this tree, from the files of sdk/template. */
#include "cli/command.h"
#include "cli/person.h"
#include "plugin/describe.h"
#include "util/scope.h"

#include <mamori/data.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_data_file mmr_data_plugin_template[];

enum { NAME_MAX_BYTES = 31 };

struct word {
    const char *key, *value;
};
struct project {
    const char *role, *dir, *license, *vendor;
    char name[NAME_MAX_BYTES + 1], id[64], year[8];
    const char *side;
    struct word words[16];
};

static const struct side {
    const char *name, *flags, *detects, *line;
} sides[] = {
    {"network", "MMR_SIDE_NETWORK", "MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND", ""},
    {"endpoint", "MMR_SIDE_ENDPOINT", "MMR_DETECT_HOST", ""},
    {"either", "MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT", "MMR_DETECT_HOST | MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND",
     "    side: endpoint # it can be of either: say which this one is\n"},
};
static const char *const roles[] = {"sensor", "analyzer", "responder", "forwarder"};
static const char *const licenses[] = {"Apache-2.0", "MIT", "BSD-2-Clause", "proprietary"};

static const struct side *side_of(const char *name)
{
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        if (strcmp(sides[i].name, name) == 0)
            return &sides[i];
    return NULL;
}

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static const struct mmr_data_file *template(const char *name)
{
    for (const struct mmr_data_file *f = mmr_data_plugin_template; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static const char *value_of(const struct project *p, const char *key, size_t len)
{
    for (const struct word *w = p->words; w->key; w++)
        if (strlen(w->key) == len && memcmp(w->key, key, len) == 0)
            return w->value;
    return NULL;
}

/* The template with each @word@ replaced; an @ that opens no word stays. */
static void expand(const struct project *p, const struct mmr_data_file *t, FILE *to)
{
    const char *at = t->bytes, *end = t->bytes + t->len;
    while (at < end) {
        const char *mark = memchr(at, '@', (size_t)(end - at));
        const char *close = mark ? memchr(mark + 1, '@', (size_t)(end - mark - 1)) : NULL;
        const char *value = close ? value_of(p, mark + 1, (size_t)(close - mark - 1)) : NULL;
        if (!mark)
            mark = end;
        (void)fwrite(at, 1, (size_t)(mark - at), to);
        if (value) {
            (void)fputs(value, to);
            at = close + 1;
        } else if (mark < end) {
            (void)fputc('@', to);
            at = mark + 1;
        } else {
            at = end;
        }
    }
}

static int write_file(const struct project *p, const char *from, const char *name, struct mmr_error *err)
{
    char path[PATH_MAX];
    const struct mmr_data_file *t = template(from);
    if (!t)
        return mmr_fail(err, MMR_EINTERNAL, "this build has no template '%s'", from);
    if (snprintf(path, sizeof path, "%s/%s", p->dir, name) >= (int)sizeof path)
        return mmr_fail(err, MMR_ETOOBIG, "'%.100s': the path is too long", p->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        if (fd >= 0)
            (void)close(fd);
        return mmr_fail(err, MMR_EIO, "'%.150s': %s", path, strerror(errno));
    }
    expand(p, t, f);
    bool is_bad = ferror(f);
    return fclose(f) != 0 || is_bad ? mmr_fail(err, MMR_EIO, "'%.150s' could not be written", path) : 0;
}

static int write_all(const struct project *p, struct mmr_error *err)
{
    char from[3][64], to[3][64];
    if (mkdir(p->dir, 0755) != 0)
        return mmr_fail(err, errno == EEXIST ? MMR_EINVAL : MMR_EIO, "folder '%.120s': %s%s", p->dir, strerror(errno),
                        errno == EEXIST ? "; a new plugin gets a new folder, name one with --dir" : "");
    (void)snprintf(from[0], sizeof from[0], "%s.c.in", p->role);
    (void)snprintf(to[0], sizeof to[0], "%s.c", p->name);
    (void)snprintf(from[1], sizeof from[1], "test_%s.c.in", p->role);
    (void)snprintf(to[1], sizeof to[1], "test_%s.c", p->name);
    (void)snprintf(from[2], sizeof from[2], "%s.yaml.in", p->role);
    (void)snprintf(to[2], sizeof to[2], "%s.yaml", p->name);
    int r = 0;
    for (int i = 0; i < 3 && r == 0; i++)
        r = write_file(p, from[i], to[i], err);
    if (r == 0)
        r = write_file(p, "CMakeLists.txt.in", "CMakeLists.txt", err);
    if (r == 0)
        r = write_file(p, "README.md.in", "README.md", err);
    (void)snprintf(from[0], sizeof from[0], "LICENSE-%s", p->license);
    return r ? r : write_file(p, from[0], "LICENSE", err);
}

static bool is_ident(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* A word of C or of the templates would not compile as a struct's name. */
static bool is_taken(const char *name)
{
    static const char *const words[] = {
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float", "for", "goto",
        "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
        "union", "unsigned", "void", "volatile", "while", "bool", "entry", "main", "test", "all", "install", "clean", "help"};
    return is_one_of(name, words, sizeof words / sizeof words[0]);
}

static int usage(const char *text, const char *what)
{
    (void)fprintf(stderr, "mamori plugin new: ");
    (void)fprintf(stderr, "%s", text);
    if (what)
        (void)fprintf(stderr, ", found '%s'", what);
    (void)fprintf(stderr, "; see `mamori plugin new --help`\n");
    return MMR_EXIT_USAGE;
}

/* With the word it could be: the same in small letters and underscores. */
static int bad_name(const char *given, const char *name)
{
    char other[32] = "";
    size_t n = strlen(name);
    for (size_t i = 0; i < n && n < sizeof other; i++)
        other[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i] == '-' || name[i] == ' ' ? '_' : name[i]);
    bool is_good = is_ident(other) && !is_taken(other);
    (void)fprintf(stderr, "mamori plugin new: '");
    mmr_person_text(stderr, given);
    (void)fprintf(stderr, "' is no name%s%s%s; expected a word of up to 31 small letters, digits and _ that C does not use itself (beacon), or an id that ends "
                  "with one (org.example.beacon); see `mamori plugin new --help`\n", is_good ? ", but '" : "", is_good ? other : "", is_good ? "' would be" : "");
    return MMR_EXIT_USAGE;
}

/* NAME is a word, or a whole id whose last part is the word. */
static int take_name(struct project *p, const char *given)
{
    const char *last = strrchr(given, '.');
    const char *name = last ? last + 1 : given;
    int n = last ? snprintf(p->id, sizeof p->id, "%s", given) : snprintf(p->id, sizeof p->id, "org.example.%s", given);
    if (!is_ident(name) || is_taken(name))
        return bad_name(given, name);
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    for (char *c = p->id; *c && !last; c++) /* an id has no underscores */
        *c = *c == '_' ? '-' : *c;
    if (n < 0 || (size_t)n >= sizeof p->id || !mmr_plugin_id_is_valid(p->id))
        return usage("the id is reverse-DNS of 3 to 63 of [a-z0-9.-]", p->id);
    return MMR_EXIT_OK;
}

enum { O_ROLE = 1, O_SIDE, O_DIR, O_LICENSE, O_VENDOR, O_JSON, O_CONFIG };
static const struct option options[] = {
    {"role", required_argument, NULL, O_ROLE}, {"side", required_argument, NULL, O_SIDE}, {"dir", required_argument, NULL, O_DIR},
    {"license", required_argument, NULL, O_LICENSE}, {"vendor", required_argument, NULL, O_VENDOR}, {"json", no_argument, NULL, O_JSON},
    {"config", required_argument, NULL, O_CONFIG}, {0}};

static int parse(struct project *p, int argc, char **argv)
{
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case O_ROLE: p->role = optarg; break;
        case O_SIDE: p->side = optarg; break;
        case O_DIR: p->dir = optarg; break;
        case O_LICENSE: p->license = optarg; break;
        case O_VENDOR: p->vendor = optarg; break;
        case O_JSON: case O_CONFIG: break; /* global */
        default: return MMR_EXIT_USAGE;
        }
    }
    if (optind + 1 != argc)
        return usage("expected one name", optind < argc ? argv[optind + 1] : NULL);
    if (!is_one_of(p->role, roles, sizeof roles / sizeof roles[0]))
        return usage("--role is sensor, analyzer, responder or forwarder", p->role);
    if (!side_of(p->side))
        return usage("--side is network, endpoint or either", p->side);
    if (!is_one_of(p->license, licenses, sizeof licenses / sizeof licenses[0]))
        return usage("--license is Apache-2.0, MIT, BSD-2-Clause or proprietary", p->license);
    if (strpbrk(p->vendor, "\"\\\n@") || strlen(p->vendor) > 100)
        return usage("--vendor is up to 100 characters without quotes, backslashes and @", p->vendor);
    return take_name(p, argv[optind]);
}

static int run(int argc, char **argv)
{
    struct project p = {.role = "sensor", .side = "endpoint", .license = "Apache-2.0", .vendor = "the author"};
    struct mmr_error err = {.struct_size = sizeof err};
    time_t now = time(NULL);
    struct tm tm;
    int r = parse(&p, argc, argv);
    if (r != MMR_EXIT_OK)
        return r;
    if (!p.dir)
        p.dir = p.name;
    (void)strftime(p.year, sizeof p.year, "%Y", gmtime_r(&now, &tm));
    const struct side *s = side_of(p.side);
    bool needs_path = strcmp(p.role, "analyzer") != 0;
    const struct word words[] = {{"name", p.name}, {"id", p.id}, {"role", p.role}, {"side", s->flags}, {"side_word", s->name},
                                 {"side_line", s->line}, {"detects", s->detects}, {"license", p.license}, {"vendor", p.vendor},
                                 {"year", p.year}, {"check_set", needs_path ? " --set path=made-up.txt" : ""}, {NULL, NULL}};
    memcpy(p.words, words, sizeof words);
    r = write_all(&p, &err);
    if (r) {
        (void)fprintf(stderr, "mamori plugin new: %s\n", err.text);
        return r == MMR_EINVAL ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
    }
    (void)printf("%s: a %s, %s\n\n  cmake -S %s -B %s/build && cmake --build %s/build\n  ctest --test-dir %s/build\n  mamori plugin check %s/build/%s.so\n",
                 p.dir, p.role, p.id, p.dir, p.dir, p.dir, p.dir, p.dir, p.name);
    return MMR_EXIT_OK;
}

MMR_COMMAND(plugin_new) = {
    .name = "plugin new",
    .help = "a new plugin's project: source, test, build, drop-in",
    .usage = "usage: mamori plugin new NAME [--role sensor|analyzer|responder|forwarder] [--side network|endpoint|either]\n"
             "                         [--dir FOLDER] [--license Apache-2.0|MIT|BSD-2-Clause|proprietary] [--vendor TEXT]\n\n"
             "Writes a project outside mamori's tree, into the new folder NAME (or FOLDER), that builds against the installed SDK, passes its own\n"
             "test and `mamori plugin check` as it is. NAME is a lower-case word, or a whole id such as org.example.beacon.\n"
             "Without options: a sensor of the endpoint side.\n",
    .run = run,
};
