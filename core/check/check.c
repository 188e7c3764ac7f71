/* check.c - one process a case: made, limited, watched, and its end judged. */
#include "check/check.h"

#include "check/probe.h"
#include "plugin/describe.h"
#include "plugin/load.h"
#include "plugin/program.h"
#include "plugin/sandbox.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/scope.h"

#include <seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIES = 3, STATUS_TIMEOUT = -2, READS_MAX = 64 };

struct run {
    const struct mmr_check_opts *opts;
    struct mmr_report *rep;
    struct mmr_check_summary sum;
    int fd;
    char scratch[64];
    uint32_t needs; /* learnt by the case `abi` */
    bool is_unsound;
};

const char *mmr_check_case(size_t i, const char **ret_what)
{
    size_t n = 0;
    while (mmr_check_cases[n].name)
        n++;
    if (i >= n)
        return NULL;
    if (ret_what)
        *ret_what = mmr_check_cases[i].what;
    return mmr_check_cases[i].name;
}

static void quiet(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        if (fd != STDERR_FILENO || !getenv("MAMORI_CHECK_STDERR"))
            (void)dup2(null, fd);
    if (null > 2)
        (void)close(null);
}

static void run_case(struct run *r, const struct mmr_check_case *c)
{
    struct mmr_probe *pr = calloc(1, sizeof *pr);
    if (!pr)
        return;
    *pr = (struct mmr_probe){.opts = r->opts, .report = r->rep, .fd = r->fd, .scratch = r->scratch, .loop = pthread_self()};
    c->run(pr);
    r->rep->is_over = 1;
    free(pr);
}

/* As in a real host, files that its settings name may be read: a certificate, a password. NULL-terminated. */
static void settings_read(const struct run *r, const char *ret[READS_MAX])
{
    size_t n = 0;
    ret[n++] = r->scratch;
    for (const char *const *s = r->opts->set; s && *s && n < READS_MAX - 1; s++) {
        const char *value = strchr(*s, '=');
        if (value && value[1] == '/')
            ret[n++] = value + 1;
    }
    ret[n] = NULL;
}

_Noreturn static void in_child(struct run *r, const struct mmr_check_case *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *own[] = {r->scratch, NULL}, *reads[READS_MAX];
    struct mmr_sandbox box = {.needs = r->needs, .reads = reads, .writes = own};
    settings_read(r, reads);
    struct rlimit cpu = {r->opts->limit_s, r->opts->limit_s + 1}, core = {0, 0};
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    quiet();
    (void)mmr_isolate(r->rep, r->scratch);
    (void)setrlimit(RLIMIT_CPU, &cpu);
    (void)setrlimit(RLIMIT_CORE, &core);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mallopt(M_ARENA_MAX, 1); /* so that what is in use can be counted */
    if (chdir(r->scratch) != 0)
        _exit(3);
    if (!c->needs_file && mmr_sandbox_enter(&box, NULL, &err) != 0) {
        (void)snprintf(r->rep->line[0], sizeof r->rep->line[0], "%s", err.text);
        r->rep->skip = MMR_CHECK_SKIP;
        r->rep->is_over = 1;
        _exit(0);
    }
    mmr_log_level_set(MMR_LOG_ERR);
    run_case(r, c);
    _exit(0);
}

static int wait_for(pid_t pid, uint32_t limit_s)
{
    int status = 0, fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int64_t end = mmr_clock_mono_ns() + (int64_t)limit_s * MMR_NS_PER_S;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool is_over = fd < 0; /* no pidfd: wait without a limit; the processor limit still holds */
    while (!is_over) {
        int64_t left = (end - mmr_clock_mono_ns()) / MMR_NS_PER_MS;
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n == 0) {
            (void)kill(-pid, SIGKILL);
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            (void)close(fd);
            return STATUS_TIMEOUT;
        }
        is_over = n > 0;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        (void)close(fd);
    (void)kill(-pid, SIGKILL); /* what it left behind */
    return status;
}

static void add_line(struct mmr_report *rep, const char *text)
{
    uint32_t i = rep->n < MMR_CHECK_LINES_MAX ? rep->n : MMR_CHECK_LINES_MAX - 1;
    (void)snprintf(rep->line[i], sizeof rep->line[i], "%s", text);
    rep->n++;
}

