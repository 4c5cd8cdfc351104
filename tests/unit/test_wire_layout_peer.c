// SPDX-License-Identifier: BSD-3-Clause
//
// The frames between servers against the golden vectors, written and read.
#include <criterion/criterion.h>

#include <godwit/wire.h>

#include "tests/support/vectors.h"
#include "tests/unit/wire_visit.h"

static void visit_peer_hello(const struct visit *v)
{
	struct godwit_peer_hello *f = part_at(v, 0);
	struct godwit_peer_stream *entry0 = part_at(v, 64);

	visit_from_server(v, &f->from, 1);
	visit64(v, &f->nonce, 0x2021222324252627);
	visit64(v, &f->config, 0x28292a2b2c2d2e2f);
	visit64(v, &f->known, 0x3031323334353637);
	visit16(v, &f->mtu, 0x3839);
	visit16(v, &f->refusal, 0x3a3b);
	visit32(v, &f->interval, 0x3c3d3e3f);
	visit64(v, &entry0->stream, 0x4041424344454647);
	visit64(v, &entry0->session, 0x48494a4b4c4d4e4f);
	visit64(v, &entry0->earliest, 0x5051525354555657);
	visit64(v, &entry0->end, 0x58595a5b5c5d5e5f);
	visit64(v, &entry0->commit, 0x6061626364656667);
	visit64(v, &entry0->log_bytes, 0x68696a6b6c6d6e6f);
	visit32(v, &entry0->epoch, 0x70717273);
	visit32(v, &entry0->feed_age, 0x74757677);
	visit64(v, &entry0->meta, 0x78797a7b7c7d7e7f);
	visit_text(v, part_at(v, 128),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_peer_heartbeat(const struct visit *v)
{
	struct godwit_peer_heartbeat *f = part_at(v, 0);
	struct godwit_peer_stream *entry0 = part_at(v, 48);

	visit_from_server(v, &f->from, 1);
	visit64(v, &f->number, 0x2021222324252627);
	visit64(v, &f->heard, 0x28292a2b2c2d2e2f);
	visit64(v, &entry0->stream, 0x3031323334353637);
	visit64(v, &entry0->session, 0x38393a3b3c3d3e3f);
	visit64(v, &entry0->earliest, 0x4041424344454647);
	visit64(v, &entry0->end, 0x48494a4b4c4d4e4f);
	visit64(v, &entry0->commit, 0x5051525354555657);
	visit64(v, &entry0->log_bytes, 0x58595a5b5c5d5e5f);
	visit32(v, &entry0->epoch, 0x60616263);
	visit32(v, &entry0->feed_age, 0x64656667);
	visit64(v, &entry0->meta, 0x68696a6b6c6d6e6f);
	visit_text(v, part_at(v, 112),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_peer_heartbeat_draining(const struct visit *v)
{
	struct godwit_peer_heartbeat *f = part_at(v, 0);

	visit_from_server_flagged(v, &f->from, GODWIT_FLAG_DRAINING, 0);
	visit64(v, &f->number, 0x2021222324252627);
	visit64(v, &f->heard, 0x28292a2b2c2d2e2f);
	visit_text(v, part_at(v, 48),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_replicate(const struct visit *v)
{
	struct godwit_replicate *f = part_at(v, 0);
	struct godwit_run *run0 = part_at(v, 72);
	struct godwit_record *record0 = part_at(v, 112);

	visit_from_server(v, &f->from, 1);
	visit64(v, &f->session, 0x2021222324252627);
	visit64(v, &f->first, 0x28292a2b2c2d2e2f);
	visit64(v, &f->time, 0x3031323334353637);
	visit64(v, &f->commit, 0x38393a3b3c3d3e3f);
	visit32(v, &f->record_epoch, 0x40414243);
	visit16(v, &f->runs, 1);
	visit64(v, &run0->publisher, 0x48494a4b4c4d4e4f);
	visit64(v, &run0->instance, 0x5051525354555657);
	visit64(v, &run0->first_number, 0x58595a5b5c5d5e5f);
	visit64(v, &run0->first_seq, 0x28292a2b2c2d2e2f);
	visit32(v, &run0->count, 1);
	visit16(v, &record0->length, 3);
	visit16(v, &record0->flags, 0);
	visit32(v, &record0->topic, 0x74757677);
	visit32(v, &record0->time, 0x78797a7b);
	visit_text(v, part_at(v, 124), "\xd1\xd2\xd3", 3);
	visit_text(v, part_at(v, 128),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_meta(const struct visit *v)
{
	struct godwit_meta *f = part_at(v, 0);
	struct godwit_meta_instance *instance = part_at(v, 56);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->session, 0x2021222324252627);
	visit64(v, &f->entry, 0x28292a2b2c2d2e2f);
	visit16(v, &f->kind, GODWIT_META_INSTANCE);
	visit16(v, &f->bytes, 16);
	visit64(v, &instance->publisher, 0x38393a3b3c3d3e3f);
	visit64(v, &instance->instance, 0x4041424344454647);
	visit_text(v, part_at(v, 72),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_meta_topic(const struct visit *v)
{
	struct godwit_meta *f = part_at(v, 0);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->session, 0x2021222324252627);
	visit64(v, &f->entry, 0x28292a2b2c2d2e2f);
	visit16(v, &f->kind, GODWIT_META_TOPIC);
	visit16(v, &f->bytes, 64);
	visit_text(v, part_at(v, 56), "prices", 6);
	visit_text(v, part_at(v, 120),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_snapshot(const struct visit *v, uint16_t flags, uint16_t kind, uint16_t bytes)
{
	struct godwit_snapshot *f = part_at(v, 0);

	visit_from_server_flagged(v, &f->from, flags, 0);
	visit64(v, &f->session, 0x2021222324252627);
	visit64(v, &f->seq, 0x28292a2b2c2d2e2f);
	visit64(v, &f->meta, 0x3031323334353637);
	visit32(v, &f->page, 0x38393a3b);
	visit32(v, &f->pages, 0x3c3d3e3f);
	visit16(v, &f->kind, kind);
	visit16(v, &f->bytes, bytes);
	visit_text(v, part_at(v, 72 + bytes),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_snapshot_publishers(const struct visit *v)
{
	struct godwit_snapshot_publisher *entry0 = part_at(v, 72);

	visit_snapshot(v, GODWIT_FLAG_ANSWER, GODWIT_SNAPSHOT_PUBLISHERS, 24);
	visit64(v, &entry0->id, 0x48494a4b4c4d4e4f);
	visit64(v, &entry0->instance, 0x5051525354555657);
	visit64(v, &entry0->last, 0x58595a5b5c5d5e5f);
}

static void visit_snapshot_ask(const struct visit *v)
{
	visit_snapshot(v, 0, GODWIT_SNAPSHOT_TOPICS, 0);
}

static void visit_snapshot_topics(const struct visit *v)
{
	visit_snapshot(v, GODWIT_FLAG_ANSWER, GODWIT_SNAPSHOT_TOPICS, 64);
	visit_text(v, part_at(v, 72), "prices", 6);
}

static void visit_snapshot_epochs(const struct visit *v)
{
	struct godwit_snapshot_epoch *entries = part_at(v, 72);

	visit_snapshot(v, GODWIT_FLAG_ANSWER, GODWIT_SNAPSHOT_EPOCHS, 32);
	visit64(v, &entries[0].first, 0x48494a4b4c4d4e4f);
	visit32(v, &entries[0].epoch, 0x50515253);
	visit64(v, &entries[1].first, 0x58595a5b5c5d5e5f);
	visit32(v, &entries[1].epoch, 0x60616263);
}

static void visit_reconcile(const struct visit *v)
{
	struct godwit_reconcile *f = part_at(v, 0);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->stream, 0x2021222324252627);
	visit64(v, &f->session, 0x28292a2b2c2d2e2f);
	visit64(v, &f->end, 0x3031323334353637);
	visit64(v, &f->meta, 0x38393a3b3c3d3e3f);
	visit64(v, &f->edge, 0x4041424344454647);
	visit64(v, &f->first, 0x48494a4b4c4d4e4f);
	visit32(v, &f->last_epoch, 0x50515253);
	visit32(v, &f->request, 0x54555657);
	visit16(v, &f->code, 0x5859);
	visit_text(v, part_at(v, 96),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_peer_ack(const struct visit *v)
{
	struct godwit_peer_ack *f = part_at(v, 0);
	struct godwit_range *nak0 = part_at(v, 72);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->session, 0x2021222324252627);
	visit64(v, &f->seq, 0x28292a2b2c2d2e2f);
	visit64(v, &f->meta, 0x3031323334353637);
	visit64(v, &f->edge, 0x38393a3b3c3d3e3f);
	visit16(v, &f->naks, 1);
	visit32(v, &f->feed, 0x44454647);
	visit64(v, &nak0->first, 0x48494a4b4c4d4e4f);
	visit64(v, &nak0->last, 0x5051525354555657);
	visit_text(v, part_at(v, 88),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_handover(const struct visit *v)
{
	struct godwit_handover *f = part_at(v, 0);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->cursor.client, 0x2021222324252627);
	visit64(v, &f->cursor.instance, 0x28292a2b2c2d2e2f);
	visit64(v, &f->cursor.session, 0x3031323334353637);
	visit64(v, &f->cursor.seq, 0x38393a3b3c3d3e3f);
	visit64(v, &f->cursor.cursor_epoch, 0x4041424344454647);
	visit64(v, &f->cursor.tag, 0x48494a4b4c4d4e4f);
	visit64(v, &f->cursor.connection, 0x5051525354555657);
	visit64(v, &f->cursor.filter, 0x58595a5b5c5d5e5f);
	visit32(v, &f->cursor.subscription, 0x60616263);
	visit32(v, &f->cursor.epoch, 0x64656667);
	visit_text(v, f->cursor.ip,
		   "\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f\x70\x71\x72\x73\x74\x75\x76\x77", 16);
	visit16(v, &f->cursor.port, 0x7879);
	visit16(v, &f->cursor.home, 0x7a7b);
	visit16(v, &f->cursor.core, 0x7c7d);
	visit16(v, &f->cursor.flags, 0x7e7f);
	visit16(v, &f->reason, 0x8081);
	visit32(v, &f->request, 0x84858687);
	visit_text(v, part_at(v, 136),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_handover_confirm(const struct visit *v)
{
	struct godwit_handover_confirm *f = part_at(v, 0);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->client, 0x2021222324252627);
	visit64(v, &f->session, 0x28292a2b2c2d2e2f);
	visit64(v, &f->cursor_epoch, 0x3031323334353637);
	visit32(v, &f->subscription, 0x38393a3b);
	visit32(v, &f->request, 0x3c3d3e3f);
	visit16(v, &f->code, 0x4041);
	visit_text(v, part_at(v, 72),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static void visit_probe_for(const struct visit *v)
{
	struct godwit_probe_for *f = part_at(v, 0);

	visit_from_server(v, &f->from, 0);
	visit64(v, &f->tag, 0x2021222324252627);
	visit64(v, &f->nonce, 0x28292a2b2c2d2e2f);
	visit_text(v, f->ip, "\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f",
		   16);
	visit16(v, &f->port, 0x4041);
	visit16(v, &f->result, 0x4243);
	visit_text(v, part_at(v, 72),
		   "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef", 16);
}

static const struct visited frames[] = {
	{"PEER_HELLO", GODWIT_PEER_HELLO, visit_peer_hello},
	{"PEER_HEARTBEAT", GODWIT_PEER_HEARTBEAT, visit_peer_heartbeat},
	{"PEER_HEARTBEAT.draining", GODWIT_PEER_HEARTBEAT, visit_peer_heartbeat_draining},
	{"REPLICATE", GODWIT_REPLICATE, visit_replicate},
	{"META", GODWIT_META, visit_meta},
	{"META.topic", GODWIT_META, visit_meta_topic},
	{"SNAPSHOT", GODWIT_SNAPSHOT, visit_snapshot_publishers},
	{"SNAPSHOT.ask", GODWIT_SNAPSHOT, visit_snapshot_ask},
	{"SNAPSHOT.topics", GODWIT_SNAPSHOT, visit_snapshot_topics},
	{"SNAPSHOT.epochs", GODWIT_SNAPSHOT, visit_snapshot_epochs},
	{"RECONCILE", GODWIT_RECONCILE, visit_reconcile},
	{"PEER_ACK", GODWIT_PEER_ACK, visit_peer_ack},
	{"HANDOVER", GODWIT_HANDOVER, visit_handover},
	{"HANDOVER_CONFIRM", GODWIT_HANDOVER_CONFIRM, visit_handover_confirm},
	{"PROBE_FOR", GODWIT_PROBE_FOR, visit_probe_for},
	{"PROBE_RESULT", GODWIT_PROBE_RESULT, visit_probe_for},
};

#define FRAMES (sizeof(frames) / sizeof(frames[0]))

Test(wire_layout_peer, writes_each_frame_as_its_vector)
{
	visit_written(frames, FRAMES);
}

Test(wire_layout_peer, reads_each_vector_as_its_values)
{
	visit_read(frames, FRAMES);
}

Test(wire_layout_peer, visits_every_frame_type)
{
	size_t i = 0;

	for (uint32_t type = GODWIT_PEER_HELLO; type <= GODWIT_PROBE_RESULT; type++) {
		cr_assert(i < FRAMES && frames[i].type == type, "%u", type);
		while (i < FRAMES && frames[i].type == type)
			i++;
	}
	cr_assert_eq(i, FRAMES);
}
