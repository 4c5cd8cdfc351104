// SPDX-License-Identifier: BSD-3-Clause
//
// plane, part: the links to the other servers. A link that fell silent is asked for through the others,
// by PROBE_FOR with tag 0 and the server's address, before it counts as dead; a newer incarnation is the
// death of the older one at once.
#include "control/plane_inside.h"

#define NO_ASK UINT32_MAX

static_assert(SERVER_PEERS_MAX <= LINK_PEERS_MAX, "a peer is a bit of a link's masks");

void plane_links_init(struct plane *plane, uint64_t now_ns)
{
	struct migration_view *view = migration_view(plane->migration);
	struct peers *peers = &plane->server->peers;
	struct link_config config =
		link_config(peers->interval_us * 1000ull, plane->config.multiplier);

	view->peers_count = peers->count;
	for (uint32_t i = 0; i < peers->count; i++) {
		// Not heard yet: nothing of it is lost to anybody.
		link_init(&plane->links[i], &config, LINK_DEAD, now_ns);
		view->peers[i] = (struct migration_peer){
			.id = peers->peers[i].id,
			.weight = peers->peers[i].weight,
			.address = peers->peers[i].address,
		};
	}
}

static void post_probe(struct plane *plane, uint32_t to, uint8_t type, uint64_t ask,
		       const struct godwit_address *address, uint16_t result)
{
	struct godwit_probe_for frame = {
		.from.frame = {.version = GODWIT_VERSION, .type = type},
		.nonce = godwit_be64(ask),
		.port = godwit_be16(address->port),
		.result = godwit_be16(result),
	};

	memcpy(frame.ip, address->ip, sizeof(frame.ip));
	peers_post(&plane->server->peers, to, &frame, sizeof(frame));
}

static void ask_others(struct plane *plane, uint32_t peer, uint64_t now_ns)
{
	struct link_detector *link = &plane->links[peer];
	struct peers *peers = &plane->server->peers;
	uint32_t asked = 0;

	for (uint32_t i = 0; i < peers->count; i++) {
		if (i == peer || plane->links[i].state != LINK_UP ||
		    !peer_takes_part(&peers->peers[i]))
			continue;
		asked |= 1u << i;
		post_probe(plane, i, GODWIT_PROBE_FOR, link->ask, &peers->peers[peer].address, 0);
	}
	link_asked(link, asked, now_ns);
}

static void became(struct plane *plane, uint32_t peer, enum peer_verdict verdict)
{
	atomic_store_explicit(&plane->server->peers.peers[peer].verdict, verdict,
			      memory_order_release);
}

static void died(struct plane *plane, uint32_t peer, bool is_old, uint64_t now_ns)
{
	struct migration_peer *view = &migration_view(plane->migration)->peers[peer];

	view->is_up = false;
	view->is_dead = !is_old;
	became(plane, peer, PEER_DEAD);
	plane_say(plane, "server %u is dead: %s", view->id, link_why_name(plane->links[peer].why));
	migration_dead(plane->migration, peer, now_ns);
}

// The actions of a step of its link.
static void act(struct plane *plane, uint32_t peer, uint32_t actions, uint64_t now_ns)
{
	struct migration_peer *view = &migration_view(plane->migration)->peers[peer];
	struct link_detector *link = &plane->links[peer];

	if (actions & LINK_TURNED_SUSPECT) {
		became(plane, peer, PEER_SUSPECT);
		plane_say(plane, "server %u is suspect: %s", view->id, link_why_name(link->why));
	}
	if (actions & LINK_ASK)
		ask_others(plane, peer, now_ns);
	// Where nobody could be asked, asking ended it.
	if ((actions & LINK_TURNED_DEAD) ||
	    ((actions & LINK_ASK) && link->state == LINK_DEAD && !view->is_dead))
		died(plane, peer, false, now_ns);
	if (actions & LINK_TURNED_UP) {
		bool was_dead = view->is_dead;

		view->is_dead = false;
		became(plane, peer, PEER_UP);
		plane_say(plane, "server %u is up", view->id);
		if (was_dead)
			migration_heard(plane->migration, peer, now_ns);
	}
}

static void look_at(struct plane *plane, uint32_t i, uint64_t now_ns)
{
	struct peer *peer = &plane->server->peers.peers[i];
	struct plane_peer *own = &plane->peers[i];
	uint64_t incarnation = atomic_load_explicit(&peer->incarnation, memory_order_acquire);
	uint64_t heard_ns = atomic_load_explicit(&peer->heard_ns, memory_order_acquire);

	if (incarnation != own->incarnation) {
		bool is_another = own->incarnation != 0;

		own->incarnation = incarnation;
		if (is_another) {
			bool was_dead = plane->links[i].state == LINK_DEAD;

			link_kill(&plane->links[i], LINK_WHY_INCARNATION, now_ns);
			if (!was_dead)
				died(plane, i, true, now_ns);
		}
	}
	if (heard_ns != 0 && heard_ns != own->heard_ns) {
		own->heard_ns = heard_ns;
		act(plane, i, link_heard(&plane->links[i], heard_ns), now_ns);
	}
	act(plane, i, link_tick(&plane->links[i], now_ns), now_ns);
}

void plane_links_step(struct plane *plane, uint64_t now_ns)
{
	struct migration_view *view = migration_view(plane->migration);
	struct peers *peers = &plane->server->peers;

	for (uint32_t i = 0; i < peers->count; i++) {
		const struct link_detector *link = &plane->links[i];
		uint64_t hears_ns, most_ns;

		look_at(plane, i, now_ns);
		hears_ns = atomic_load_explicit(&peers->peers[i].hears_ns, memory_order_relaxed);
		most_ns = 2 * link->config.interval_ns * link_multiplier(link);
		// A link in one direction carries no cursor.
		view->peers[i].is_up = link->state == LINK_UP &&
				       peer_takes_part(&peers->peers[i]) && hears_ns != 0 &&
				       now_ns < hears_ns + most_ns;
		view->peers[i].is_draining = atomic_load_explicit(&peers->peers[i].is_draining,
								  memory_order_relaxed) != 0;
	}
}

bool plane_links_frame(struct plane *plane, uint32_t peer, const struct godwit_probe_for *frame,
		       uint64_t now_ns)
{
	struct peers *peers = &plane->server->peers;
	struct godwit_address about = {.port = godwit_get16(frame->port)};
	uint32_t ask = (uint32_t)godwit_get64(frame->nonce), i = 0;

	if (godwit_get64(frame->tag) != 0)
		return false;
	memcpy(about.ip, frame->ip, sizeof(about.ip));
	while (i < peers->count && !godwit_address_equal(&peers->peers[i].address, &about))
		i++;
	if (i == peers->count || i == peer)
		return true; // of no server that both know
	if (frame->from.frame.type == GODWIT_PROBE_FOR) {
		bool hears = plane->links[i].state == LINK_UP;

		post_probe(plane, peer, GODWIT_PROBE_RESULT, ask, &about, hears ? 1 : 2);
		act(plane, i, link_peer_asks(&plane->links[i], peer, now_ns), now_ns);
	} else if (godwit_get16(frame->result) == 1) {
		act(plane, i, link_peer_hears(&plane->links[i], ask, peer, now_ns), now_ns);
	} else {
		act(plane, i, link_peer_silent(&plane->links[i], ask, peer, now_ns), now_ns);
	}
	return true;
}
