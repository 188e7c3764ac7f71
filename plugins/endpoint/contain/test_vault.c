/* test_vault.c - what a file is beside its bytes goes into quarantine with it, and comes back. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inode.h"
#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char dir[64], vault[80], path[96];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/var/tmp/mamori-vault-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(vault, sizeof vault, "%s/vault", dir);
    (void)snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int tear_down(void **state)
{
    char line[200];
    (void)state;
    (void)snprintf(line, sizeof line, "chattr -R -i -a '%s' 2>/dev/null; rm -rf '%s'", dir, dir);
    return system(line) != 0;
}

static void take(uint64_t id)
{
    char sha[65];
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_file_id f = {.path = path};
    if (mmr_vault_take(vault, id, &f, 1 << 30, sha, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(access(path, F_OK), -1);
}

static void restore(uint64_t id)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_vault_restore(vault, id, &err) != 0)
        fail_msg("%s", err.text);
}

static void write_file(const char *at, const char *text)
{
    int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void a_file_with_two_names_is_one_file_again(void **state)
{
    (void)state;
    char other[96];
    struct stat a, b;
    if (geteuid() != 0)
        skip();
    (void)snprintf(other, sizeof other, "%s/other", dir);
    write_file(path, "two names");
    assert_int_equal(link(path, other), 0);
    assert_int_equal(chmod(path, 04755), 0);
    take(1);
    assert_int_equal(stat(other, &a), 0);
    assert_int_equal(a.st_mode & 07777, 0); /* by its other name it is of no use */
    assert_int_equal(a.st_nlink, 1);
    restore(1);
    assert_int_equal(stat(path, &a), 0);
    assert_int_equal(stat(other, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_mode & 07777, 04755);
    assert_int_equal(a.st_nlink, 2);
    take(2); /* and when the other name goes meanwhile, it is a file of its own */
    assert_int_equal(unlink(other), 0);
    restore(2);
    assert_int_equal(stat(path, &a), 0);
    assert_int_equal(a.st_mode & 07777, 04755);
    assert_int_equal(a.st_size, 9);
}

static void another_content_by_the_other_name_is_not_taken_for_it(void **state)
{
    (void)state;
    char other[96], text[32] = "";
    struct stat a, b;
    if (geteuid() != 0)
        skip();
    (void)snprintf(other, sizeof other, "%s/other", dir);
    write_file(path, "as it was");
    assert_int_equal(link(path, other), 0);
    take(1);
    int fd = open(other, O_WRONLY | O_TRUNC); /* root may */
    assert_int_equal(write(fd, "changed", 7), 7);
    (void)close(fd);
    restore(1);
    assert_int_equal(stat(path, &a), 0);
    assert_int_equal(stat(other, &b), 0);
    assert_int_not_equal(a.st_ino, b.st_ino);
    assert_int_equal(b.st_mode & 07777, 0640);
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text - 1), 9);
    (void)close(fd);
    assert_string_equal(text, "as it was");
}

static void holes_stay_holes(void **state)
{
    (void)state;
    struct stat before, after;
    char end[8];
    if (geteuid() != 0)
        skip();
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(pwrite(fd, "head", 4, 0), 4);
    assert_int_equal(pwrite(fd, "tail", 4, 40 << 20), 4);
    assert_int_equal(ftruncate(fd, (48 << 20) + 5), 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fstat(fd, &before), 0);
    (void)close(fd);
    if (before.st_blocks * 512 >= before.st_size)
        skip(); /* a file system without holes */
    take(1);
    restore(1);
    fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(after.st_blocks * 512 < 2 << 20);
    assert_int_equal(pread(fd, end, 4, 40 << 20), 4);
    assert_memory_equal(end, "tail", 4);
    (void)close(fd);
}

static void flags_attributes_and_times_come_back(void **state)
{
    (void)state;
    /* user::rw- user:1:r-- group::r-- mask::r-- other::--- as the kernel keeps it (linux/posix_acl_xattr.h) */
    static const uint8_t acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 1, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
                                  16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
    const struct timespec times[2] = {{1500000000, 123456789}, {1400000000, 987654321}};
    uint8_t now[128];
    struct stat before, after;
    int flags = 0;
    if (geteuid() != 0)
        skip();
    write_file(path, "with everything");
    assert_int_equal(chown(path, 33, 33), 0);
    bool has_acl = setxattr(path, "system.posix_acl_access", acl, sizeof acl, 0) == 0;
    bool has_user = setxattr(path, "user.mark", "m", 1, 0) == 0;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(stat(path, &before), 0);
    int fd = open(path, O_RDONLY | O_NOATIME);
    bool has_flags = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags |= FS_IMMUTABLE_FL;
    has_flags = has_flags && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    (void)close(fd);
    take(1); /* which a file that cannot be removed would have refused */
    restore(1);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, 33);
    assert_int_equal(after.st_gid, 33);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    assert_int_equal(after.st_atim.tv_sec, before.st_atim.tv_sec);
    if (has_acl) {
        assert_int_equal(getxattr(path, "system.posix_acl_access", now, sizeof now), sizeof acl);
        assert_memory_equal(now, acl, sizeof acl);
    }
    if (has_user)
        assert_int_equal(getxattr(path, "user.mark", now, sizeof now), 1);
    if (has_flags) {
        fd = open(path, O_RDONLY);
        assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
        assert_true(flags & FS_IMMUTABLE_FL);
        flags &= ~FS_IMMUTABLE_FL;
        assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
        (void)close(fd);
    }
}

static void damaged_notes_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"", "x", "10 2 0 1 zz\n", "10 2 0 1 abc\n", "ffffffff 2 0 1 -\n", "10 2 0 1 00"};
    struct mmr_inode n;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_inode_read(rows[i], &n) == 0)
            fail_msg("row %zu was taken", i);
    assert_int_equal(mmr_inode_read("10 2 1 129 00ff\n", &n), 0);
    assert_int_equal(n.names, 2);
    assert_int_equal(n.len, 2);
    assert_true(n.is_sparse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_with_two_names_is_one_file_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_content_by_the_other_name_is_not_taken_for_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(holes_stay_holes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags_attributes_and_times_come_back, set_up, tear_down),
        cmocka_unit_test(damaged_notes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
