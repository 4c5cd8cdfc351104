// SPDX-License-Identifier: BSD-3-Clause
//
// The frames between clients and servers against the golden vectors, written and read.
#include <criterion/criterion.h>

#include <godwit/wire.h>

#include "tests/support/vectors.h"
#include "tests/unit/wire_visit.h"

static void visit_hello(const struct visit *v)
{
	struct godwit_hello *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->client, 0x08090a0b0c0d0e0f);
	visit64(v, &f->instance, 0x1011121314151617);
	visit64(v, &f->tag, 0x18191a1b1c1d1e1f);
	visit64(v, &f->nonce, 0x2021222324252627);
	visit32(v, &f->request, 0x28292a2b);
}

static void visit_hello_proof(const struct visit *v)
{
	struct godwit_hello_proof *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->client, 0x08090a0b0c0d0e0f);
	visit64(v, &f->instance, 0x1011121314151617);
	visit64(v, &f->tag, 0x18191a1b1c1d1e1f);
	visit64(v, &f->nonce, 0x2021222324252627);
	visit32(v, &f->request, 0x28292a2b);
	visit16(v, &f->credential_bytes, 11);
	visit64(v, &f->time, 0x3031323334353637);
	visit_text(v, f->mac, "\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f\x40\x41\x42\x43\x44\x45\x46\x47",
		   16);
	visit_text(v, part_at(v, 72), "\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f\x50\x51\x52", 11);
}

static void visit_subscribe(const struct visit *v)
{
	struct godwit_subscribe *f = part_at(v, 0);

	visit_from_client(v, &f->from, 1, 3);
	visit32(v, &f->request, 0x18191a1b);
	visit32(v, &f->subscription, 0x1c1d1e1f);
	visit64(v, &f->tag, 0x2021222324252627);
	visit_name(v, f->stream, "orders.xetra");
	visit64(v, &f->start_value, 0x68696a6b6c6d6e6f);
	visit64(v, &f->session, 0x7071727374757677);
	visit32(v, &f->epoch, 0x78797a7b);
	visit32(v, &f->window, 0x7c7d7e7f);
	visit16(v, &f->datagram, 0x8081);
	visit8(v, &f->start, 4);
	visit8(v, &f->policy, 2);
	visit32(v, part_at(v, 136), 0x01020304);
	visit32(v, part_at(v, 140), 0x01020305);
	visit32(v, part_at(v, 144), 0xfffefdfc);
}

static void visit_resume(const struct visit *v)
{
	struct godwit_resume *f = part_at(v, 0);

	visit_from_client(v, &f->from, 1, 2);
	visit32(v, &f->request, 0x18191a1b);
	visit32(v, &f->subscription, 0x1c1d1e1f);
	visit64(v, &f->tag, 0x2021222324252627);
	visit_name(v, f->stream, "telemetry/flows");
	visit64(v, &f->session, 0x68696a6b6c6d6e6f);
	visit64(v, &f->seq, 0x7071727374757677);
	visit32(v, &f->epoch, 0x78797a7b);
	visit32(v, &f->attempt, 0x7c7d7e7f);
	visit64(v, &f->highest_epoch, 0x8081828384858687);
	visit64(v, &f->offer_epoch, 0x88898a8b8c8d8e8f);
	visit64(v, &f->edge, 0x9091929394959697);
	visit16(v, &f->datagram, 0x9899);
	visit8(v, &f->policy, 1);
	visit32(v, &f->window, 0x9c9d9e9f);
	visit32(v, part_at(v, 160), 0x00000001);
	visit32(v, part_at(v, 164), 0x11223344);
}