/* Where it was: the callback the runtime was in, and what it was given. */
static void where(const struct mmr_report *rep, char *buf, size_t cap)
{
    static const char *const doings[] = {"", "create()", "start()", "event()", "a topic's item()", "on_timer()", "on_fd()", "on_wake()", "act()",
                                         "forward()", "a reload", "replay", "stop()", "destroy()"};
    uint32_t d = rep->trace.doing;
    const char *in = d && d < sizeof doings / sizeof doings[0] ? doings[d] : "";
    int n = snprintf(buf, cap, "%s%s", in[0] ? " in " : "", in);
    if (n >= 0 && (size_t)n < cap && rep->step && rep->doing[0])
        (void)snprintf(buf + n, cap - (size_t)n, ", at step %llu (%.120s)", (unsigned long long)rep->step, rep->doing);
}

static void judge_end(struct run *r, int status)
{
    struct mmr_report *rep = r->rep;
    char text[MMR_CHECK_LINE_MAX], at[192] = "";
    where(rep, at, sizeof at);
    if (rep->trapped) {
        char *name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), rep->trapped - 1);
        (void)snprintf(text, sizeof text, "loading it runs code with an effect: the system call %s; constructors must do nothing, create() is "
                                          "the place", name ? name : "?");
        free(name);
    } else if (status == STATUS_TIMEOUT) {
        (void)snprintf(text, sizeof text, "did not end within %u s%s", r->opts->limit_s, at);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
        (void)snprintf(text, sizeof text, "computed for over %u s%s", r->opts->limit_s, at);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) { /* made with signals blocked, as for a thread */
        (void)snprintf(text, sizeof text, "it starts a thread or a process where it must not (signal %d)%s", SIGSYS, at);
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(text, sizeof text, "ended by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)), at);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        (void)snprintf(text, sizeof text, "the process ended with status %d%s%s", WEXITSTATUS(status), at,
                       rep->is_over ? ", after the plugin was done" : "");
    } else if (!rep->is_over) {
        (void)snprintf(text, sizeof text, "the plugin ended the process itself%s; return an error instead", at);
    } else {
        return;
    }
    rep->skip = 0;
    add_line(rep, text);
}

static int one_try(struct run *r, const struct mmr_check_case *c, struct mmr_error *err)
{
    memset(r->rep, 0, sizeof *r->rep);
    if (r->opts->is_in_process) {
        run_case(r, c);
        return 0;
    }
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return mmr_fail(err, MMR_EIO, "case %s: no process could be made: %s", c->name, strerror(errno));
    if (pid == 0)
        in_child(r, c);
    int status = wait_for(pid, r->opts->limit_s);
    if (r->rep->is_isolated && status != STATUS_TIMEOUT)
        status = r->rep->status; /* of the process inside, as the one in the middle was told */
    r->sum.is_isolated = r->rep->is_isolated;
    judge_end(r, status);
    return 0;
}

static void tell(struct run *r, const struct mmr_check_case *c, int64_t ms, mmr_check_fn fn, void *ctx)
{
    struct mmr_report *rep = r->rep;
    struct mmr_check_result res = {.name = c->name, .what = c->what, .ms = ms, .n = rep->n};
    char repeat[MMR_CHECK_LINE_MAX];
    res.verdict = rep->n ? MMR_CHECK_FAIL : (enum mmr_check_verdict)rep->skip;
    if (rep->n == 0 && rep->skip)
        res.n = 1;
    if (res.n > MMR_CHECK_LINES_MAX)
        res.n = MMR_CHECK_LINES_MAX;
    for (size_t i = 0; i < res.n; i++)
        res.lines[i] = rep->line[i];
    if (rep->n && rep->step && res.n < MMR_CHECK_LINES_MAX) {
        bool is_fuzz = strcmp(c->name, "fuzz") == 0;
        int n = snprintf(repeat, sizeof repeat, "repeat: --case %s --seed %llu", c->name, (unsigned long long)r->opts->seed);
        if (is_fuzz && n > 0 && !rep->is_over)
            (void)snprintf(repeat + n, sizeof repeat - (size_t)n, " --rounds %llu", (unsigned long long)rep->step);
        else if (is_fuzz && n > 0)
            (void)snprintf(repeat + n, sizeof repeat - (size_t)n, " --rounds %u", r->opts->rounds);
        res.lines[res.n++] = repeat;
    }
    r->sum.passed += res.verdict == MMR_CHECK_PASS;
    r->sum.failed += res.verdict == MMR_CHECK_FAIL;
    r->sum.skipped += res.verdict == MMR_CHECK_SKIP;
    fn(ctx, &res);
}

