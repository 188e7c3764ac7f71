/*
 * cmd_disclose.c - `mamori disclose`: what watches here, each with its maker and model, as the terms of the service must name it
 * (SR-44); and whether the signed list and the terms do.
 */
#include "cli/person.h"
#include "cli/plugin_rows.h"
#include "cli/site.h"
#include "trust/place.h"
#include "trust/trust.h"
#include "util/scope.h"
#include "util/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOOLS_MAX = 256, TERMS_MAX = 8 * 1024 * 1024 };

struct disclosure {
    struct mmr_cli_site site;
    struct mmr_trust trust;
    struct json_object *tools, *problems; /* rows and sentences, both arrays */
    const char *terms;                    /* a file; NULL: not asked for */
};

/* ---- the rows ---- */

static struct json_object *row(struct disclosure *d, const char *kind, const char *id, const char *maker, const char *model, const char *version)
{
    struct json_object *o = json_object_new_object();
    mmr_cli_json_str(o, "kind", kind);
    mmr_cli_json_str(o, "id", id);
    mmr_cli_json_str(o, "maker", maker);
    mmr_cli_json_str(o, "model", model);
    mmr_cli_json_str(o, "version", version);
    (void)json_object_array_add(d->tools, o);
    return o;
}

__attribute__((format(printf, 2, 3))) static void problem(struct disclosure *d, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)json_object_array_add(d->problems, json_object_new_string(text));
}

static struct json_object *row_of(const struct disclosure *d, const char *kind, const char *id)
{
    for (size_t i = 0; i < json_object_array_length(d->tools); i++) {
        struct json_object *o = json_object_array_get_idx(d->tools, i);
        if (strcmp(mmr_cli_json_text(o, "kind"), kind) == 0 && strcmp(mmr_cli_json_text(o, "id"), id) == 0)
            return o;
    }
    return NULL;
}

/* A line of what the firmware says of this machine; "" when it says nothing of use. */
static void firmware(const char *name, char *buf, size_t cap)
{
    static const char *const nothing[] = {"To Be Filled By O.E.M.", "To be filled by O.E.M.", "System manufacturer", "System Product Name", "Default string",
                                          "Not Specified", "None", "O.E.M."};
    char path[80];
    (void)snprintf(path, sizeof path, "/sys/class/dmi/id/%s", name);
    FILE *f = fopen(path, "re");
    buf[0] = '\0';
    if (f && !fgets(buf, (int)cap, f))
        buf[0] = '\0';
    if (f)
        (void)fclose(f);
    buf[strcspn(buf, "\n")] = '\0';
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        if (strcmp(buf, nothing[i]) == 0)
            buf[0] = '\0';
}

static void add_device(struct disclosure *d)
{
    char maker[128], model[128];
    const char *said_maker = mmr_config_str(d->site.config, "node.device_maker"), *said_model = mmr_config_str(d->site.config, "node.device_model");
    firmware("sys_vendor", maker, sizeof maker);
    firmware("product_name", model, sizeof model);
    (void)row(d, "device", "", said_maker ? said_maker : maker, said_model ? said_model : model, "");
    if (!(said_maker || *maker) || !(said_model || *model))
        problem(d, "%s", mmr_cli_word(&d->site, "この機械の製造メーカーと型式が分かりません。node.device_maker と node.device_model に書いてください。",
                                      "the maker and model of this machine are not known; write them into node.device_maker and node.device_model"));
}

static bool is_in_use(struct json_object *plugin)
{
    size_t n;
    struct json_object *list = mmr_cli_json_list(plugin, "instances", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(mmr_cli_json_text(json_object_array_get_idx(list, i), "state"), "off") != 0)
            return true;
    return false;
}

