/* engine.c - the worker's two ends: libyara and clamd inside it, a socket between. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <yara.h>

enum { WORKER_MEMORY = 1024 * 1024 * 1024, CLAMD_CHUNK = 64 * 1024 };

/* ---- what is looked into ---- */

bool mmr_scan_is_worth_it(const char *path, const uint8_t *head, size_t n)
{
    static const struct {
        const char *bytes;
        size_t n;
    } magic[] = {
        {"MZ", 2}, {"\x7f" "ELF", 4}, {"#!", 2}, {"PK\x03\x04", 4}, {"\xd0\xcf\x11\xe0", 4}, {"%PDF", 4}, {"{\\rt", 4},
        {"L\0\0\0\x01\x14\x02\0", 8}, {"ITSF", 4}, {"MSCF", 4}, {"Rar!", 4}, {"7z\xbc\xaf", 4}, {"\xca\xfe\xba\xbe", 4}, {"X5O!", 4},
    };
    static const char *const names[] = {"ps1", "psm1", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "bat", "cmd", "sh", "py", "pl", "rb",
                                        "php", "phtml", "php5", "phar", "jsp", "jspx", "asp", "aspx", "ashx", "cgi", "lnk", "url", "iso", "img",
                                        "doc", "docm", "xls", "xlsm", "ppt", "pptm", "rtf", "pdf", "one", "xll", "html", "htm", "txt", "svg"};
    for (size_t i = 0; i < sizeof magic / sizeof magic[0]; i++)
        if (n >= magic[i].n && memcmp(head, magic[i].bytes, magic[i].n) == 0)
            return true;
    const char *base = strrchr(path, '/'), *dot = strrchr(base ? base : path, '.');
    for (size_t i = 0; dot && i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(dot + 1, names[i]) == 0)
            return true;
    return false;
}

/* ---- rules ---- */

struct mistake {
    char text[200];
};

static void on_mistake(int level, const char *file, int line, const YR_RULE *rule, const char *message, void *ctx)
{
    struct mistake *m = ctx;
    (void)file;
    if (level == YARA_ERROR_LEVEL_ERROR && !m->text[0])
        (void)snprintf(m->text, sizeof m->text, "line %d%s%.60s: %.100s", line, rule ? ", rule " : "", rule ? rule->identifier : "", message);
}

static YR_RULES *compile(const char *const *rules, const char *const *names, size_t n, struct mmr_error *err)
{
    YR_COMPILER *c = NULL;
    YR_RULES *r = NULL;
    struct mistake m = {{0}};
    if (yr_compiler_create(&c) != ERROR_SUCCESS) {
        (void)mmr_fail(err, MMR_ENOMEM, "yara: out of memory");
        return NULL;
    }
    yr_compiler_set_callback(c, on_mistake, &m);
    yr_compiler_set_include_callback(c, NULL, NULL, NULL); /* a rule file reaches no other file */
    for (size_t i = 0; i < n; i++) {
        char space[24];
        (void)snprintf(space, sizeof space, "f%zu", i); /* the same name in two files is two rules */
        if (yr_compiler_add_string(c, rules[i], space) != 0) {
            (void)mmr_fail(err, MMR_ECONFIG, "rules '%.80s' %s", names ? names[i] : "", m.text);
            yr_compiler_destroy(c);
            return NULL;
        }
    }
    if (yr_compiler_get_rules(c, &r) != ERROR_SUCCESS)
        (void)mmr_fail(err, MMR_ENOMEM, "yara: out of memory for %zu rule files", n);
    yr_compiler_destroy(c);
    return r;
}

int mmr_engine_check(const char *const *rules, const char *const *names, size_t n, struct mmr_error *err)
{
    if (yr_initialize() != ERROR_SUCCESS)
        return mmr_fail(err, MMR_ENOMEM, "yara: it does not start");
    YR_RULES *r = compile(rules, names, n, err);
    if (r)
        yr_rules_destroy(r);
    (void)yr_finalize();
    return r ? 0 : err ? err->code : MMR_ECONFIG;
}

/* ---- in the worker ---- */

static void copy(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text ? text : "");
}

static int on_match(YR_SCAN_CONTEXT *context, int message, void *data, void *ctx)
{
    struct mmr_scan_answer *a = ctx;
    (void)context;
    if (message != CALLBACK_MSG_RULE_MATCHING || a->n == MMR_SCAN_MATCHES_MAX)
        return CALLBACK_CONTINUE;
    const YR_RULE *rule = data;
    const YR_META *meta;
    struct mmr_scan_match *m = &a->match[a->n++];
    copy(m->engine, sizeof m->engine, "yara");
    copy(m->rule, sizeof m->rule, rule->identifier);
    yr_rule_metas_foreach(rule, meta)
    {
        if (meta->type != META_TYPE_STRING)
            continue;
        if (strcmp(meta->identifier, "description") == 0)
            copy(m->description, sizeof m->description, meta->string);
        else if (strcmp(meta->identifier, "attack") == 0)
            copy(m->attack, sizeof m->attack, meta->string);
        else if (strcmp(meta->identifier, "phase") == 0)
            copy(m->phase, sizeof m->phase, meta->string);
        else if (strcmp(meta->identifier, "potential") == 0)
            copy(m->potential, sizeof m->potential, meta->string);
    }
    return CALLBACK_CONTINUE;
}

