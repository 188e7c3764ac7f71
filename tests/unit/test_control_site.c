/* What runs and what it may do: `mamori status`, `reload`, `agree`, `coverage`. */
#include "commands_world.h"

static void the_light_is_told_in_words_and_shape(void **state)
{
    static const struct {
        const char *json, *en, *ja;
    } rows[] = {{"green", "✔ GREEN", "✔ 青"}, {"yellow", "▲ YELLOW", "▲ 黄"}, {"red", "■ RED", "■ 赤"},
                {"grey", "? GREY", "? 灰"},   {"purple", "? GREY", "? 灰"}};
    struct world *w = *state;
    char status[1200];
    expect(w, RUN(w, "status"), 3);
    has(w->err, "mamori is not running here (no socket '");
    listen_here(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(status, sizeof status,
                       "{\"node\":\"hub-1\",\"role\":\"hub\",\"profile\":\"default\",\"mode\":\"dry_run\",\"version\":\"9\",\"uptime_s\":7200,"
                       "\"light\":\"%s\",\"why\":[\"because \\u001b[2J\"],\"hosts\":[{\"name\":\"net\",\"state\":\"running\",\"pid\":12,"
                       "\"restarts\":3,\"rss_bytes\":2097152,\"last_end\":null,\"instances\":[{\"name\":\"capture\",\"plugin\":\"p\","
                       "\"version\":\"1\",\"side\":\"network\",\"caps\":[],\"events\":42,\"dropped\":1,\"refused\":0,\"receipts\":0}]}],"
                       "\"brain\":%s}",
                       rows[i].json, i ? "{\"incidents_open\":4,\"store_ok\":true,\"nodes\":[{\"name\":\"pc-1\",\"up\":false}]}" : "null");
        w->status = status;
        put_file(w->conf, "20-language.yaml", "language: en\n");
        expect(w, RUN(w, "status"), 0);
        assert_int_equal(strncmp(w->out, rows[i].en, strlen(rows[i].en)), 0);
        has(w->out, "  - because ?[2J");
        has(w->out, "up 2 h");
        has(w->out, "pid 12");
        has(w->out, "2.0 MiB");
        has(w->out, i ? "open 4" : "the brain does not answer");
        if (i)
            has(w->out, "▲ no answer");
        put_file(w->conf, "20-language.yaml", "language: ja\n");
        expect(w, RUN(w, "status"), 0);
        assert_int_equal(strncmp(w->out, rows[i].ja, strlen(rows[i].ja)), 0);
        expect(w, RUN(w, "status", "--json"), 0);
        w->out[strcspn(w->out, "\n")] = '\0';
        assert_string_equal(w->out, status); /* as it came */
    }
}

static void a_reload_is_told_as_it_went(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "reload"), 3);
    listen_here(w);
    expect(w, RUN(w, "reload"), 0);
    has(w->out, "keeper has new settings");
    put_file(w->conf, "70-refused.yaml", "# %d\n", 1);
    expect(w, RUN(w, "reload"), 1);
    has(w->err, "the one from before stays in force");
    has(w->err, "instance 'keeper': no");
    expect(w, RUN(w, "reload", "--json"), 1);
    has(w->out, "\"applied\":false");
}

/* ---- agreement ---- */

