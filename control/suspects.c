// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that fell silent: the other servers are asked whether they reach them. One that does gets the
// client's cursors; a client that is heard again meanwhile keeps them, and one that nobody reaches lapses.
// Where more than half of this server's clients fall silent within a detection time, its port is suspect
// first: they are asked for one detection time later.
//
// And the other way: what a peer asks for is asked of the client by PROBE, three times, and answered.
#include "control/link.h"
#include "control/migration_inside.h"

#define PROBES	     3
#define PROBE_NS     20000000ull
#define PROBE_ALL_NS (5 * PROBE_NS)

static uint64_t silence_ns(const struct migration *m)
{
	return 3 * m->config.interval_ns;
}

static struct suspect *find(struct migration *m, uint64_t client)
{
	struct suspect *suspect;

	HASH_FIND(hh, m->suspects, &client, sizeof(client), suspect);
	return suspect;
}

static void forget(struct migration *m, struct suspect *suspect)
{
	HASH_DEL(m->suspects, suspect);
	free(suspect);
	m->suspects_count--;
}

static void post_probe(struct migration *m, uint32_t peer, uint8_t type, uint64_t tag,
		       uint64_t nonce, const struct godwit_address *address, uint16_t result)
{
	struct godwit_probe_for frame = {
		.from.frame = {.version = GODWIT_VERSION, .type = type},
		.tag = godwit_be64(tag),
		.nonce = godwit_be64(nonce),
		.port = godwit_be16(address->port),
		.result = godwit_be16(result),
	};

	memcpy(frame.ip, address->ip, sizeof(frame.ip));
	m->ops.post(m->ops.arg, peer, &frame, sizeof(frame));
}

// ---- our own suspects --------------------------------------------------------------------------

static void fell_silent(struct migration *m, const struct core_notice *notice, uint64_t now_ns)
{
	struct suspect *suspect = find(m, notice->client);
	uint32_t own = cursor_table_home_live(m->table, m->config.server);

	MCOUNT(m, suspects);
	if (suspect != NULL || m->suspects_count == SUSPECTS_MAX)
		return;
	suspect = calloc(1, sizeof(*suspect));
	if (suspect == NULL)
		return;
	*suspect = (struct suspect){
		.client = notice->client,
		.instance = notice->instance,
		.tag = notice->tag,
		.nonce = migration_random(m),
		.address = notice->address,
		.core = notice->core,
		.due_ns = now_ns,
	};
	HASH_ADD(hh, m->suspects, client, sizeof(suspect->client), suspect);
	if (suspect->hh.tbl == NULL) {
		free(suspect);
		return;
	}
	m->suspects_count++;
	if (now_ns - m->crowd_from_ns > silence_ns(m)) {
		m->crowd_from_ns = now_ns;
		m->crowd = 0;
	}
	// Clients are counted by their cursors, of which each has one at least.
	if (link_port_is_suspect(own, ++m->crowd)) {
		MCOUNT(m, crowds);
		suspect->due_ns = now_ns + silence_ns(m);
	}
}

static void ask(struct migration *m, struct suspect *suspect, uint64_t now_ns)
{
	suspect->was_asked = true;
	suspect->due_ns = now_ns + 2 * PROBE_ALL_NS;
	for (uint32_t i = 0; i < m->view.peers_count; i++) {
		if (!peer_takes_cursors(&m->view.peers[i]))
			continue;
		suspect->asked |= 1u << i;
		post_probe(m, i, GODWIT_PROBE_FOR, suspect->tag, suspect->nonce, &suspect->address,
			   0);
	}
}

// That peer reaches the client: it is asked to take all that the client has here.
static void reached(struct migration *m, const struct suspect *suspect, uint32_t peer,
		    uint64_t now_ns)
{
	for (uint32_t i = cursor_table_client_first(m->table, suspect->client); i != 0;
	     i = cursor_table_client_next(m->table, i)) {
		struct cursor cursor;

		cursor_table_at(m->table, i, &cursor);
		if (cursor.home != m->config.server || move_find(m, &cursor.key) != NULL ||
		    (cursor.flags & GODWIT_CURSOR_LAPSED) != 0 ||
		    moved_lately(m, &cursor.key, now_ns))
			continue;
		handover_begin(m, &cursor, GODWIT_MIGRATION_LINK, peer, now_ns);
	}
}

static void heard_again(struct migration *m, const struct core_notice *notice, uint64_t now_ns)
{
	struct suspect *suspect = find(m, notice->client);

	if (suspect != NULL) {
		MCOUNT(m, suspects_back);
		forget(m, suspect);
	}
	for (uint32_t i = cursor_table_client_first(m->table, notice->client); i != 0;
	     i = cursor_table_client_next(m->table, i)) {
		struct cursor cursor;
		struct move *move;

		cursor_table_at(m->table, i, &cursor);
		move = move_find(m, &cursor.key);
		if (move != NULL && move->giving && move->reason == GODWIT_MIGRATION_LINK)
			handover_withdraw(m, move, now_ns);
	}
}

