// SPDX-License-Identifier: BSD-3-Clause
//
// A switch that misbehaves on purpose: for tests with real packets between network namespaces.
//
//	port --receive--> "from" faults --> learn, choose ports --> "to" faults --> queue --send--> port
//
// It learns where hardware addresses are, floods what it does not know, and on the way loses, doubles,
// holds back or swallows frames by the odds given for each port and direction. Each port and
// direction has random numbers of its own, drawn in equal number for each frame, from one seed: the
// n-th frame of a direction meets the same fate in every run.
//
// One thread; it sleeps in ppoll. All memory is taken at the start; what finds the queue full is
// dropped and counted. SIGTERM or SIGINT: prints what happened, one line a port, and ends.
#define _GNU_SOURCE // ppoll

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX	   16
#define ADDRESSES_MAX	   256
#define FRAME_MAX	   9216
#define QUEUE_DEFAULT	   8192
#define QUEUE_MAX	   (1 << 20)
#define BURST		   64 // frames taken from a port before the next one's turn
#define SOCKET_BYTES	   (8 << 20)
#define REORDER_US_DEFAULT 2000
#define PORT_NONE	   UINT32_MAX

// What a direction of a port does to frames. Odds are out of 2^32.
struct faults {
	uint64_t loss, duplicate, reorder;
	uint64_t reorder_ns; // how long a reordered frame is held back
	uint64_t delay_ns, jitter_ns;
	uint32_t packet_max; // IP bytes; 0: any
};

struct direction {
	struct faults faults;
	uint64_t random;
	uint64_t frames, lost, duplicated, reordered, swallowed;
};

struct port {
	const char *name;
	int fd;
	struct direction from, to; // as seen from the hosts behind the port
	uint64_t sent, send_failed, queue_full;
};

struct frame {
	struct frame *next_free;
	uint32_t port, length;
	uint8_t bytes[FRAME_MAX];
};

struct waiting {
	uint64_t due_ns, number;
	struct frame *frame;
};

struct address {
	uint8_t bytes[ETH_ALEN];
	uint32_t port;
};

struct chaos {
	uint64_t seed;
	struct faults faults; // for the ports that follow on the command line
	uint32_t port_count, address_count, queue_slots;
	uint32_t waiting, used; // frames in the heap; frames that were ever used
	uint64_t numbered;
	struct port ports[PORTS_MAX];
	struct address addresses[ADDRESSES_MAX];
	struct waiting *heap; // by due_ns, then number: [0] is due first
	struct frame *frames;
	struct frame *free;
};

static uint64_t clock_now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

// splitmix64: every state has the full period, so any seed will do.
static uint64_t random_next(uint64_t *state)
{
	uint64_t mixed = *state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

static bool random_happens(uint64_t *state, uint64_t odds)
{
	return random_next(state) >> 32 < odds;
}

// ---- the queue ----------------------------------------------------------------------------------

static bool waiting_is_before(const struct waiting *left, const struct waiting *right)
{
	return left->due_ns != right->due_ns ? left->due_ns < right->due_ns :
					       left->number < right->number;
}

static bool queue_create(struct chaos *chaos)
{
	chaos->heap = calloc(chaos->queue_slots, sizeof(struct waiting));
	// Pages are the kernel's to give when first touched, and the last freed is used first.
	chaos->frames = calloc(chaos->queue_slots, sizeof(struct frame));
	return chaos->heap != NULL && chaos->frames != NULL;
}

// NULL: the queue is full.
static struct frame *frame_alloc(struct chaos *chaos)
{
	struct frame *frame = chaos->free;

	if (frame != NULL)
		chaos->free = frame->next_free;
	else if (chaos->used < chaos->queue_slots)
		frame = &chaos->frames[chaos->used++];
	return frame;
}

static void frame_free(struct chaos *chaos, struct frame *frame)
{
	frame->next_free = chaos->free;
	chaos->free = frame;
}

static void queue_push(struct chaos *chaos, struct frame *frame, uint64_t due_ns)
{
	struct waiting last = {due_ns, chaos->numbered++, frame};
	uint32_t at = chaos->waiting++;

	while (at > 0 && waiting_is_before(&last, &chaos->heap[(at - 1) / 2])) {
		chaos->heap[at] = chaos->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	chaos->heap[at] = last;
}

static struct frame *queue_pop(struct chaos *chaos)
{
	struct waiting first = chaos->heap[0], last = chaos->heap[--chaos->waiting];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= chaos->waiting)
			break;
		if (child + 1 < chaos->waiting &&
		    waiting_is_before(&chaos->heap[child + 1], &chaos->heap[child]))
			child++;
		if (!waiting_is_before(&chaos->heap[child], &last))
			break;
		chaos->heap[at] = chaos->heap[child];
		at = child;
	}
	chaos->heap[at] = last;
	return first.frame;
}