static void agreement_is_written_and_taken_back(void **state)
{
    struct world *w = *state;
    char text[8192];
    expect(w, RUN(w, "agree", "--by", "Hanako"), 2); /* nobody is there to be asked */
    assert_false(has_file(w->conf, "90-agreed.yaml"));
    put_file(w->conf, "30-ransom.yaml", "plugins: {ransom: {plugin: org.mamori.ransom}}\n");
    expect(w, RUN(w, "agree", "--by", "Hanako \"H\" 山田", "--yes", "--json"), 0);
    struct json_object *o = parse(w->out);
    assert_string_equal(json_object_get_string(member(o, "mode")), "auto");
    assert_string_equal(json_object_get_string(member(o, "by")), "Hanako \"H\" 山田");
    assert_false(json_object_get_boolean(member(o, "in_force")));
    assert_int_equal(json_object_array_length(member(o, "verbs")), 8); /* not isolate.host, not lock.account */
    json_object_put(o);
    get_file(w->conf, "90-agreed.yaml", text, sizeof text);
    has(text, "  mode: auto\n");
    has(text, "[block.addr, cut.flow, block.name, kill.process, freeze.process, deny.exec, quarantine.file, remove.autostart]");
    has(text, "agreed_by: \"Hanako \\\"H\\\" 山田\"");
    has(text, "# ");
    has_not(text, "isolate.host");
    has(text, "ransom: {config: {hold: 3s}}"); /* pausing programs was agreed to */
    expect(w, RUN(w, "config", "show", "--origin"), 0);
    has(w->out, "Hanako");
    has(w->out, "90-agreed.yaml:");
    expect(w, RUN(w, "agree", "--yes", "--verbs", "all"), 0);
    has(w->out, "isolate.host");
    expect(w, RUN(w, "agree", "--yes", "--verbs", "block.addr,cut.flow"), 0);
    get_file(w->conf, "90-agreed.yaml", text, sizeof text);
    has(text, "auto_actions_agreed: [block.addr, cut.flow]\n");
    has_not(text, "hold");
    listen_here(w);
    expect(w, RUN(w, "agree", "--withdraw", "--yes"), 0);
    assert_string_equal(w->asked, "reload ");
    has(w->out, "It is in force now.");
    get_file(w->conf, "90-agreed.yaml", text, sizeof text);
    has(text, "  mode: dry_run\n  auto_actions_agreed: []\n");
    has_not(text, "hold");
}

static void agreement_refuses_what_it_cannot_stand_for(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "agree", "--yes", "--verbs", "block.addr,block.adr"), 2);
    has(w->err, "'block.adr' is nothing that can be agreed to");
    expect(w, RUN(w, "agree", "--yes", "--verbs", "query.connection_owner"), 2);
    expect(w, RUN(w, "agree", "--yes", "--verbs", ""), 2);
    expect(w, RUN(w, "agree", "--yes", "--by", ""), 2);
    expect(w, RUN(w, "agree", "--yes", "--by", "two\nlines"), 2);
    expect(w, RUN(w, "agree", "--yes", "--withdraw", "--verbs", "all"), 2);
    assert_false(has_file(w->conf, "90-agreed.yaml"));
    put_file(w->conf, "99-late.yaml", "defence: {mode: dry_run}\n");
    expect(w, RUN(w, "agree", "--yes"), 2); /* written, but something later says otherwise */
    has(w->err, "another drop-in sets defence.mode after 90-agreed.yaml");
}

/* ---- coverage ---- */

static void every_way_out_needs_a_sensor(void **state)
{
    struct world *w = *state;
    expect(w, RUN(w, "coverage", "net", "--json"), 1);
    has(w->out, "nothing_known");
    put_file(w->conf, "20-exits.yaml", "exits: {main: {kind: line, sensor: keeper}}\n");
    expect(w, RUN(w, "coverage", "net", "--json"), 1); /* nothing runs: no sensor counts */
    has(w->out, "sensor_down");
    has(w->out, "\"running\":false");
    listen_here(w);
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}],"
                "\"brain\":{\"captures\":[{\"instance\":\"keeper\",\"interface\":\"tap0\",\"captured\":600,\"dropped\":1,\"sees\":{\"in\":true,\"out\":false}},"
                "{\"instance\":\"keeper\",\"interface\":\"tap1\",\"captured\":400,\"dropped\":0,\"sees\":{\"in\":false,\"out\":true}}]}}";
    expect(w, RUN(w, "coverage", "net", "--json"), 0);
    assert_string_equal(w->out, "{\"coverage\":\"net\",\"state\":\"ok\",\"have\":1,\"want\":1,\"gaps\":[],\"more\":0,"
                                "\"not_measured\":[],\"running\":true}\n");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}],"
                "\"brain\":{\"captures\":[{\"instance\":\"keeper\",\"interface\":\"tap0\",\"captured\":1000,\"dropped\":2,\"sees\":{\"in\":true,\"out\":false}}]}}";
    expect(w, RUN(w, "coverage", "net", "--json"), 1);
    has(w->out, "one_way");
    has(w->out, "drops");
    has_not(w->out, "gateway's");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}],"
                "\"brain\":{\"captures\":[{\"instance\":\"keeper\",\"interface\":\"tap0\",\"captured\":9000,\"dropped\":0,\"seen_bytes\":9400000,"
                "\"gateway_bytes\":10000000,\"sees\":{\"in\":true,\"out\":true}}]}}";
    expect(w, RUN(w, "coverage", "net", "--json"), 1); /* nothing was dropped, and yet a part of the line was never there */
    has(w->out, "saw 9400000 of the gateway's 10000000 bytes");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}],"
                "\"brain\":{\"captures\":[{\"instance\":\"keeper\",\"interface\":\"tap0\",\"captured\":9000,\"dropped\":0,\"seen_bytes\":9600000,"
                "\"gateway_bytes\":10000000,\"sees\":{\"in\":true,\"out\":true}}]}}";
    expect(w, RUN(w, "coverage", "net", "--json"), 0);
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"waiting\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}]}";
    expect(w, RUN(w, "coverage", "net", "--json"), 1);
    has(w->out, "sensor_down");
    w->status = "{\"hosts\":[{\"name\":\"k\",\"state\":\"running\",\"instances\":[{\"name\":\"keeper\",\"caps\":[]}]}]}";
    put_file(w->conf, "30-second.yaml", "exits: {lte: {kind: mobile}}\n");
    expect(w, RUN(w, "coverage", "net"), 1);
    has(w->out, "1 of 2 exits are seen");
    has(w->out, "exit 'lte' has no sensor");
    has(w->out, "whether both directions are seen is not measured");
    put_file(w->conf, "30-second.yaml", "exits: {lte: {kind: mobile, sensor: nobody}}\n");
    expect(w, RUN(w, "coverage", "net"), 1);
    has(w->out, "names the sensor 'nobody', which is no enabled plugin instance");
}