static void add_plugins(struct disclosure *d, struct json_object *plugins)
{
    const struct mmr_cli_site *s = &d->site;
    for (size_t i = 0; i < json_object_array_length(plugins); i++) {
        struct json_object *p = json_object_array_get_idx(plugins, i), *o;
        const char *id = mmr_cli_json_text(p, "id");
        static const char *const lists[] = {"sides", "roles", "capabilities"};
        if (!is_in_use(p))
            continue;
        if (strcmp(mmr_cli_json_text(p, "trust"), "refused") == 0) {
            problem(d, mmr_cli_word(s, "「%s」は設定されていますが、動きません：%s", "'%s' is configured and does not run: %s"), id, mmr_cli_json_text(p, "why"));
            continue;
        }
        o = row(d, "plugin", id, mmr_cli_json_text(p, "maker"), mmr_cli_json_text(p, "model"), mmr_cli_json_text(p, "version"));
        mmr_cli_json_str(o, "doc", mmr_cli_json_text(p, "doc"));
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
            size_t n;
            struct json_object *list = mmr_cli_json_list(p, lists[k], &n);
            if (list)
                json_object_object_add(o, lists[k], json_object_get(list));
        }
        if (!*mmr_cli_json_text(p, "maker"))
            problem(d, mmr_cli_word(s, "「%s」は製造メーカーを示していません（プラグインの vendor）。作者に求めてください。",
                                    "'%s' names no maker (vendor of its descriptor); ask its author"), id);
    }
}

/* Other makers' products that only send what they find: the configuration names them, or the signed list. */
static void add_senders(struct disclosure *d)
{
    const char *names[TOOLS_MAX];
    size_t n = mmr_config_names(d->site.config, "tools", names, TOOLS_MAX);
    for (size_t i = 0; i < n && i < TOOLS_MAX; i++) {
        static const char *const keys[] = {"maker", "model", "version"};
        const char *v[3];
        for (size_t k = 0; k < 3; k++) {
            char path[200];
            (void)snprintf(path, sizeof path, "tools.%s.%s", names[i], keys[k]);
            v[k] = mmr_config_str(d->site.config, path);
        }
        (void)row(d, "sender", names[i], v[0] ? v[0] : "", v[1] ? v[1] : "", v[2] ? v[2] : "");
        if (!v[0] || !v[1])
            problem(d, mmr_cli_word(&d->site, "設定 tools.%s に maker と model を書いてください。", "tools.%s needs maker and model in the configuration"), names[i]);
    }
}

/* The same product, whatever its key in the configuration. */
static bool is_listed_sender(const struct mmr_manifest *m, struct json_object *o)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->tool[i].is_sender && strcmp(m->tool[i].maker, mmr_cli_json_text(o, "maker")) == 0 && strcmp(m->tool[i].model, mmr_cli_json_text(o, "model")) == 0)
            return true;
    return false;
}

/* What runs and the signed list say the same; and what is listed and not in use here is part of the service all the same. */
static void compare(struct disclosure *d)
{
    const struct mmr_manifest *m = &d->trust.manifest;
    const struct mmr_cli_site *s = &d->site;
    for (size_t i = 0; i < json_object_array_length(d->tools); i++) {
        struct json_object *o = json_object_array_get_idx(d->tools, i);
        const char *id = mmr_cli_json_text(o, "id"), *kind = mmr_cli_json_text(o, "kind");
        const struct mmr_tool *k = strcmp(kind, "plugin") == 0 ? mmr_manifest_find(m, id) : NULL;
        bool is_listed = k ? !k->is_sender : strcmp(kind, "sender") != 0 ? strcmp(kind, "plugin") != 0 : is_listed_sender(m, o);
        if (!is_listed)
            problem(d, mmr_cli_word(s, "「%s」は登録ツール一覧にありません。", "'%s' is not on the signed list of tools"), id);
        else if (k && (strcmp(k->maker, mmr_cli_json_text(o, "maker")) != 0 || strcmp(k->model, mmr_cli_json_text(o, "model")) != 0 ||
                       !mmr_version_meets(mmr_cli_json_text(o, "version"), k->version)))
            problem(d, mmr_cli_word(s, "「%s」は %s %s %s ですが、登録ツール一覧では %s %s %s です。", "'%s' is %s %s %s, the signed list of tools says %s %s %s"), id,
                    mmr_cli_json_text(o, "maker"), mmr_cli_json_text(o, "model"), mmr_cli_json_text(o, "version"), k->maker, k->model, k->version);
    }
    for (size_t i = 0; i < m->n; i++) {
        const struct mmr_tool *k = &m->tool[i];
        bool is_there = row_of(d, "plugin", k->id) != NULL;
        for (size_t j = 0; j < json_object_array_length(d->tools) && k->is_sender && !is_there; j++) {
            struct json_object *o = json_object_array_get_idx(d->tools, j);
            is_there = strcmp(mmr_cli_json_text(o, "maker"), k->maker) == 0 && strcmp(mmr_cli_json_text(o, "model"), k->model) == 0;
        }
        if (!is_there)
            mmr_cli_json_str(row(d, k->is_sender ? "sender" : "plugin", k->id, k->maker, k->model, k->version), "in_use", "elsewhere");
    }
}