static void visit_ack(const struct visit *v)
{
	struct godwit_ack *f = part_at(v, 0);
	struct godwit_ack_entry *entry0 = part_at(v, 32);
	struct godwit_range *nak0 = part_at(v, 80);
	struct godwit_range *nak1 = part_at(v, 96);
	struct godwit_ack_entry *entry1 = part_at(v, 112);

	visit_from_client(v, &f->from, 0, 2);
	visit64(v, &f->number, 0x18191a1b1c1d1e1f);
	visit32(v, &entry0->subscription, 0x20212223);
	visit16(v, &entry0->flags, 1);
	visit16(v, &entry0->naks, 2);
	visit64(v, &entry0->cursor_epoch, 0x28292a2b2c2d2e2f);
	visit64(v, &entry0->session, 0x3031323334353637);
	visit64(v, &entry0->seq, 0x38393a3b3c3d3e3f);
	visit32(v, &entry0->epoch, 0x40414243);
	visit64(v, &entry0->edge, 0x48494a4b4c4d4e4f);
	visit64(v, &nak0->first, 0x5051525354555657);
	visit64(v, &nak0->last, 0x58595a5b5c5d5e5f);
	visit64(v, &nak1->first, 0x6061626364656667);
	visit64(v, &nak1->last, 0x68696a6b6c6d6e6f);
	visit32(v, &entry1->subscription, 0x70717273);
	visit16(v, &entry1->flags, 2);
	visit16(v, &entry1->naks, 0);
	visit64(v, &entry1->cursor_epoch, 0x78797a7b7c7d7e7f);
	visit64(v, &entry1->session, 0x8081828384858687);
	visit64(v, &entry1->seq, 0x88898a8b8c8d8e8f);
	visit32(v, &entry1->epoch, 0x90919293);
	visit64(v, &entry1->edge, 0x98999a9b9c9d9e9f);
}

static void visit_unsubscribe(const struct visit *v)
{
	struct godwit_unsubscribe *f = part_at(v, 0);

	visit_from_client(v, &f->from, 0, 0);
	visit32(v, &f->request, 0x18191a1b);
	visit32(v, &f->subscription, 0x1c1d1e1f);
}

static void visit_publish_open(const struct visit *v)
{
	struct godwit_publish_open *f = part_at(v, 0);

	visit_from_client(v, &f->from, 0, 0);
	visit32(v, &f->request, 0x18191a1b);
	visit64(v, &f->publisher, 0x2021222324252627);
	visit64(v, &f->instance, 0x28292a2b2c2d2e2f);
	visit_name(v, f->stream, "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss");
}

static void visit_publish(const struct visit *v)
{
	struct godwit_publish *f = part_at(v, 0);
	struct godwit_record *record0 = part_at(v, 56);
	struct godwit_record *record1 = part_at(v, 72);
	struct godwit_record *record2 = part_at(v, 84);
	struct godwit_record *record3 = part_at(v, 100);

	visit_from_client(v, &f->from, 0, 4);
	visit32(v, &f->stream, 0x18191a1b);
	visit64(v, &f->publisher, 0x2021222324252627);
	visit64(v, &f->instance, 0x28292a2b2c2d2e2f);
	visit64(v, &f->first, 0x3031323334353637);
	visit16(v, &record0->length, 1);
	visit16(v, &record0->flags, 0);
	visit32(v, &record0->topic, 0xa0b0c0d);
	visit32(v, &record0->time, 0);
	visit_text(v, part_at(v, 68), "\xa1", 1);
	visit16(v, &record1->length, 0);
	visit16(v, &record1->flags, 0);
	visit32(v, &record1->topic, 0);
	visit32(v, &record1->time, 0);
	visit16(v, &record2->length, 4);
	visit16(v, &record2->flags, 0);
	visit32(v, &record2->topic, 0x58595a5b);
	visit32(v, &record2->time, 0);
	visit_text(v, part_at(v, 96), "\xb1\xb2\xb3\xb4", 4);
	visit16(v, &record3->length, 3);
	visit16(v, &record3->flags, 0);
	visit32(v, &record3->topic, 0x68696a6b);
	visit32(v, &record3->time, 0);
	visit_text(v, part_at(v, 112), "\xc1\xc2\xc3", 3);
}

static void visit_topic(const struct visit *v)
{
	struct godwit_topic *f = part_at(v, 0);

	visit_from_client(v, &f->from, 2, 0);
	visit32(v, &f->request, 0x18191a1b);
	visit_name(v, f->stream, "orders.xetra");
	visit_name(v, f->name, "ISIN DE0007164600");
}