static void every_important_machine_needs_an_agent(void **state)
{
    struct world *w = *state;
    put_file(w->conf, "20-assets.yaml",
             "assets:\n  PC1: {ip: [192.0.2.11], important_info: yes}\n  PC2: {ip: [192.0.2.12], important_info: yes}\n"
             "  PC3: {ip: [192.0.2.13], important_info: yes}\n  PC4: {important_info: no}\n  printer-1: {role: printer}\n"
             "  hub-1: {role: server}\nsite: {nodes: {agent-2: {ip: [192.0.2.12]}}}\n");
    listen_here(w);
    w->status = "{\"hosts\":[{\"name\":\"e\",\"state\":\"running\",\"instances\":[{\"name\":\"log\",\"caps\":[\"ep.detect\"]}]}],"
                "\"brain\":{\"nodes\":[{\"name\":\"node-a\",\"hostname\":\"pc1.office.example\",\"up\":true,\"caps\":8},"
                "{\"name\":\"agent-2\",\"hostname\":\"\",\"up\":true,\"caps\":24}]}}";
    expect(w, RUN(w, "coverage", "ep", "--json"), 1);
    struct json_object *o = parse(w->out), *gaps = member(o, "gaps");
    assert_int_equal(json_object_get_int(member(o, "have")), 3);
    assert_int_equal(json_object_get_int(member(o, "want")), 4);
    assert_int_equal(json_object_array_length(gaps), 1);
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(gaps, 0), "name")), "PC3");
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(gaps, 0), "kind")), "no_agent");
    json_object_put(o);
    put_file(w->conf, "30-third.yaml", "site: {nodes: {pc3: {}}}\nassets: {PC3: {important_info: no}}\n");
    expect(w, RUN(w, "coverage", "ep"), 0);
    has(w->out, "3 of 3 important machines");
    w->status = "{\"hosts\":[],\"brain\":{\"nodes\":[{\"name\":\"pc1\",\"up\":false,\"caps\":8},{\"name\":\"agent-2\",\"up\":true,\"caps\":16}]}}";
    expect(w, RUN(w, "coverage", "ep"), 1); /* gone; no detection; not even here */
    has(w->out, "the agent on 'PC1' does not answer");
    has(w->out, "the agent on 'PC2' does not answer");
    has(w->out, "the agent on 'hub-1' does not answer");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_light_is_told_in_words_and_shape),
        T(a_reload_is_told_as_it_went),
        T(agreement_is_written_and_taken_back),
        T(agreement_refuses_what_it_cannot_stand_for),
        T(every_way_out_needs_a_sensor),
        T(every_important_machine_needs_an_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