static int run_one(struct run *r, const struct mmr_check_case *c, mmr_check_fn fn, void *ctx, struct mmr_error *err)
{
    int64_t from = mmr_clock_mono_ns();
    bool is_moot = c->needs_file && r->opts->builtin;
    const char *why = is_moot ? "it is built in: there is no file" : r->is_unsound && !c->is_unsound_ok ? "its descriptor is unsound" : NULL;
    if (why) {
        memset(r->rep, 0, sizeof *r->rep);
        r->rep->skip = is_moot ? MMR_CHECK_MOOT : MMR_CHECK_SKIP;
        (void)snprintf(r->rep->line[0], sizeof r->rep->line[0], "%s", why);
    } else {
        int tries = c->is_timed && !r->opts->is_in_process ? TRIES : 1;
        do {
            int e = one_try(r, c, err);
            if (e)
                return e;
        } while (r->rep->n && --tries > 0);
    }
    if (c->is_unsound_ok && !c->needs_file) {
        r->is_unsound = r->is_unsound || r->rep->n || r->rep->skip;
        if (strcmp(c->name, "abi") == 0 && r->rep->n == 0) {
            memcpy(r->sum.id, r->rep->id, sizeof r->sum.id);
            memcpy(r->sum.version, r->rep->version, sizeof r->sum.version);
            r->sum.abi_major = r->rep->abi_major;
            r->sum.abi_minor = r->rep->abi_minor;
            r->needs = r->rep->needs;
        }
    }
    if (!r->opts->only || strcmp(r->opts->only, c->name) == 0)
        tell(r, c, (mmr_clock_mono_ns() - from) / MMR_NS_PER_MS, fn, ctx);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int open_file(struct run *r, struct mmr_error *err)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(r->scratch, sizeof r->scratch, "%.40s/mamori-check-XXXXXX", tmp ? tmp : "/tmp");
    if (r->opts->path) {
        int e = mmr_plugin_seal(r->opts->path, &r->fd, err);
        if (e)
            return e;
        if (mmr_program_is(r->fd))
            return mmr_fail(err, MMR_EUNSUPPORTED, "'%.120s' is a program; these rules are for shared objects. `mamori plugin info FILE` checks its description",
                            r->opts->path);
    }
    if (n < 0 || (size_t)n >= sizeof r->scratch || !mkdtemp(r->scratch)) {
        r->scratch[0] = '\0';
        return mmr_fail(err, MMR_EIO, "no scratch folder in '%.40s': %s", tmp ? tmp : "/tmp", strerror(errno));
    }
    return 0;
}

static int check_only(const struct mmr_check_opts *o, struct mmr_error *err)
{
    for (size_t i = 0; mmr_check_cases[i].name; i++)
        if (o->only && strcmp(o->only, mmr_check_cases[i].name) == 0)
            return 0;
    if (!o->only && !o->is_in_process)
        return 0;
    return mmr_fail(err, MMR_EINVAL, o->only ? "there is no case '%.40s'; `mamori plugin check --help` lists them" :
                    "in this process only one case can run; name it with --case", o->only);
}

int mmr_check_run(const struct mmr_check_opts *opts, mmr_check_fn fn, void *ctx, struct mmr_check_summary *ret, struct mmr_error *err)
{
    struct run r = {.opts = opts, .fd = -1};
    int e = check_only(opts, err);
    if (e)
        return e;
    r.rep = mmap(NULL, sizeof *r.rep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r.rep == MAP_FAILED)
        return mmr_fail(err, MMR_ENOMEM, "no memory for the report");
    e = open_file(&r, err);
    for (size_t i = 0; e == 0 && mmr_check_cases[i].name && !(opts->is_first_only && r.sum.failed); i++) {
        const struct mmr_check_case *c = &mmr_check_cases[i];
        bool is_asked = !opts->only || strcmp(opts->only, c->name) == 0;
        bool is_needed = !opts->is_in_process && c->is_unsound_ok && !c->needs_file; /* the descriptor is always looked at */
        if (is_asked || is_needed)
            e = run_one(&r, c, fn, ctx, err);
    }
    if (r.fd >= 0)
        (void)close(r.fd);
    if (r.scratch[0])
        (void)nftw(r.scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    (void)munmap(r.rep, sizeof *r.rep);
    *ret = r.sum;
    return e;
}