static void visit_probe_reply(const struct visit *v)
{
	struct godwit_probe_reply *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->nonce, 0x1011121314151617);
}

static void visit_cookie(const struct visit *v)
{
	struct godwit_cookie *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->nonce, 0x1011121314151617);
	visit32(v, &f->request, 0x18191a1b);
	visit64(v, &f->time, 0x2021222324252627);
	visit_text(v, f->mac, "\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x32\x33\x34\x35\x36\x37",
		   16);
}

static void visit_welcome(const struct visit *v)
{
	struct godwit_welcome *f = part_at(v, 0);
	struct godwit_server_entry *server0 = part_at(v, 56);
	struct godwit_server_entry *server1 = part_at(v, 80);

	visit_frame(v, &f->frame, 0, 2);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->handle, 0x1011121314151617);
	visit64(v, &f->key, 0x18191a1b1c1d1e1f);
	visit64(v, &f->incarnation, 0x2021222324252627);
	visit32(v, &f->request, 0x28292a2b);
	visit16(v, &f->server, 0x2c2d);
	visit16(v, &f->multiplier, 0x2e2f);
	visit32(v, &f->interval, 0x30313233);
	visit16(v, &f->datagram, 0x3435);
	visit16(v, &f->subscriptions, 0x3637);
	visit_text(v, server0->ip,
		   "\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f\x40\x41\x42\x43\x44\x45\x46\x47", 16);
	visit16(v, &server0->port, 0x4849);
	visit16(v, &server0->id, 0x4a4b);
	visit16(v, &server0->weight, 0x4c4d);
	visit_text(v, server1->ip,
		   "\x50\x51\x52\x53\x54\x55\x56\x57\x58\x59\x5a\x5b\x5c\x5d\x5e\x5f", 16);
	visit16(v, &server1->port, 0x6061);
	visit16(v, &server1->id, 0x6263);
	visit16(v, &server1->weight, 0x6465);
}

static void visit_subscribed(const struct visit *v)
{
	struct godwit_subscribed *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->handle, 0x1011121314151617);
	visit64(v, &f->key, 0x18191a1b1c1d1e1f);
	visit64(v, &f->cursor_epoch, 0x2021222324252627);
	visit64(v, &f->session, 0x28292a2b2c2d2e2f);
	visit64(v, &f->seq, 0x3031323334353637);
	visit32(v, &f->epoch, 0x38393a3b);
	visit32(v, &f->request, 0x3c3d3e3f);
	visit64(v, &f->earliest, 0x4041424344454647);
	visit64(v, &f->commit, 0x48494a4b4c4d4e4f);
	visit16(v, &f->answer, 0x5051);
	visit16(v, &f->max_message, 0x5253);
	visit32(v, &f->attempt, 0x54555657);
}

static void visit_data(const struct visit *v)
{
	struct godwit_data *f = part_at(v, 0);
	struct godwit_record *record0 = part_at(v, 56);
	struct godwit_record *record1 = part_at(v, 76);

	visit_frame(v, &f->frame, 8, 2);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->cursor_epoch, 0x1011121314151617);
	visit64(v, &f->session, 0x18191a1b1c1d1e1f);
	visit64(v, &f->covers_from, 0x2021222324252627);
	visit64(v, &f->time, 0x28292a2b2c2d2e2f);
	visit32(v, &f->epoch, 0x30313233);
	visit32(v, &f->covers, 2);
	visit16(v, &record0->length, 5);
	visit16(v, &record0->flags, 0xff00);
	visit32(v, &record0->topic, 0x3c3d3e3f);
	visit32(v, &record0->time, 0x40414243);
	visit_text(v, part_at(v, 68), "\xa1\xa2\xa3\xa4\xa5", 5);
	visit16(v, &record1->length, 2);
	visit16(v, &record1->flags, 0);
	visit32(v, &record1->topic, 0x50515253);
	visit32(v, &record1->time, 0x54555657);
	visit_text(v, part_at(v, 88), "\xb1\xb2", 2);
}