/* ---- the terms ---- */

static bool is_word(const char *line, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = line; n && (at = memmem(at, (size_t)(line + len - at), word, n)) != NULL; at++) {
        /* "log" is not named by "login"; a word in Japanese may touch its neighbours */
        bool is_open = at == line || !isalnum((unsigned char)at[-1]) || !isalnum((unsigned char)*at);
        bool is_shut = at + n == line + len || !isalnum((unsigned char)at[n]) || !isalnum((unsigned char)at[n - 1]);
        if (is_open && is_shut)
            return true;
    }
    return false;
}

/* A line that names maker and model. */
static bool is_named(const char *text, const char *maker, const char *model)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (is_word(line, len, maker) && is_word(line, len, model))
            return true;
        line += len + (line[len] == '\n');
    }
    return false;
}

static int read_terms(const char *path, char **ret, struct mmr_error *err)
{
    struct stat st;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        return mmr_fail(err, MMR_ENOENT, "terms '%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > TERMS_MAX)
        return mmr_fail(err, MMR_EINVAL, "terms '%s': expected a text file of at most %d MiB", path, TERMS_MAX >> 20);
    mmr_autofree char *text = calloc((size_t)st.st_size + 1, 1);
    if (!text)
        return mmr_fail(err, MMR_ENOMEM, "terms '%s': out of memory", path);
    ssize_t n = read(fd, text, (size_t)st.st_size);
    if (n != st.st_size)
        return mmr_fail(err, MMR_EIO, "terms '%s' could not be read whole", path);
    if (strlen(text) != (size_t)n || !mmr_is_utf8(text, (size_t)n))
        return mmr_fail(err, MMR_EINVAL, "terms '%s' are no UTF-8 text; take the text out of the document first (pdftotext, pandoc)", path);
    *ret = text;
    text = NULL; /* the caller's now */
    return 0;
}

static int check_terms(struct disclosure *d, struct mmr_error *err)
{
    mmr_autofree char *text = NULL;
    int r = read_terms(d->terms, &text, err);
    for (size_t i = 0; r == 0 && i < json_object_array_length(d->tools); i++) {
        struct json_object *o = json_object_array_get_idx(d->tools, i);
        const char *maker = mmr_cli_json_text(o, "maker"), *model = mmr_cli_json_text(o, "model");
        if (*maker && *model && !is_named(text, maker, model))
            problem(d, mmr_cli_word(&d->site, "約款に「%s」の「%s」がありません（1行に両方が必要です）。", "the terms do not name maker '%s' with model '%s' in one line"), maker, model);
    }
    return r;
}

/* ---- for people ---- */

static const char *what_it_does(const struct mmr_cli_site *s, struct json_object *o, char *buf, size_t cap)
{
    static const struct {
        const char *key, *word, *ja, *en;
    } words[] = {{"capabilities", "net.detect.inbound", "外からの攻撃の検知", "attacks from outside"},
                 {"capabilities", "net.detect.outbound", "内からの不正な通信の検知", "bad traffic from inside"},
                 {"capabilities", "net.defend", "通信の遮断", "blocks traffic"},
                 {"capabilities", "ep.detect", "端末の異常の検知", "what happens on machines"},
                 {"capabilities", "ep.defend", "端末での防御", "defends on machines"},
                 {"capabilities", "ep.defend.linked", "連動する他製品の防御", "defence of another product"},
                 {"roles", "sensor", "観測", "observes"},
                 {"roles", "analyzer", "分析", "analyses"},
                 {"roles", "responder", "防御", "defends"},
                 {"roles", "forwarder", "通知・記録の送付", "notifies, hands records on"}};
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0] && at < cap; i++) {
        size_t n;
        struct json_object *list = mmr_cli_json_list(o, words[i].key, &n);
        if (strcmp(words[i].key, "roles") == 0 && at)
            break; /* its capabilities say more */
        for (size_t k = 0; k < n; k++)
            if (strcmp(json_object_get_string(json_object_array_get_idx(list, k)), words[i].word) == 0)
                at += (size_t)snprintf(buf + at, cap - at, "%s%s", at ? mmr_cli_word(s, "、", ", ") : "", mmr_cli_word(s, words[i].ja, words[i].en));
    }
    if (!*buf && strcmp(mmr_cli_json_text(o, "kind"), "sender") == 0)
        return mmr_cli_word(s, "他社製品（検知結果を受け取ります）", "another maker's product; its findings are taken");
    if (!*buf && *mmr_cli_json_text(o, "in_use"))
        return mmr_cli_word(s, "この機械では使っていません", "not in use on this machine");
    return *buf ? buf : mmr_cli_word(s, "通信の読み取り", "reads traffic");
}

