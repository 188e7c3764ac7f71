/*
 * mamori/action.h - names inside an action's target map and inside the receipt a responder returns.
 * Both are flat MessagePack maps, built with mamori/event.h (mmr_event_begin_map) and read with
 * mmr_event_read(). Verbs, targets and effects: docs/vocabulary.md.
 *
 * source  the service standard's 3.3 (receipts, verification); names of OCSF 1.8.0 where it has one
 */
#ifndef MAMORI_ACTION_H
#define MAMORI_ACTION_H

#include <mamori/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An empty map with no event head, for targets and receipts; buf as of mmr_event_begin(), fields as of events, closed with
 * mmr_event_end(). [any] errors kept in ev->err: MMR_ETOOBIG cap is below 5 bytes */
void mmr_event_begin_map(struct mmr_event *ev, void *buf, size_t cap);

/* Target map of an action. `target` is one line for people; the rest depends on the verb:
 *   block.addr          addr (address or CIDR), direction (in|out|both), [port] [proto (tcp|udp)]
 *   cut.flow            proto, src_endpoint.ip/.port, dst_endpoint.ip/.port
 *   kill.process,
 *   freeze.process      process.pid, process.start_ticks (/proc/PID/stat field 22), [process.file.path]
 *                       [process.file.sha256], tree (bool)
 *   quarantine.file,
 *   deny.exec           file.path, [file.inode] [file.device] [file.hashes.sha256]
 *   remove.autostart    file.path, [entry: the text whose lines are removed; absent: the file itself]
 *   isolate.host        device.hostname, device.ip, [device.mac: its card, which must be cut off too; device.ip may then be absent]
 *   lock.account        user.name
 *   query.connection_owner  as cut.flow; answer: process.* and user.name, or result=unsupported
 * Common: reason (one line), incident (uuid text).
 */
#define MMR_ACT_TARGET "target"

/* Receipt map (SERVICE_STANDARD 3.3):
 *   result         applied | already | partial | failed | refused | timeout | unsupported
 *   verify.method  readback | observe
 *   verify.result  confirmed | refuted | inconclusive | none
 *   verify.at      ns UTC
 *   applied_at     ns UTC
 *   expires_at     ns UTC, absent without lease
 *   revoked_at     ns UTC: it was applied and was taken back since, not by an order of the hub
 *   detail         one line for people: what was done or why not
 *   undo           opaque text the responder needs to undo after a restart (kept in its journal too)
 *   dry_run        true when nothing was changed on purpose
 *   counter.packets, counter.bytes   how much the block has stopped so far
 */

#ifdef __cplusplus
}
#endif
#endif