static bool send_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t r = send(fd, at, n, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        at += r;
        n -= (size_t)r;
    }
    return true;
}

/* clamd's INSTREAM (clamd(8)): "zINSTREAM\0", chunks with their length in front, a length of 0; "stream: NAME FOUND\0". */
static void ask_clamd(const char *path, const uint8_t *p, size_t n, int seconds, struct mmr_scan_answer *a)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval tv = {.tv_sec = seconds};
    char text[256];
    size_t have = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    copy(sa.sun_path, sizeof sa.sun_path, path);
    bool is_ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0 &&
                 connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && send_all(fd, "zINSTREAM", 10);
    for (size_t at = 0; is_ok && at < n; at += CLAMD_CHUNK) {
        size_t len = n - at < CLAMD_CHUNK ? n - at : CLAMD_CHUNK;
        uint8_t size[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
        is_ok = send_all(fd, size, sizeof size) && send_all(fd, p + at, len);
    }
    if (is_ok)
        (void)send_all(fd, "\0\0\0", 4); /* refused when clamd has had enough before; its answer says so */
    while (have < sizeof text - 1) {
        ssize_t r = fd < 0 ? 0 : recv(fd, text + have, sizeof text - 1 - have, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        have += (size_t)r;
        if (memchr(text, '\0', have))
            break;
    }
    text[have] = '\0';
    if (fd >= 0)
        (void)close(fd);
    size_t len = strlen(text);
    static const char found[] = " FOUND", head[] = "stream: ";
    if (len > sizeof found + sizeof head && strcmp(text + len - (sizeof found - 1), found) == 0 && strncmp(text, head, sizeof head - 1) == 0) {
        struct mmr_scan_match *m = a->n < MMR_SCAN_MATCHES_MAX ? &a->match[a->n++] : &a->match[MMR_SCAN_MATCHES_MAX - 1];
        *m = (struct mmr_scan_match){.engine = "clamd", .potential = "high", .attack = "T1204.002"};
        (void)snprintf(m->rule, sizeof m->rule, "%.*s", (int)(len - (sizeof found - 1) - (sizeof head - 1)), text + sizeof head - 1);
        copy(m->description, sizeof m->description, "known malware, says ClamAV");
    } else if (strcmp(text, "stream: OK") != 0) {
        (void)snprintf(a->note, sizeof a->note, "clamd: %.90s", have ? text : "no answer; is it running?");
    }
}

static bool hash(const uint8_t *p, size_t n, char out[65])
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(p, n, sum, &len, EVP_sha256(), NULL) != 1 || len != 32)
        return false;
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", sum[i]);
    return true;
}

static void look(YR_RULES *rules, const struct mmr_scan_limits *limits, int file, struct mmr_scan_answer *a)
{
    struct stat st;
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        a->status = MMR_SCAN_SKIPPED;
        return;
    }
    if (st.st_size > limits->file_bytes) {
        a->status = MMR_SCAN_TOO_BIG;
        return;
    }
    /* read, not mapped: whoever cuts the file meanwhile would end us with a signal */
    size_t n = (size_t)st.st_size, have = 0;
    uint8_t *p = malloc(n ? n : 1);
    while (p && have < n) {
        ssize_t r = pread(file, p + have, n - have, (off_t)have);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        have += (size_t)r;
    }
    if (!p) {
        a->status = MMR_SCAN_FAILED;
        copy(a->note, sizeof a->note, "out of memory");
        return;
    }
    int e = have ? yr_rules_scan_mem(rules, p, have, SCAN_FLAGS_NO_TRYCATCH, on_match, a, limits->seconds) : ERROR_SUCCESS;
    if (e != ERROR_SUCCESS)
        (void)snprintf(a->note, sizeof a->note, e == ERROR_SCAN_TIMEOUT ? "it took longer than %d s" : "yara error %d", e == ERROR_SCAN_TIMEOUT ? limits->seconds : e);
    if (have && limits->clamd[0] && access(limits->clamd, F_OK) == 0)
        ask_clamd(limits->clamd, p, have, limits->seconds, a);
    if (a->n && !hash(p, have, a->sha256))
        a->sha256[0] = '\0';
    a->status = a->n ? MMR_SCAN_MATCH : e != ERROR_SUCCESS ? MMR_SCAN_FAILED : MMR_SCAN_CLEAN;
    free(p);
}