static const char *side_of(const struct mmr_cli_site *s, struct json_object *o)
{
    size_t n;
    bool is_net = false, is_ep = false;
    struct json_object *list = mmr_cli_json_list(o, "sides", &n);
    for (size_t i = 0; i < n; i++) {
        const char *side = json_object_get_string(json_object_array_get_idx(list, i));
        is_net = is_net || strcmp(side, "network") == 0;
        is_ep = is_ep || strcmp(side, "endpoint") == 0;
    }
    return is_net && is_ep ? mmr_cli_word(s, "両方", "both") : is_net ? mmr_cli_word(s, "ネットワーク", "network") : is_ep ? mmr_cli_word(s, "端末", "endpoint") : "-";
}

enum { COLUMNS = 4 };

/* As wide as the longest: what goes into a contract is not cut. */
static void widths(const struct disclosure *d, size_t width[COLUMNS])
{
    static const char *const keys[COLUMNS] = {"", "maker", "model", "version"};
    static const size_t least[COLUMNS] = {12, 14, 14, 8};
    for (size_t i = 0; i < COLUMNS; i++) {
        width[i] = least[i];
        for (size_t k = 0; k < json_object_array_length(d->tools); k++) {
            size_t n = strlen(mmr_cli_json_text(json_object_array_get_idx(d->tools, k), keys[i]));
            width[i] = n > width[i] ? n : width[i];
        }
    }
}

static void columns(const size_t *width, const char *const *text)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        mmr_person_column(stdout, text[i], width[i]);
        (void)fputc(' ', stdout);
    }
    mmr_person_text(stdout, text[COLUMNS]);
    (void)fputc('\n', stdout);
}

static void show(struct disclosure *d)
{
    const struct mmr_cli_site *s = &d->site;
    size_t width[COLUMNS];
    const char *unknown = mmr_cli_word(s, "把握していません", "not known");
    (void)puts(mmr_cli_word(s, "異常の監視装置の製造メーカー・型式\n", "Maker and model of what watches here\n"));
    widths(d, width);
    columns(width, (const char *const[]){mmr_cli_word(s, "区分", "side"), mmr_cli_word(s, "製造メーカー", "maker"), mmr_cli_word(s, "型式", "model"),
                                  mmr_cli_word(s, "版", "version"), mmr_cli_word(s, "はたらき", "does")});
    for (size_t i = 0; i < json_object_array_length(d->tools); i++) {
        struct json_object *o = json_object_array_get_idx(d->tools, i);
        const char *kind = mmr_cli_json_text(o, "kind"), *maker = mmr_cli_json_text(o, "maker"), *model = mmr_cli_json_text(o, "model");
        char buf[400];
        bool is_device = strcmp(kind, "device") == 0, is_core = strcmp(kind, "core") == 0;
        columns(width, (const char *const[]){is_device ? mmr_cli_word(s, "機械", "device") : is_core ? mmr_cli_word(s, "本体", "core") : side_of(s, o),
                                      *maker ? maker : unknown, *model ? model : unknown, *mmr_cli_json_text(o, "version") ? mmr_cli_json_text(o, "version") : "-",
                                      is_device ? mmr_cli_word(s, "監視装置（この機械）", "this machine")
                                                : is_core ? mmr_cli_word(s, "判定・記録・防御の指示", "judges, records, orders defence") : what_it_does(s, o, buf, sizeof buf)});
    }
    const struct mmr_manifest *m = &d->trust.manifest;
    if (m->toolset_hash[0])
        (void)printf(mmr_cli_word(s, "\nサービス「%s」の登録ツール一覧（%s 発行、署名 %s）、一覧の番号 %.16s\n",
                                  "\nSigned list of tools of the service '%s', issued %s, signed by %s, its number %.16s\n"), m->service, m->issued, m->owner, m->toolset_hash);
    else
        (void)puts(mmr_cli_word(s, "\nこの機械の設定から作りました。エージェントのある端末では、その端末で実行してください。",
                                "\nMade from the configuration of this machine; run it on each machine that has an agent, too."));
}