// ---- faults -------------------------------------------------------------------------------------

struct fate {
	uint32_t copies;
	uint64_t delay_ns;
};

static struct fate direction_decide(struct direction *direction, uint32_t length)
{
	const struct faults *faults = &direction->faults;
	uint64_t *random = &direction->random;
	struct fate fate = {.copies = 1, .delay_ns = faults->delay_ns};
	bool is_lost = random_happens(random, faults->loss);
	bool is_double = random_happens(random, faults->duplicate);
	bool is_late = random_happens(random, faults->reorder);
	uint64_t jitter = random_next(random);

	direction->frames++;
	if (faults->packet_max != 0 && length > faults->packet_max + ETH_HLEN) {
		direction->swallowed++;
		fate.copies = 0;
	} else if (is_lost) {
		direction->lost++;
		fate.copies = 0;
	} else if (is_double) {
		direction->duplicated++;
		fate.copies = 2;
	}
	if (faults->jitter_ns != 0)
		fate.delay_ns += jitter % faults->jitter_ns;
	if (is_late && fate.copies > 0) {
		direction->reordered++;
		fate.delay_ns += faults->reorder_ns;
	}
	return fate;
}

// ---- the switch ---------------------------------------------------------------------------------

static uint32_t address_port(const struct chaos *chaos, const uint8_t *bytes)
{
	for (uint32_t i = 0; i < chaos->address_count; i++)
		if (memcmp(chaos->addresses[i].bytes, bytes, ETH_ALEN) == 0)
			return chaos->addresses[i].port;
	return PORT_NONE;
}

// An address that finds the table full stays unknown: frames to it are flooded.
static void address_learn(struct chaos *chaos, const uint8_t *bytes, uint32_t port)
{
	for (uint32_t i = 0; i < chaos->address_count; i++) {
		if (memcmp(chaos->addresses[i].bytes, bytes, ETH_ALEN) == 0) {
			chaos->addresses[i].port = port;
			return;
		}
	}
	if (chaos->address_count == ADDRESSES_MAX)
		return;
	memcpy(chaos->addresses[chaos->address_count].bytes, bytes, ETH_ALEN);
	chaos->addresses[chaos->address_count++].port = port;
}

static void frame_queue(struct chaos *chaos, uint32_t port, const uint8_t *bytes, uint32_t length,
			uint64_t due_ns)
{
	struct frame *frame = frame_alloc(chaos);

	if (frame == NULL) {
		chaos->ports[port].queue_full++;
		return;
	}
	frame->port = port;
	frame->length = length;
	memcpy(frame->bytes, bytes, length);
	queue_push(chaos, frame, due_ns);
}

static void frame_forward(struct chaos *chaos, uint32_t from, const uint8_t *bytes, uint32_t length,
			  uint64_t now_ns)
{
	bool is_group = (bytes[0] & 1) != 0;
	uint32_t known = is_group ? PORT_NONE : address_port(chaos, bytes);
	struct fate in = direction_decide(&chaos->ports[from].from, length);

	address_learn(chaos, bytes + ETH_ALEN, from);
	for (uint32_t copy = 0; copy < in.copies; copy++) {
		for (uint32_t to = 0; to < chaos->port_count; to++) {
			if (to == from || (known != PORT_NONE && known != to))
				continue;
			struct fate out = direction_decide(&chaos->ports[to].to, length);

			for (uint32_t i = 0; i < out.copies; i++)
				frame_queue(chaos, to, bytes, length,
					    now_ns + in.delay_ns + out.delay_ns);
		}
	}
}