static void visit_heartbeat(const struct visit *v)
{
	struct godwit_heartbeat *f = part_at(v, 0);
	struct godwit_heartbeat_entry *entry0 = part_at(v, 24);
	struct godwit_heartbeat_entry *entry1 = part_at(v, 64);

	visit_frame(v, &f->frame, 0, 2);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->number, 0x1011121314151617);
	visit64(v, &entry0->tag, 0x18191a1b1c1d1e1f);
	visit64(v, &entry0->cursor_epoch, 0x2021222324252627);
	visit64(v, &entry0->sent, 0x28292a2b2c2d2e2f);
	visit64(v, &entry0->commit, 0x3031323334353637);
	visit32(v, &entry0->feed_age, 0x38393a3b);
	visit64(v, &entry1->tag, 0x4041424344454647);
	visit64(v, &entry1->cursor_epoch, 0x48494a4b4c4d4e4f);
	visit64(v, &entry1->sent, 0x5051525354555657);
	visit64(v, &entry1->commit, 0x58595a5b5c5d5e5f);
	visit32(v, &entry1->feed_age, 0x60616263);
}

static void visit_take(const struct visit *v)
{
	struct godwit_take *f = part_at(v, 0);

	visit_frame(v, &f->frame, 4, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->cursor_epoch, 0x1011121314151617);
	visit64(v, &f->handle, 0x18191a1b1c1d1e1f);
	visit64(v, &f->key, 0x2021222324252627);
	visit16(v, &f->server, 0x2829);
	visit16(v, &f->reason, 0x2a2b);
}

static void visit_migrate(const struct visit *v)
{
	struct godwit_migrate *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->cursor_epoch, 0x1011121314151617);
	visit_text(v, f->target.ip,
		   "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23\x24\x25\x26\x27", 16);
	visit16(v, &f->target.port, 0x2829);
	visit16(v, &f->target.id, 0x2a2b);
	visit16(v, &f->target.weight, 0x2c2d);
	visit16(v, &f->reason, 0x3031);
}

static void visit_redirect(const struct visit *v)
{
	struct godwit_redirect *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit32(v, &f->request, 0x10111213);
	visit16(v, &f->code, 0x1415);
	visit_text(v, f->target.ip,
		   "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23\x24\x25\x26\x27", 16);
	visit16(v, &f->target.port, 0x2829);
	visit16(v, &f->target.id, 0x2a2b);
	visit16(v, &f->target.weight, 0x2c2d);
}

static void visit_publish_opened(const struct visit *v)
{
	struct godwit_publish_opened *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->publisher, 0x1011121314151617);
	visit64(v, &f->instance, 0x18191a1b1c1d1e1f);
	visit64(v, &f->last, 0x2021222324252627);
	visit64(v, &f->session, 0x28292a2b2c2d2e2f);
	visit32(v, &f->epoch, 0x30313233);
	visit32(v, &f->request, 0x34353637);
	visit32(v, &f->stream, 0x38393a3b);
	visit32(v, &f->credit, 0x3c3d3e3f);
	visit16(v, &f->max_message, 0x4041);
	visit16(v, &f->code, 0x4243);
}

static void visit_publish_ack(const struct visit *v)
{
	struct godwit_publish_ack *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->publisher, 0x1011121314151617);
	visit64(v, &f->instance, 0x18191a1b1c1d1e1f);
	visit64(v, &f->committed, 0x2021222324252627);
	visit64(v, &f->expected, 0x28292a2b2c2d2e2f);
	visit32(v, &f->stream, 0x30313233);
	visit32(v, &f->credit, 0x34353637);
	visit16(v, &f->code, 0x3839);
}

static void visit_topic_number(const struct visit *v)
{
	struct godwit_topic_number *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit32(v, &f->request, 0x10111213);
	visit32(v, &f->topic, 0x14151617);
	visit_name(v, f->name, "t");
}