static int collect(struct disclosure *d)
{
    struct mmr_error err = {.struct_size = sizeof err};
    bool is_running = false;
    struct json_object *plugins = mmr_plugin_rows(&d->site, NULL, &is_running);
    int r = plugins ? mmr_trust_open(d->site.config, &d->trust, &err) : mmr_fail(&err, MMR_ENOMEM, "out of memory");
    if (r == 0) {
        add_device(d);
        (void)row(d, "core", "mamori", "mamori", "mamori", MMR_VERSION);
        add_plugins(d, plugins);
        add_senders(d);
        if (d->trust.manifest.toolset_hash[0])
            compare(d);
        else if (d->trust.is_service)
            problem(d, mmr_cli_word(&d->site, "profile: service ですが、登録ツール一覧が使えません：%s", "profile is service, and no signed list of tools counts: %s"), d->trust.no_manifest);
        if (d->terms)
            r = check_terms(d, &err);
        if (r)
            mmr_trust_done(&d->trust);
    }
    json_object_put(plugins);
    if (r)
        (void)fprintf(stderr, "mamori disclose: %s\n", err.text);
    return r == 0 ? MMR_EXIT_OK : r == MMR_ENOMEM || r == MMR_EIO ? MMR_EXIT_FAILED : MMR_EXIT_USAGE;
}

static int answer(struct disclosure *d, bool is_lint)
{
    size_t n = json_object_array_length(d->problems);
    if (d->site.is_json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "ok", json_object_new_boolean(n == 0));
        mmr_cli_json_str(o, "toolset_hash", d->trust.manifest.toolset_hash);
        json_object_object_add(o, "tools", json_object_get(d->tools));
        json_object_object_add(o, "problems", json_object_get(d->problems));
        mmr_cli_json_print(o);
    } else {
        if (!is_lint)
            show(d);
        for (size_t i = 0; i < n; i++) {
            (void)fputs(is_lint || i ? "" : "\n", stdout);
            mmr_person_text(stdout, json_object_get_string(json_object_array_get_idx(d->problems, i)));
            (void)fputc('\n', stdout);
        }
        if (is_lint && n == 0)
            (void)printf(mmr_cli_word(&d->site, "%zu 件すべて、製造メーカーと型式がそろっています。\n", "all %zu have their maker and model\n"), json_object_array_length(d->tools));
    }
    return is_lint && n ? MMR_EXIT_NO : MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"terms", required_argument, NULL, 't'}, {"lang", required_argument, NULL, 'l'},
                                            {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct disclosure d = {.site = {.command = "disclose", .is_tolerant = true}};
    const char *lang = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 't': d.terms = optarg; break;
        case 'l': lang = optarg; break;
        case 'c': d.site.dir = optarg; break;
        case 'j': d.site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    bool is_lint = optind + 1 == argc && strcmp(argv[optind], "lint") == 0;
    if ((optind != argc && !is_lint) || (d.terms && !is_lint) || (lang && strcmp(lang, "ja") != 0 && strcmp(lang, "en") != 0)) {
        (void)fputs("mamori disclose: expected nothing, or 'lint [--terms FILE]'; --lang is ja or en; see 'mamori help disclose'\n", stderr);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&d.site);
    if (status)
        return status;
    if (lang)
        d.site.is_ja = lang[0] == 'j';
    d.tools = json_object_new_array();
    d.problems = json_object_new_array();
    status = collect(&d);
    if (status == MMR_EXIT_OK) {
        status = answer(&d, is_lint);
        mmr_trust_done(&d.trust);
    }
    json_object_put(d.tools);
    json_object_put(d.problems);
    mmr_cli_site_done(&d.site);
    return status;
}

MMR_COMMAND(disclose) = {
    .name = "disclose",
    .help = "maker and model of everything that watches here, for the terms of service",
    .usage = "mamori disclose [--lang ja|en] [--json]\n"
             "mamori disclose lint [--terms FILE] [--lang ja|en] [--json]\n"
             "\n"
             "The device, mamori itself, each plugin in use, products of other makers that send what they find: maker, model, version\n"
             "and what each does, in Japanese or English, to be taken over into the terms (SR-44). With a signed list of tools\n"
             "('mamori plugin manifest') what is listed and used elsewhere is there as well.\n"
             "lint: status 1 when a tool names no maker, is configured and refused, is not on the signed list or there with another maker,\n"
             "model or version; and with --terms when a line with its maker and model is missing in that text file.\n",
    .run = run,
};