static void port_receive(struct chaos *chaos, uint32_t port, uint64_t now_ns)
{
	uint8_t bytes[FRAME_MAX];

	for (uint32_t i = 0; i < BURST; i++) {
		ssize_t length =
			recv(chaos->ports[port].fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

		if (length < ETH_HLEN)
			return;
		if ((size_t)length > sizeof(bytes))
			chaos->ports[port].from.swallowed++;
		else
			frame_forward(chaos, port, bytes, (uint32_t)length, now_ns);
	}
}

static void queue_send(struct chaos *chaos)
{
	uint64_t now_ns = clock_now_ns();

	while (chaos->waiting > 0 && chaos->heap[0].due_ns <= now_ns) {
		struct frame *frame = queue_pop(chaos);
		struct port *port = &chaos->ports[frame->port];

		if (send(port->fd, frame->bytes, frame->length, MSG_DONTWAIT) < 0)
			port->send_failed++;
		else
			port->sent++;
		frame_free(chaos, frame);
	}
}

static void run(struct chaos *chaos, int signals)
{
	struct pollfd polled[PORTS_MAX + 1];
	uint32_t count = chaos->port_count;

	for (uint32_t i = 0; i < count; i++)
		polled[i] = (struct pollfd){.fd = chaos->ports[i].fd, .events = POLLIN};
	polled[count] = (struct pollfd){.fd = signals, .events = POLLIN};
	while ((polled[count].revents & POLLIN) == 0) {
		struct timespec wait, *limit = NULL;
		uint64_t now_ns = clock_now_ns();

		if (chaos->waiting > 0) {
			uint64_t due_ns = chaos->heap[0].due_ns;
			uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;

			wait.tv_sec = (time_t)(left_ns / 1000000000u);
			wait.tv_nsec = (long)(left_ns % 1000000000u);
			limit = &wait;
		}
		if (ppoll(polled, count + 1, limit, NULL) < 0 && errno != EINTR)
			return;
		now_ns = clock_now_ns();
		// An interface that went down is an error on its socket, read away by recv.
		for (uint32_t i = 0; i < count; i++)
			if (polled[i].revents != 0)
				port_receive(chaos, i, now_ns);
		queue_send(chaos);
	}
}

static bool port_open(struct port *port)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	int one = 1, bytes = SOCKET_BYTES;

	address.sll_ifindex = (int)if_nametoindex(port->name);
	promiscuous.mr_ifindex = address.sll_ifindex;
	if (address.sll_ifindex == 0)
		return false;
	// No protocol before bind: nothing of other interfaces gets in.
	port->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (port->fd < 0)
		return false;
	setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(port->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return setsockopt(port->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) == 0 &&
	       setsockopt(port->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
			  sizeof(promiscuous)) == 0 &&
	       bind(port->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static void direction_print(const char *name, const struct direction *direction)
{
	printf(" %s=%llu lost=%llu duplicated=%llu reordered=%llu swallowed=%llu", name,
	       (unsigned long long)direction->frames, (unsigned long long)direction->lost,
	       (unsigned long long)direction->duplicated, (unsigned long long)direction->reordered,
	       (unsigned long long)direction->swallowed);
}

static void print_counts(const struct chaos *chaos)
{
	for (uint32_t i = 0; i < chaos->port_count; i++) {
		const struct port *port = &chaos->ports[i];
		struct tpacket_stats kernel = {0};
		socklen_t bytes = sizeof(kernel);

		getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &bytes);
		printf("chaos: %s:", port->name);
		direction_print("from", &port->from);
		direction_print("to", &port->to);
		printf(" sent=%llu send_failed=%llu queue_full=%llu socket_full=%u\n",
		       (unsigned long long)port->sent, (unsigned long long)port->send_failed,
		       (unsigned long long)port->queue_full, kernel.tp_drops);
	}
}

// ---- the command line ---------------------------------------------------------------------------

enum {
	OPTION_DROP_LARGE = 256,
	OPTION_REORDER_US,
	OPTION_QUEUE
};

static const struct argp_option options[] = {
	{"seed", 's', "N", 0, "of all random numbers (1)", 0},
	{"queue", OPTION_QUEUE, "N", 0, "frames that may wait (8192)", 0},
	{"loss", 'l', "PERCENT", 0, "of frames lost; 0.5 is half a percent", 1},
	{"duplicate", 'd', "PERCENT", 0, "of frames sent twice", 1},
	{"reorder", 'r', "PERCENT", 0, "of frames held back, so that later ones pass", 1},
	{"reorder-us", OPTION_REORDER_US, "N", 0, "how long those are held back (2000)", 1},
	{"delay", 'y', "US", 0, "that every frame is late", 1},
	{"jitter", 'j', "US", 0, "up to which a frame is later still; it reorders too", 1},
	{"drop-large", OPTION_DROP_LARGE, "BYTES", 0, "swallow IP packets above it", 1},
	{0},
};

static bool number_parse(const char *text, double max, double *number)
{
	char *end;

	errno = 0;
	*number = strtod(text, &end);
	return errno == 0 && end != text && *end == '\0' && *number >= 0 && *number <= max;
}

static bool faults_set(struct faults *faults, const char *key, const char *value)
{
	static const struct {
		const char *key;
		double max;
	} keys[] = {{"loss", 100},  {"duplicate", 100}, {"reorder", 100},     {"reorder-us", 1e7},
		    {"delay", 1e7}, {"jitter", 1e7},	{"drop-large", 65535}};
	uint64_t *const odds[] = {&faults->loss, &faults->duplicate, &faults->reorder};
	uint64_t *const times[] = {&faults->reorder_ns, &faults->delay_ns, &faults->jitter_ns};
	double number;
	uint32_t i = 0;

	while (i < 7 && strcmp(keys[i].key, key) != 0)
		i++;
	if (i == 7 || !number_parse(value, keys[i].max, &number))
		return false;
	if (i < 3)
		*odds[i] = (uint64_t)(number / 100 * 4294967296.0);
	else if (i < 6)
		*times[i - 3] = (uint64_t)(number * 1000);
	else
		faults->packet_max = (uint32_t)number;
	return true;
}

// INTERFACE[,[to.|from.]KEY=VALUE...]
static void port_parse(struct chaos *chaos, char *text, struct argp_state *state)
{
	struct port *port = &chaos->ports[chaos->port_count];
	char *rest = NULL;

	if (chaos->port_count == PORTS_MAX)
		argp_error(state, "at most %d interfaces", PORTS_MAX);
	port->name = strtok_r(text, ",", &rest);
	if (port->name == NULL)
		argp_error(state, "an interface without a name");
	port->from.faults = port->to.faults = chaos->faults;
	for (char *key; (key = strtok_r(NULL, ",", &rest)) != NULL;) {
		bool is_to = strncmp(key, "to.", 3) == 0, is_from = strncmp(key, "from.", 5) == 0;
		char *value = strchr(key, '=');
		bool is_good = value != NULL;

		if (is_good)
			*value++ = '\0';
		key += is_to ? 3 : is_from ? 5 : 0;
		if (is_good && !is_from)
			is_good = faults_set(&port->to.faults, key, value);
		if (is_good && !is_to)
			is_good = faults_set(&port->from.faults, key, value);
		if (!is_good)
			argp_error(state, "%s: not a fault of an interface: %s", port->name, key);
	}
	chaos->port_count++;
}

static error_t option_parse(int key, char *argument, struct argp_state *state)
{
	struct chaos *chaos = state->input;
	double number;

	switch (key) {
	case 's':
		if (!number_parse(argument, 9e15, &number))
			argp_error(state, "not a seed: %s", argument);
		chaos->seed = (uint64_t)number;
		return 0;
	case OPTION_QUEUE:
		if (!number_parse(argument, QUEUE_MAX, &number) || number < 1)
			argp_error(state, "not a number of frames: %s", argument);
		chaos->queue_slots = (uint32_t)number;
		return 0;
	case ARGP_KEY_ARG:
		port_parse(chaos, argument, state);
		return 0;
	case ARGP_KEY_END:
		if (chaos->port_count < 2)
			argp_error(state, "two interfaces are needed at least");
		return 0;
	default:
		break;
	}
	for (const struct argp_option *option = options; option->name != NULL; option++) {
		if (option->key != key)
			continue;
		if (!faults_set(&chaos->faults, option->name, argument))
			argp_error(state, "not a value for --%s: %s", option->name, argument);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = option_parse,
	.args_doc = "INTERFACE[,[to.|from.]FAULT=VALUE...]...",
	.doc = "A learning switch between Ethernet interfaces that loses, doubles, reorders, delays or "
	       "swallows frames, seeded. Faults given as options hold in both directions for the "
	       "interfaces that follow them; after an interface's name they hold for it alone: "
	       "eth0,to.loss=5,from.delay=100. \"to\": towards the hosts behind it."
	       "\vPrints \"chaos: ready\" when frames pass, and counts at SIGTERM or SIGINT.",
};

int main(int argc, char **argv)
{
	static struct chaos chaos = {
		.seed = 1,
		.queue_slots = QUEUE_DEFAULT,
		.faults = {.reorder_ns = REORDER_US_DEFAULT * 1000u},
	};
	sigset_t ending;
	int signals;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chaos);
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	signals = signalfd(-1, &ending, SFD_CLOEXEC);
	if (signals < 0 || !queue_create(&chaos)) {
		fprintf(stderr, "chaos: cannot start: %s\n", strerror(errno));
		return 1;
	}
	for (uint32_t i = 0; i < chaos.port_count; i++) {
		struct port *port = &chaos.ports[i];
		uint64_t seed = chaos.seed * PORTS_MAX * 2 + i * 2;

		port->from.random = random_next(&seed);
		port->to.random = random_next(&seed);
		if (!port_open(port)) {
			fprintf(stderr, "chaos: %s: %s\n", port->name, strerror(errno));
			return 1;
		}
	}
	prctl(PR_SET_TIMERSLACK, 1);
	printf("chaos: ready, %u ports\n", chaos.port_count);
	fflush(stdout);
	run(&chaos, signals);
	print_counts(&chaos);
	return 0;
}
