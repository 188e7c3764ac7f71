/* layout.h - where every field of ABI 1 lies on a 64-bit machine. A line here changes only with the major; new
 * fields are new lines, and then the struct's size changes with them. */
#ifndef MMR_TESTS_ABI_LAYOUT_H
#define MMR_TESTS_ABI_LAYOUT_H

#include <mamori/net.h>
#include <mamori/plugin.h>

#ifdef __cplusplus
#define OFFSET(s, f, n) static_assert(offsetof(s, f) == n, #f)
#define SIZE(s, n) static_assert(sizeof(s) == n, #s)
#else
#define OFFSET(s, f, n) _Static_assert(offsetof(s, f) == n, #f)
#define SIZE(s, n) _Static_assert(sizeof(s) == n, #s)
#endif

#if UINTPTR_MAX > 0xffffffffu
OFFSET(struct mmr_plugin, struct_size, 0);
OFFSET(struct mmr_plugin, abi_major, 4);
OFFSET(struct mmr_plugin, abi_minor, 6);
OFFSET(struct mmr_plugin, min_host_minor, 8);
OFFSET(struct mmr_plugin, side, 12);
OFFSET(struct mmr_plugin, detects, 16);
OFFSET(struct mmr_plugin, needs, 20);
OFFSET(struct mmr_plugin, flags, 24);
OFFSET(struct mmr_plugin, id, 32);
OFFSET(struct mmr_plugin, name, 40);
OFFSET(struct mmr_plugin, version, 48);
OFFSET(struct mmr_plugin, vendor, 56);
OFFSET(struct mmr_plugin, license, 64);
OFFSET(struct mmr_plugin, doc, 72);
OFFSET(struct mmr_plugin, actions, 80);
OFFSET(struct mmr_plugin, events, 88);
OFFSET(struct mmr_plugin, config, 96);
OFFSET(struct mmr_plugin, config_size, 104);
OFFSET(struct mmr_plugin, config_stride, 108);
OFFSET(struct mmr_plugin, create, 112);
OFFSET(struct mmr_plugin, destroy, 120);
OFFSET(struct mmr_plugin, reload_prepare, 128);
OFFSET(struct mmr_plugin, reload_commit, 136);
OFFSET(struct mmr_plugin, reload_abort, 144);
OFFSET(struct mmr_plugin, on_fd, 152);
OFFSET(struct mmr_plugin, on_timer, 160);
OFFSET(struct mmr_plugin, on_wake, 168);
OFFSET(struct mmr_plugin, subscribes, 176);
OFFSET(struct mmr_plugin, sensor, 184);
OFFSET(struct mmr_plugin, analyzer, 192);
OFFSET(struct mmr_plugin, responder, 200);
OFFSET(struct mmr_plugin, forwarder, 208);
OFFSET(struct mmr_plugin, extension, 216);
SIZE(struct mmr_plugin, 224);
OFFSET(struct mmr_host, impl, 8);
OFFSET(struct mmr_host, core_version, 16);
OFFSET(struct mmr_host, instance, 24);
OFFSET(struct mmr_host, state_dir, 32);
OFFSET(struct mmr_host, log, 40);
OFFSET(struct mmr_host, emit, 48);
OFFSET(struct mmr_host, action_done, 56);
OFFSET(struct mmr_host, watch_fd, 64);
OFFSET(struct mmr_host, set_timer, 72);
OFFSET(struct mmr_host, wake, 80);
OFFSET(struct mmr_host, now_ns, 88);
OFFSET(struct mmr_host, extension, 96);
OFFSET(struct mmr_host, forward_done, 104);
SIZE(struct mmr_host, 112);
OFFSET(struct mmr_cfg_key, type, 8);
OFFSET(struct mmr_cfg_key, flags, 12);
OFFSET(struct mmr_cfg_key, offset, 16);
OFFSET(struct mmr_cfg_key, dflt, 24);
OFFSET(struct mmr_cfg_key, min, 32);
OFFSET(struct mmr_cfg_key, max, 40);
OFFSET(struct mmr_cfg_key, doc, 48);
SIZE(struct mmr_cfg_key, 56);
SIZE(struct mmr_strv, 16);
OFFSET(struct mmr_topic, publish, 8);
OFFSET(struct mmr_topic, sinks, 16);
SIZE(struct mmr_topic, 24);
OFFSET(struct mmr_sink, item, 8);
SIZE(struct mmr_sink, 16);
OFFSET(struct mmr_replay_ops, open, 8);
OFFSET(struct mmr_replay_ops, next, 16);
OFFSET(struct mmr_replay_ops, step, 24);
SIZE(struct mmr_replay_ops, 32);
OFFSET(struct mmr_sensor_ops, start, 8);
OFFSET(struct mmr_sensor_ops, stop, 16);
OFFSET(struct mmr_sensor_ops, on_committed, 24);
SIZE(struct mmr_sensor_ops, 32);
OFFSET(struct mmr_analyzer_ops, event, 8);
OFFSET(struct mmr_analyzer_ops, finish, 16);
SIZE(struct mmr_analyzer_ops, 24);
OFFSET(struct mmr_action, flags, 4);
OFFSET(struct mmr_action, id, 8);
OFFSET(struct mmr_action, verb, 16);
OFFSET(struct mmr_action, ttl_ms, 24);
OFFSET(struct mmr_action, msgpack, 32);
OFFSET(struct mmr_action, len, 40);
SIZE(struct mmr_action, 48);
OFFSET(struct mmr_responder_ops, act, 8);
OFFSET(struct mmr_responder_ops, reconcile, 16);
SIZE(struct mmr_responder_ops, 24);
OFFSET(struct mmr_forwarder_ops, forward, 8);
OFFSET(struct mmr_forwarder_ops, flush, 16);
SIZE(struct mmr_forwarder_ops, 24);
OFFSET(struct mmr_error, code, 4);
OFFSET(struct mmr_error, text, 8);
SIZE(struct mmr_error, 256);
/* the topics' structs (mamori/net.h) */
OFFSET(struct mmr_frame, linktype, 4);
OFFSET(struct mmr_frame, time_ns, 8);
OFFSET(struct mmr_frame, data, 16);
OFFSET(struct mmr_frame, cap_len, 24);
OFFSET(struct mmr_frame, wire_len, 28);
OFFSET(struct mmr_frame, input, 32);
OFFSET(struct mmr_frame, index, 40);
SIZE(struct mmr_frame, 48);
SIZE(struct mmr_addr, 16);
OFFSET(struct mmr_flow, ip_version, 4);
OFFSET(struct mmr_flow, zones, 7);
OFFSET(struct mmr_flow, id, 8);
OFFSET(struct mmr_flow, client, 16);
OFFSET(struct mmr_flow, server, 32);
OFFSET(struct mmr_flow, client_port, 48);
OFFSET(struct mmr_flow, vlan, 52);
OFFSET(struct mmr_flow, first_ns, 56);
OFFSET(struct mmr_flow, packets, 72);
OFFSET(struct mmr_flow, bytes, 88);
OFFSET(struct mmr_flow, app, 104);
OFFSET(struct mmr_flow, bits, 112);
OFFSET(struct mmr_flow, slot, 120);
SIZE(struct mmr_flow, 184);
OFFSET(struct mmr_packet, flags, 4);
OFFSET(struct mmr_packet, frame, 8);
OFFSET(struct mmr_packet, flow, 16);
OFFSET(struct mmr_packet, dir, 24);
OFFSET(struct mmr_packet, ethertype, 28);
OFFSET(struct mmr_packet, src_port, 32);
OFFSET(struct mmr_packet, tcp_flags, 36);
OFFSET(struct mmr_packet, src, 40);
OFFSET(struct mmr_packet, dst, 56);
OFFSET(struct mmr_packet, tcp_seq, 72);
OFFSET(struct mmr_packet, tcp_window, 80);
OFFSET(struct mmr_packet, payload_len, 84);
OFFSET(struct mmr_packet, payload, 88);
OFFSET(struct mmr_packet, l3, 96);
OFFSET(struct mmr_packet, l3_len, 104);
OFFSET(struct mmr_packet, src_mac, 112);
SIZE(struct mmr_packet, 128);
OFFSET(struct mmr_chunk, flags, 4);
OFFSET(struct mmr_chunk, flow, 8);
OFFSET(struct mmr_chunk, packet, 16);
OFFSET(struct mmr_chunk, data, 24);
OFFSET(struct mmr_chunk, len, 32);
OFFSET(struct mmr_chunk, gap, 36);
OFFSET(struct mmr_chunk, offset, 40);
OFFSET(struct mmr_chunk, dir, 48);
SIZE(struct mmr_chunk, 56);
OFFSET(struct mmr_buffer, data, 8);
OFFSET(struct mmr_buffer, len, 16);
SIZE(struct mmr_buffer, 24);
OFFSET(struct mmr_tx, dir, 4);
OFFSET(struct mmr_tx, final, 5);
OFFSET(struct mmr_tx, flow, 8);
OFFSET(struct mmr_tx, packet, 16);
OFFSET(struct mmr_tx, app, 24);
OFFSET(struct mmr_tx, id, 32);
OFFSET(struct mmr_tx, buffers, 40);
OFFSET(struct mmr_tx, n, 48);
OFFSET(struct mmr_tx, detail, 56);
SIZE(struct mmr_tx, 64);
OFFSET(struct mmr_dcerpc_call, iface, 8);
OFFSET(struct mmr_dcerpc_call, iface_major, 24);
OFFSET(struct mmr_dcerpc_call, opnum, 28);
OFFSET(struct mmr_dcerpc_call, stub, 40);
OFFSET(struct mmr_dcerpc_call, stub_len, 48);
SIZE(struct mmr_dcerpc_call, 56);
OFFSET(struct mmr_alert, sid, 4);
OFFSET(struct mmr_alert, time_ns, 16);
OFFSET(struct mmr_alert, flow, 24);
OFFSET(struct mmr_alert, packet, 32);
OFFSET(struct mmr_alert, msg, 40);
OFFSET(struct mmr_alert, dir, 48);
SIZE(struct mmr_alert, 56);
#endif

#endif