// ---- what peers ask for ------------------------------------------------------------------------

static void probe_forget(struct migration *m, struct asked_probe *probe)
{
	probe->used = false;
	m->probes_count--;
}

static void probe_asked(struct migration *m, uint32_t peer, const struct godwit_probe_for *frame,
			uint64_t now_ns)
{
	uint64_t nonce = godwit_get64(frame->nonce);
	struct asked_probe *free_one = NULL;

	for (uint32_t i = 0; i < ASKED_PROBES_MAX; i++) {
		struct asked_probe *probe = &m->probes[i];

		if (probe->used && probe->peer == peer && probe->nonce == nonce)
			return; // asked again
		if (!probe->used && free_one == NULL)
			free_one = probe;
	}
	if (free_one == NULL) {
		MCOUNT(m, full);
		return;
	}
	*free_one = (struct asked_probe){
		.used = true,
		.peer = peer,
		.tag = godwit_get64(frame->tag),
		.nonce = nonce,
		.due_ns = now_ns,
		.until_ns = now_ns + PROBE_ALL_NS,
		.address.port = godwit_get16(frame->port),
	};
	memcpy(free_one->address.ip, frame->ip, sizeof(frame->ip));
	m->probes_count++;
	MCOUNT(m, probes_asked);
}

static void probe_answered(struct migration *m, const struct core_notice *notice)
{
	for (uint32_t i = 0; i < ASKED_PROBES_MAX; i++) {
		struct asked_probe *probe = &m->probes[i];

		if (!probe->used || probe->nonce != notice->nonce || probe->tag != notice->tag)
			continue;
		post_probe(m, probe->peer, GODWIT_PROBE_RESULT, probe->tag, probe->nonce,
			   &probe->address, 1);
		probe_forget(m, probe);
	}
}

static void probe_look(struct migration *m, struct asked_probe *probe, uint64_t now_ns)
{
	struct core_command command = {
		.connection = probe->tag,
		.nonce = probe->nonce,
		.address = probe->address,
	};

	if (now_ns >= probe->until_ns) {
		post_probe(m, probe->peer, GODWIT_PROBE_RESULT, probe->tag, probe->nonce,
			   &probe->address, 2);
		probe_forget(m, probe);
		return;
	}
	if (now_ns < probe->due_ns || probe->sent == PROBES)
		return;
	// The link core sends, and gets the reply wherever that arrives.
	if (m->ops.command(m->ops.arg, SERVER_LINK_CORE, CORE_COMMAND_PROBE, &command)) {
		probe->sent++;
		probe->due_ns = now_ns + PROBE_NS;
	}
}

static void probes_step(struct migration *m, uint64_t now_ns)
{
	uint32_t left = m->probes_count;

	for (uint32_t i = 0; i < ASKED_PROBES_MAX && left > 0; i++) {
		if (!m->probes[i].used)
			continue;
		left--;
		probe_look(m, &m->probes[i], now_ns);
	}
}

// ---- together ----------------------------------------------------------------------------------

void suspects_notice(struct migration *m, enum core_notice_kind kind,
		     const struct core_notice *notice, uint64_t now_ns)
{
	if (kind == CORE_NOTICE_CLIENT_SUSPECT)
		fell_silent(m, notice, now_ns);
	else if (kind == CORE_NOTICE_CLIENT_BACK)
		heard_again(m, notice, now_ns);
	else
		probe_answered(m, notice);
}

void suspects_frame(struct migration *m, uint32_t peer, const struct godwit_probe_for *frame,
		    uint64_t now_ns)
{
	struct suspect *suspect, *next;

	if (frame->from.frame.type == GODWIT_PROBE_FOR) {
		probe_asked(m, peer, frame, now_ns);
		return;
	}
	HASH_ITER(hh, m->suspects, suspect, next) {
		if (suspect->nonce != godwit_get64(frame->nonce) ||
		    suspect->tag != godwit_get64(frame->tag))
			continue;
		if (godwit_get16(frame->result) == 1) {
			MCOUNT(m, suspects_reached);
			reached(m, suspect, peer, now_ns);
			forget(m, suspect);
			return;
		}
		suspect->silent |= 1u << peer;
		if ((suspect->silent & suspect->asked) == suspect->asked)
			suspect->due_ns = now_ns; // nobody reaches it
		return;
	}
	MCOUNT(m, frames_odd);
}

void suspects_step(struct migration *m, uint64_t now_ns)
{
	struct suspect *suspect, *next;

	probes_step(m, now_ns);
	HASH_ITER(hh, m->suspects, suspect, next) {
		if (now_ns < suspect->due_ns)
			continue;
		if (!suspect->was_asked) {
			ask(m, suspect, now_ns);
			continue;
		}
		// It lapses here, unless it is heard first; then it may be suspect anew.
		MCOUNT(m, suspects_gone);
		forget(m, suspect);
	}
}
