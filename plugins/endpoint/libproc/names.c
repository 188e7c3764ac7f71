/* names.c - see names.h. */
#include "names.h"

#include <string.h>

enum { DEPTH_MAX = 24 };

static const struct {
    const char *name; /* "x*": every name that begins with x */
    unsigned traits;
} table[] = {
    {"httpd*", MMR_NAME_SERVER}, {"apache2", MMR_NAME_SERVER}, {"nginx*", MMR_NAME_SERVER}, {"lighttpd", MMR_NAME_SERVER},
    {"php-fpm*", MMR_NAME_SERVER}, {"php-cgi*", MMR_NAME_SERVER}, {"gunicorn*", MMR_NAME_SERVER}, {"uwsgi*", MMR_NAME_SERVER},
    {"uvicorn*", MMR_NAME_SERVER}, {"caddy", MMR_NAME_SERVER}, {"tomcat*", MMR_NAME_SERVER}, {"jetty*", MMR_NAME_SERVER},
    {"puma*", MMR_NAME_SERVER}, {"unicorn*", MMR_NAME_SERVER}, {"catalina*", MMR_NAME_SERVER}, {"passenger*", MMR_NAME_SERVER},
    {"haproxy", MMR_NAME_SERVER}, {"openresty", MMR_NAME_SERVER}, {"litespeed", MMR_NAME_SERVER}, {"lsphp*", MMR_NAME_SERVER},
    {"thttpd", MMR_NAME_SERVER}, {"mini_httpd", MMR_NAME_SERVER}, {"boa", MMR_NAME_SERVER}, {"w3wp*", MMR_NAME_SERVER},
    {"mysqld", MMR_NAME_SERVER}, {"mariadbd", MMR_NAME_SERVER}, {"postgres*", MMR_NAME_SERVER}, {"redis-server*", MMR_NAME_SERVER},
    {"vsftpd", MMR_NAME_SERVER}, {"proftpd*", MMR_NAME_SERVER}, {"smbd*", MMR_NAME_SERVER}, {"exim4", MMR_NAME_SERVER},
    {"dovecot*", MMR_NAME_SERVER},
    {"java", MMR_NAME_RUNTIME}, {"node", MMR_NAME_RUNTIME}, {"nodejs", MMR_NAME_RUNTIME}, {"python*", MMR_NAME_RUNTIME},
    {"ruby*", MMR_NAME_RUNTIME}, {"perl*", MMR_NAME_RUNTIME}, {"php*", MMR_NAME_RUNTIME}, {"dotnet", MMR_NAME_RUNTIME},
    {"busybox", MMR_NAME_RUNTIME}, {"deno", MMR_NAME_RUNTIME}, {"bun", MMR_NAME_RUNTIME}, {"beam.smp", MMR_NAME_RUNTIME},
    {"sh", MMR_NAME_SHELL}, {"bash", MMR_NAME_SHELL}, {"dash", MMR_NAME_SHELL}, {"zsh", MMR_NAME_SHELL}, {"ksh*", MMR_NAME_SHELL},
    {"ash", MMR_NAME_SHELL}, {"fish", MMR_NAME_SHELL}, {"csh", MMR_NAME_SHELL}, {"tcsh", MMR_NAME_SHELL}, {"mksh", MMR_NAME_SHELL},
    {"rbash", MMR_NAME_SHELL},
    {"curl", MMR_NAME_FETCH}, {"wget*", MMR_NAME_FETCH}, {"fetch", MMR_NAME_FETCH}, {"tftp", MMR_NAME_FETCH},
    {"sshd*", MMR_NAME_LOGIN}, {"login", MMR_NAME_LOGIN}, {"cron", MMR_NAME_LOGIN}, {"crond", MMR_NAME_LOGIN},
    {"gdm*", MMR_NAME_LOGIN}, {"sddm*", MMR_NAME_LOGIN}, {"lightdm", MMR_NAME_LOGIN}, {"tmux*", MMR_NAME_LOGIN},
    {"screen", MMR_NAME_LOGIN}, {"dropbear", MMR_NAME_LOGIN}, {"gnome-shell", MMR_NAME_LOGIN},
};

const char *mmr_name_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

unsigned mmr_name_traits(const char *name)
{
    const char *base = *name == '/' ? mmr_name_base(name) : name;
    base += *base == '-'; /* a login shell's name */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t n = strlen(table[i].name);
        bool is_prefix = table[i].name[n - 1] == '*';
        if (is_prefix ? strncmp(base, table[i].name, n - 1) == 0 : strcmp(base, table[i].name) == 0)
            return table[i].traits;
    }
    return 0;
}

bool mmr_path_is_temporary(const char *path)
{
    static const char *const below[] = {"/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/run/lock/", "/var/lock/"};
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++)
        if (strncmp(path, below[i], strlen(below[i])) == 0)
            return true;
    return strncmp(path, "/memfd:", 7) == 0;
}

static unsigned traits_of(const struct mmr_pentry *e)
{
    return mmr_name_traits(e->name) | mmr_name_traits(mmr_name_base(e->path));
}

const struct mmr_pentry *mmr_lineage_service(struct mmr_ptable *t, const struct mmr_pentry *e)
{
    for (int i = 0; e && i < DEPTH_MAX; i++) {
        unsigned traits = traits_of(e);
        if (traits & MMR_NAME_LOGIN)
            return NULL;
        if ((traits & MMR_NAME_SERVER) || ((traits & MMR_NAME_RUNTIME) && e->listens))
            return e;
        e = mmr_ptable_parent(t, e);
    }
    return NULL;
}

bool mmr_lineage_has(struct mmr_ptable *t, const struct mmr_pentry *e, unsigned traits)
{
    for (int i = 0; e && i < DEPTH_MAX; i++) {
        unsigned have = traits_of(e);
        if (have & traits)
            return true;
        if (have & MMR_NAME_LOGIN)
            return false;
        e = mmr_ptable_parent(t, e);
    }
    return false;
}
