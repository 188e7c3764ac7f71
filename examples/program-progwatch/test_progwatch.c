/* What progwatch says of a start: the list is asked by whole names, and the finding carries what joins it to the rest. */
#include "plugin_bus.h"
#include "progwatch.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_are_whole(void **state)
{
    msgpack_object names[] = {{.type = MSGPACK_OBJECT_STR, .via.str = {2, "nc"}}, {.type = MSGPACK_OBJECT_STR, .via.str = {5, "socat"}}};
    const msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, names}}, none = {.type = MSGPACK_OBJECT_NIL};
    (void)state;
    assert_true(progwatch_is_named(&list, "nc", 2));
    assert_true(progwatch_is_named(&list, "socat", 5));
    assert_false(progwatch_is_named(&list, "ncat", 4));
    assert_false(progwatch_is_named(&list, "n", 1));
    assert_false(progwatch_is_named(&none, "nc", 2));
}

static void a_finding_says_where_and_when(void **state)
{
    msgpack_sbuffer buf, out;
    msgpack_packer p;
    msgpack_unpacked u, f;
    size_t at = 0;
    (void)state;
    msgpack_sbuffer_init(&buf);
    msgpack_sbuffer_init(&out);
    msgpack_unpacked_init(&u);
    msgpack_unpacked_init(&f);
    msgpack_packer_init(&p, &buf, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&p, 4);
    pb_key_str(&p, "process.name", "nc");
    pb_key_str(&p, "device.hostname", "PC1");
    pb_str(&p, "process.pid", 11);
    (void)msgpack_pack_int(&p, 4711);
    pb_str(&p, "time", 4);
    (void)msgpack_pack_uint64(&p, 1700000000000000000u);
    assert_int_equal(msgpack_unpack_next(&u, buf.data, buf.size, &at), MSGPACK_UNPACK_SUCCESS);
    progwatch_finding(&u.data, &out);
    at = 0;
    assert_int_equal(msgpack_unpack_next(&f, out.data, out.size, &at), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, out.size); /* the map has as many pairs as it says */
    assert_int_equal(f.data.via.map.size, 12);
    assert_int_equal(pb_get(&f.data, "time")->via.u64, 1700000000000000000u);
    assert_int_equal(pb_get(&f.data, "process.pid")->via.u64, 4711);
    assert_memory_equal(pb_get(&f.data, "device.hostname")->via.str.ptr, "PC1", 3);
    assert_non_null(strstr(pb_get(&f.data, "finding_info.title")->via.str.ptr, "start here: nc"));
    msgpack_unpacked_destroy(&u);
    msgpack_unpacked_destroy(&f);
    msgpack_sbuffer_destroy(&buf);
    msgpack_sbuffer_destroy(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_whole), cmocka_unit_test(a_finding_says_where_and_when)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