static void visit_ended(const struct visit *v)
{
	struct godwit_ended *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->cursor_epoch, 0x1011121314151617);
	visit64(v, &f->session, 0x18191a1b1c1d1e1f);
	visit64(v, &f->seq, 0x2021222324252627);
	visit32(v, &f->epoch, 0x28292a2b);
	visit32(v, &f->request, 0x2c2d2e2f);
	visit64(v, &f->next_session, 0x3031323334353637);
	visit16(v, &f->code, 0x3839);
	visit32(v, &f->attempt, 0x3c3d3e3f);
}

static void visit_probe(const struct visit *v)
{
	struct godwit_probe *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->nonce, 0x1011121314151617);
}

static void visit_error(const struct visit *v)
{
	struct godwit_error *f = part_at(v, 0);

	visit_frame(v, &f->frame, 0, 0);
	visit64(v, &f->tag, 0x08090a0b0c0d0e0f);
	visit64(v, &f->session, 0x1011121314151617);
	visit64(v, &f->seq, 0x18191a1b1c1d1e1f);
	visit32(v, &f->epoch, 0x20212223);
	visit32(v, &f->request, 0x24252627);
	visit64(v, &f->detail, 0x28292a2b2c2d2e2f);
	visit16(v, &f->code, 0x3031);
	visit16(v, &f->text_bytes, 13);
	visit_text(v, part_at(v, 56), "no such s\u00f6rt", 13);
}

static const struct visited frames[] = {
	{"HELLO", GODWIT_HELLO, visit_hello},
	{"HELLO_PROOF", GODWIT_HELLO_PROOF, visit_hello_proof},
	{"SUBSCRIBE", GODWIT_SUBSCRIBE, visit_subscribe},
	{"RESUME", GODWIT_RESUME, visit_resume},
	{"ACK", GODWIT_ACK, visit_ack},
	{"UNSUBSCRIBE", GODWIT_UNSUBSCRIBE, visit_unsubscribe},
	{"PUBLISH_OPEN", GODWIT_PUBLISH_OPEN, visit_publish_open},
	{"PUBLISH", GODWIT_PUBLISH, visit_publish},
	{"TOPIC", GODWIT_TOPIC, visit_topic},
	{"PROBE_REPLY", GODWIT_PROBE_REPLY, visit_probe_reply},
	{"COOKIE", GODWIT_COOKIE, visit_cookie},
	{"WELCOME", GODWIT_WELCOME, visit_welcome},
	{"SUBSCRIBED", GODWIT_SUBSCRIBED, visit_subscribed},
	{"DATA", GODWIT_DATA, visit_data},
	{"HEARTBEAT", GODWIT_HEARTBEAT, visit_heartbeat},
	{"TAKE", GODWIT_TAKE, visit_take},
	{"MIGRATE", GODWIT_MIGRATE, visit_migrate},
	{"REDIRECT", GODWIT_REDIRECT, visit_redirect},
	{"PUBLISH_OPENED", GODWIT_PUBLISH_OPENED, visit_publish_opened},
	{"PUBLISH_ACK", GODWIT_PUBLISH_ACK, visit_publish_ack},
	{"TOPIC_NUMBER", GODWIT_TOPIC_NUMBER, visit_topic_number},
	{"ENDED", GODWIT_ENDED, visit_ended},
	{"PROBE", GODWIT_PROBE, visit_probe},
	{"ERROR", GODWIT_ERROR, visit_error},
};

#define FRAMES (sizeof(frames) / sizeof(frames[0]))

Test(wire_layout, writes_each_frame_as_its_vector)
{
	visit_written(frames, FRAMES);
}

Test(wire_layout, reads_each_vector_as_its_values)
{
	visit_read(frames, FRAMES);
}

Test(wire_layout, visits_every_frame_type)
{
	size_t i = 0;

	for (uint8_t type = GODWIT_HELLO; type <= GODWIT_PROBE_REPLY; type++, i++)
		cr_assert_eq(frames[i].type, type, "%s", frames[i].name);
	for (uint8_t type = GODWIT_COOKIE; type <= GODWIT_ERROR; type++, i++)
		cr_assert_eq(frames[i].type, type, "%s", frames[i].name);
	cr_assert_eq(i, FRAMES);
}