/* Waits for a file; -1: the other end is gone. */
static int next_file(int fd, uint64_t *ret_id)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {ret_id, sizeof *ret_id};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t r;
    do
        r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (r < 0 && errno == EINTR);
    struct cmsghdr *c = r == (ssize_t)sizeof *ret_id ? CMSG_FIRSTHDR(&m) : NULL;
    int file = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&file, CMSG_DATA(c), sizeof file);
    return file;
}

/* What looking into a file takes, and no more: no program is run, nothing is written, nobody is called but clamd. */
static void confine(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    (void)syscall(SYS_capset, &head, none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they make calls of their own */
    static const char *const calls[] = {
        "read", "pread64", "write", "close", "fstat", "newfstatat", "lseek", "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex",
        "recvmsg", "recvfrom", "sendto", "sendmsg", "connect", "setsockopt", "access", "faccessat", "faccessat2", "clock_gettime", "gettimeofday",
        "getrandom", "getpid", "gettid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group", "restart_syscall", "sched_yield",
    };
    const struct scmp_arg_cmp local = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX, .datum_b = 0};
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    for (size_t i = 0; ctx && i < sizeof calls / sizeof calls[0]; i++)
        (void)seccomp_rule_add(ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(calls[i]), 0);
    if (ctx)
        (void)seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &local);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!ctx || seccomp_load(ctx) != 0)
        _exit(1); /* rather nothing than this without walls */
    seccomp_release(ctx);
#endif
}

static void bound(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow takes terabytes of addresses */
    struct rlimit memory = {WORKER_MEMORY, WORKER_MEMORY};
    (void)setrlimit(RLIMIT_AS, &memory);
#endif
    struct rlimit none = {0, 0}, files = {16, 16};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)setrlimit(RLIMIT_NPROC, &none);
}

static void work(int fd, const char *const *rules, size_t n, const struct mmr_scan_limits *limits)
{
    static struct mmr_scan_answer a;
    YR_RULES *r = yr_initialize() == ERROR_SUCCESS ? compile(rules, NULL, n, NULL) : NULL;
    int file;
    bound();
    confine();
    while (r && (memset(&a, 0, sizeof a), file = next_file(fd, &a.id)) >= 0) {
        look(r, limits, file, &a);
        (void)close(file);
        if (send(fd, &a, sizeof a, MSG_NOSIGNAL) != (ssize_t)sizeof a)
            break;
    }
    _exit(0);
}

/* ---- outside ---- */

int mmr_engine_start(const char *const *rules, size_t n, const struct mmr_scan_limits *limits, struct mmr_engine *ret, struct mmr_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return mmr_fail(err, MMR_EIO, "yara: no socket for the worker: %s", strerror(errno));
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_DUMPABLE, 0);
        if (getppid() != parent)
            _exit(0);
        if (dup2(pair[1], 3) != 3)
            _exit(1);
        (void)close_range(4, ~0u, 0); /* nothing of the host's */
        work(3, rules, n, limits);
    }
    (void)close(pair[1]);
    if (pid < 0) {
        (void)close(pair[0]);
        return mmr_fail(err, MMR_EIO, "yara: the worker does not start: %s", strerror(errno));
    }
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *ret = (struct mmr_engine){pair[0], pid};
    return 0;
}

void mmr_engine_stop(struct mmr_engine *e)
{
    if (e->fd < 0)
        return;
    (void)close(e->fd);
    (void)kill(e->pid, SIGKILL);
    while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    e->fd = -1;
}

int mmr_engine_scan(struct mmr_engine *e, uint64_t id, int file)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&id, sizeof id};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &file, sizeof file);
    ssize_t r = e->fd < 0 ? -1 : sendmsg(e->fd, &m, MSG_NOSIGNAL);
    return r == (ssize_t)sizeof id ? 0 : r < 0 && errno == EAGAIN && e->fd >= 0 ? MMR_EAGAIN : MMR_EIO;
}

static void end_text(char *p, size_t cap)
{
    p[cap - 1] = '\0';
}

int mmr_engine_answer(struct mmr_engine *e, struct mmr_scan_answer *ret)
{
    ssize_t r = e->fd < 0 ? 0 : recv(e->fd, ret, sizeof *ret, MSG_DONTWAIT);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (r != (ssize_t)sizeof *ret || ret->n > MMR_SCAN_MATCHES_MAX)
        return MMR_EIO;
    end_text(ret->sha256, sizeof ret->sha256); /* a worker that was taken over may send anything */
    end_text(ret->note, sizeof ret->note);
    for (uint32_t i = 0; i < ret->n; i++) {
        struct mmr_scan_match *m = &ret->match[i];
        end_text(m->engine, sizeof m->engine);
        end_text(m->rule, sizeof m->rule);
        end_text(m->description, sizeof m->description);
        end_text(m->attack, sizeof m->attack);
        end_text(m->phase, sizeof m->phase);
        end_text(m->potential, sizeof m->potential);
    }
    return 1;
}
