/*
 * cmd_integrity.c - `mamori integrity`: which files of the system differ from how they were agreed to be, and agreeing to how
 * they are now. The integrity sensor keeps the list, and takes what is agreed from a file beside it (plugins/endpoint/integrity).
 */
#include "cli/person.h"
#include "cli/site.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_MAX = 10000 };

struct list {
    char *path[LIST_MAX];
    size_t n;
};

/* The sensor's own folder; false: there is none on this machine. */
static bool folder_of(const struct mmr_cli_site *s, char *ret, size_t cap)
{
    for (size_t i = 0; i < mmr_config_instances(s->config); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(s->config, i);
        if (x->is_enabled && strcmp(x->plugin, "org.mamori.integrity") == 0) {
            (void)snprintf(ret, cap, "%.3000s/plugins/%.200s", s->state_dir, x->name);
            return true;
        }
    }
    (void)fprintf(stderr, "mamori integrity: %s\n", mmr_cli_word(s, "この機器では、システムのファイルの見張り(org.mamori.integrity)が設定されていません。",
                                                              "no instance of org.mamori.integrity is configured on this machine"));
    return false;
}

/* What differs, as the sensor wrote it last; none yet: an empty list. */
static int read_list(const char *folder, struct list *l)
{
    char path[PATH_MAX], line[PATH_MAX];
    (void)snprintf(path, sizeof path, "%.4000s/differs", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return MMR_EXIT_OK;
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    if (!f) {
        (void)fprintf(stderr, "mamori integrity: '%s': %s\n", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return MMR_EXIT_FAILED;
    }
    while (l->n < LIST_MAX && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '/' && (l->path[l->n] = strdup(line)) != NULL)
            l->n++;
    }
    (void)fclose(f);
    return MMR_EXIT_OK;
}

static void show(const struct mmr_cli_site *s, const struct list *l)
{
    if (s->is_json) {
        struct json_object *o = json_object_new_object(), *v = json_object_new_array();
        for (size_t i = 0; i < l->n; i++) {
            struct json_object *item = json_object_new_object();
            mmr_cli_json_str(item, "path", l->path[i]);
            (void)json_object_array_add(v, item);
        }
        (void)json_object_object_add(o, "differs", v);
        mmr_cli_json_print(o);
        return;
    }
    if (!l->n)
        (void)puts(mmr_cli_word(s, "システムのファイルは、確認済みの状態と同じです。", "the system's files are as they were agreed to be"));
    for (size_t i = 0; i < l->n; i++) {
        mmr_person_text(stdout, l->path[i]);
        (void)fputc('\n', stdout);
    }
}

/* Whole or not at all, and never over a request that waits. */
static int ask_for(const struct mmr_cli_site *s, const char *folder, const struct list *l, char *const *named, size_t n_named)
{
    char fresh[PATH_MAX], last[PATH_MAX];
    size_t n = 0;
    struct stat st;
    for (size_t k = 0; k < n_named; k++) {
        bool is_listed = false;
        for (size_t i = 0; i < l->n && !is_listed; i++)
            is_listed = strcmp(named[k], l->path[i]) == 0;
        if (!is_listed) {
            (void)fprintf(stderr, "mamori integrity agree: '%s' %s\n", named[k], mmr_cli_word(s, "は一覧にありません('mamori integrity' で確かめてください)",
                                                                                              "is not among what differs; 'mamori integrity' lists it"));
            return MMR_EXIT_NO;
        }
    }
    (void)snprintf(fresh, sizeof fresh, "%.4000s/agree.new", folder);
    (void)snprintf(last, sizeof last, "%.4000s/agree", folder);
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    /* the sensor reads it as its own user */
    bool is_ok = f && stat(folder, &st) == 0 && (geteuid() != 0 || fchown(fd, st.st_uid, st.st_gid) == 0);
    for (size_t i = 0; is_ok && i < (n_named ? n_named : l->n); i++, n++)
        is_ok = fprintf(f, "%s\n", n_named ? named[i] : l->path[i]) > 0;
    is_ok = f && fclose(f) == 0 && is_ok && link(fresh, last) == 0;
    int e = errno;
    (void)unlink(fresh);
    if (!is_ok) {
        (void)fprintf(stderr, "mamori integrity agree: '%s': %s\n", last,
                      e == EEXIST ? mmr_cli_word(s, "前の確認がまだ処理されていません。mamori が動いているか確かめてください", "the last one was not taken yet; is mamori running?")
                                  : strerror(e));
        return MMR_EXIT_FAILED;
    }
    (void)printf(mmr_cli_word(s, "%zu 件を、いまの状態で確認済みにします。\n", "%zu are agreed to as they are now\n"), n);
    return MMR_EXIT_OK;
}

static int run_either(int argc, char **argv, bool is_agreeing)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {"all", no_argument, NULL, 'a'}, {0}};
    struct mmr_cli_site s = {.command = "integrity", .is_tolerant = true};
    char folder[PATH_MAX];
    bool is_all = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        case 'a': is_all = true; break;
        default: return MMR_EXIT_USAGE;
        }
    const size_t n_named = (size_t)(argc - optind);
    if (is_agreeing ? is_all == (n_named > 0) : is_all || n_named > 0) {
        (void)fprintf(stderr, "mamori integrity%s\n", is_agreeing ? " agree: name files, or --all" : ": unexpected argument; see 'mamori help integrity'");
        return MMR_EXIT_USAGE;
    }
    struct list *l = calloc(1, sizeof *l);
    int status = l ? mmr_cli_site_open(&s) : MMR_EXIT_FAILED;
    if (status == MMR_EXIT_OK) {
        status = folder_of(&s, folder, sizeof folder) ? read_list(folder, l) : MMR_EXIT_USAGE;
        if (status == MMR_EXIT_OK && is_agreeing && (l->n || n_named)) {
            status = ask_for(&s, folder, l, argv + optind, n_named);
        } else if (status == MMR_EXIT_OK) {
            show(&s, l);
            status = l->n ? MMR_EXIT_NO : MMR_EXIT_OK;
        }
    }
    mmr_cli_site_done(&s);
    for (size_t i = 0; l && i < l->n; i++)
        free(l->path[i]);
    free(l);
    return status;
}

static int run(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "agree") == 0)
        return run_either(argc - 1, argv + 1, true);
    return run_either(argc, argv, false);
}

MMR_COMMAND(integrity) = {
    .name = "integrity",
    .help = "files of this machine's system that differ from how they were agreed to be",
    .usage = "mamori integrity [--config DIR] [--json]\n"
             "mamori integrity agree (--all | FILE...) [--config DIR]\n"
             "\n"
             "Lists what the integrity sensor told and nobody has agreed to yet; status 1 when there is something. agree: as\n"
             "these files are now is how they should be; the running sensor takes it within seconds.\n"
             "--json: {\"differs\":[{\"path\":...}]}\n",
    .run = run,
};
