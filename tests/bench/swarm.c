// SPDX-License-Identifier: BSD-3-Clause
#include "tests/bench/swarm.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "client/tools/parse.h"

#define NS_PER_S    1000000000ull
#define REPORT_NS   500000000ull
#define IDLE_NS	    50000
#define CLIENTS_MAX 1000000u
#define TURN_BURSTS                                                                                \
	512 // received before timers have their turn: what lies in the queue may be what they wait for

static _Atomic int stop_asked;

enum option_key {
	OPTION_LOSS = 256,
	OPTION_THINK,
	OPTION_COUNT_MAX,
	OPTION_MTU,
	OPTION_PREFIX,
	OPTION_WINDOW,
	OPTION_PORTS,
	OPTION_IDS,
	OPTION_SEED,
	OPTION_TOGETHER,
	OPTION_MOVES,
	OPTION_SAMPLES,
};

static const struct argp_option keys[] = {
	{"interface", 'i', "NAME", 0, "interface of the swarm alone (required)", 0},
	{"address", 'a', "IPV4/BITS", 0, "address of client 0 and its network (required)", 0},
	{"server", 's', "ADDRESSES", 0, "servers, with commas between (required)", 0},
	{"stream", 'S', "NAME", 0, "stream that all subscribe to (required)", 0},
	{"clients", 'n', "N", 0, "clients, 1 to 1,000,000; 1000 unless stated", 0},
	{"rate", 'r', "N", 0, "clients that begin a second; 10k unless stated", 0},
	{"from", 'f', "START", 0, "latest (unless stated) or earliest", 0},
	{"seconds", 't', "TIME", 0, "end after it; else at SIGTERM", 0},
	{"json", 'j', "FILE", 0, "the summary goes there, not to standard output", 0},
	{"cpu", 'c', "N", 0, "CPU to run on; 0 unless stated", 0},
	{"count-max", OPTION_COUNT_MAX, "N", 0, "end when each client has so many messages", 0},
	{"loss", OPTION_LOSS, "PERCENT", 0, "of datagrams to and from each client, as 0.5", 0},
	{"think", OPTION_THINK, "TIME", 0, "from a datagram to the look at what it brought", 0},
	{"window", OPTION_WINDOW, "N", 0, "messages; 0: the library's", 0},
	{"ports-each", OPTION_PORTS, "N", 0, "clients of one address; 16384 unless stated", 0},
	{"client-base", OPTION_IDS, "N", 0, "client ids begin above it", 0},
	{"mtu", OPTION_MTU, "N", 0, "1500 unless stated", 0},
	{"eal-prefix", OPTION_PREFIX, "NAME", 0, "among the DPDK processes of the host", 0},
	{"together", OPTION_TOGETHER, NULL, 0, "all begin at the first server", 0},
	{"moves", OPTION_MOVES, "FILE", 0, "each move of a client with its times, at the end", 0},
	{"samples", OPTION_SAMPLES, "FILE", 0, "each message's times, at the end", 0},
	{"seed", OPTION_SEED, "N", 0, "of loss and of the clients' own randomness", 0},
	{0},
};

static const char about[] =
	"Plays up to a million subscribers over one interface, each with an address and port of its own, and "
	"checks what each of them receives. SIGTERM and SIGINT end the run. Every half second a line of JSON "
	"goes to standard output, at the end the summary.\vMoves are lines of JSON, samples pairs of unsigned "
	"64-bit numbers: when a message was taken, and when the stream got it. All times in both are of the wall "
	"clock, in ns.\n\nExit status: 0 if nothing was lost, repeated or damaged and "
	"everybody began; 1 otherwise; 2 for a wrong command line.";

static const char *parse_prefix(const char *text, struct swarm_options *options)
{
	const char *slash = strchr(text, '/');
	struct godwit_address address;
	char plain[32];
	uint64_t bits;
	const char *error;

	if (slash == NULL || slash - text > 15)
		return "an address and its network, as 10.77.128.0/16";
	snprintf(plain, sizeof(plain), "%.*s:1", (int)(slash - text), text);
	error = parse_address(plain, strlen(plain), &address);
	if (error == NULL)
		error = parse_number(slash + 1, 8, 30, &bits);
	if (error != NULL || !godwit_address_is_v4(&address))
		return error != NULL ? error : "an IPv4 address";
	options->address = godwit_address_ip4(&address);
	options->prefix_bits = (uint32_t)bits;
	return NULL;
}

static const char *parse_loss(const char *text, uint32_t *loss)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || *end != '\0' || !(percent >= 0 && percent <= 90))
		return "a percentage, 0 to 90";
	*loss = (uint32_t)(percent * 100 + 0.5);
	return NULL;
}

static const char *parse_u32(const char *text, uint32_t least, uint32_t most, uint32_t *value)
{
	uint64_t number = 0;
	const char *error = parse_count(text, &number);

	if (error == NULL && (number < least || number > most))
		error = "out of its range";
	if (error == NULL)
		*value = (uint32_t)number;
	return error;
}

static const char *parse_begin(const char *text, uint8_t *start)
{
	if (strcmp(text, "latest") != 0 && strcmp(text, "earliest") != 0)
		return "latest or earliest";
	*start = text[0] == 'l' ? GODWIT_START_LATEST : GODWIT_START_EARLIEST;
	return NULL;
}

static const char *parse_option(int key, const char *text, struct swarm_options *options)
{
	switch (key) {
	case 'a':
		return parse_prefix(text, options);
	case 's':
		return parse_addresses(text, SWARM_SERVERS, options->servers,
				       &options->server_count);
	case 'n':
		return parse_u32(text, 1, CLIENTS_MAX, &options->clients);
	case 'r':
		return parse_count(text, &options->rate);
	case 'f':
		return parse_begin(text, &options->start);
	case 't':
		return parse_duration(text, &options->run_ns);
	case 'c':
		return parse_u32(text, 0, 1023, &options->cpu);
	case OPTION_COUNT_MAX:
		return parse_count(text, &options->count_max);
	case OPTION_LOSS:
		return parse_loss(text, &options->loss);
	case OPTION_THINK:
		return parse_duration(text, &options->think_ns);
	case OPTION_WINDOW:
		return parse_u32(text, 0, GODWIT_WINDOW_MAX, &options->window);
	case OPTION_PORTS:
		return parse_u32(text, 1, 65536 - SWARM_PORT_FIRST, &options->ports_each);
	case OPTION_IDS:
		return parse_number(text, 0, UINT64_MAX - CLIENTS_MAX - 1, &options->client_base);
	case OPTION_MTU:
		return parse_u32(text, 1500, PORT_MTU_MAX, &options->mtu);
	default:
		return parse_number(text, 0, UINT64_MAX, &options->seed);
	}
}

static error_t take_option(int key, char *text, struct argp_state *state)
{
	struct swarm_options *options = state->input;
	const char *error = NULL;

	switch (key) {
	case 'i':
		options->interface = text;
		break;
	case 'S':
		options->stream = text;
		break;
	case 'j':
		options->json = text;
		break;
	case OPTION_PREFIX:
		options->prefix = text;
		break;
	case OPTION_MOVES:
		options->moves = text;
		break;
	case OPTION_SAMPLES:
		options->samples = text;
		break;
	case OPTION_TOGETHER:
		options->is_together = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "nothing is expected at \"%s\"", text);
		break;
	case ARGP_KEY_END:
		if (options->interface == NULL || options->stream == NULL ||
		    options->address == 0 || options->server_count == 0)
			argp_error(state,
				   "--interface, --address, --server and --stream are required");
		break;
	default:
		if (text == NULL)
			return ARGP_ERR_UNKNOWN;
		error = parse_option(key, text, options);
	}
	if (error != NULL)
		argp_error(state, "\"%s\": %s", text, error);
	return 0;
}

static void on_signal(int number)
{
	(void)number;
	atomic_store_explicit(&stop_asked, 1, memory_order_relaxed);
}

uint64_t swarm_clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static bool all_have(const struct swarm *swarm)
{
	if (swarm->options->count_max == 0 || swarm->started < swarm->options->clients ||
	    swarm->sums.delivered < swarm->options->count_max * swarm->options->clients)
		return false;
	for (uint32_t i = 0; i < swarm->started; i++)
		if (swarm->clients[i].delivered < swarm->options->count_max)
			return false;
	return true;
}

static bool is_done(struct swarm *swarm)
{
	if (atomic_load_explicit(&stop_asked, memory_order_relaxed) != 0)
		return true;
	if (swarm->options->run_ns != 0 &&
	    swarm->now_ns - swarm->began_ns >= swarm->options->run_ns)
		return true;
	return all_have(swarm);
}

static void read_clocks(struct swarm *swarm)
{
	swarm->now_ns = swarm_clock_ns(CLOCK_MONOTONIC);
	swarm->wall_ns = swarm_clock_ns(CLOCK_REALTIME);
}

static uint32_t receive(struct swarm *swarm)
{
	struct swarm_datagram datagrams[SWARM_BURST];
	uint32_t total = 0;

	for (uint32_t n = 0; n < TURN_BURSTS; n++) {
		uint32_t count = swarm_port_receive(&swarm->port, datagrams);

		// What arrives is dated by it.
		read_clocks(swarm);
		for (uint32_t i = 0; i < count; i++)
			swarm_clients_input(swarm, &datagrams[i]);
		total += count;
		if (count == 0)
			break;
	}
	return total;
}

static void run(struct swarm *swarm)
{
	uint32_t idle = 0;

	for (;;) {
		uint32_t done;

		read_clocks(swarm);
		done = receive(swarm);
		done += swarm_clients_turn(swarm);
		swarm_port_flush(&swarm->port);
		if (swarm->now_ns - swarm->report_ns >= REPORT_NS) {
			swarm->report_ns = swarm->now_ns;
			swarm_report_line(swarm);
			if (is_done(swarm))
				return;
		}
		idle = done > 0 ? 0 : idle + 1;
		if (idle >= 300)
			nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
	}
}

// Everything is written, whether the run was good or not.
static bool finish(const struct swarm *swarm)
{
	const struct swarm_sums *sums = &swarm->sums;
	const char *path = swarm->options->json;
	bool is_good = sums->lost == 0 && sums->repeated == 0 && sums->damaged == 0 &&
		       sums->begun == swarm->options->clients;

	if (!swarm_report_end(swarm)) {
		fprintf(stderr, "swarm: %s: %s\n", path != NULL ? path : "standard output",
			strerror(errno));
		is_good = false;
	}
	if (!swarm_record_write(swarm, &path)) {
		fprintf(stderr, "swarm: %s: %s\n", path, strerror(errno));
		is_good = false;
	}
	return is_good;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {keys, take_option, NULL, about, NULL, NULL, NULL};
	struct swarm_options options = {.clients = 1000,
					.rate = 10000,
					.ports_each = 16384,
					.mtu = 1500,
					.prefix = "swarm",
					.client_base = 1000000,
					.seed = 1};
	static struct swarm swarm;
	struct sigaction action = {.sa_handler = on_signal};
	bool is_good;

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return 2;
	swarm.options = &options;
	swarm.random = options.seed;
	swarm.now_ns = swarm.began_ns = swarm_clock_ns(CLOCK_MONOTONIC);
	if (swarm_clients_create(&swarm) != 0 || swarm_record_create(&swarm) != 0) {
		fprintf(stderr, "swarm: no memory for %u clients\n", options.clients);
		return 1;
	}
	if (swarm_port_open(&swarm.port, &options) != 0)
		return 1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	swarm.began_ns = swarm_clock_ns(CLOCK_MONOTONIC);
	run(&swarm);
	is_good = finish(&swarm);
	swarm_port_close(&swarm.port);
	swarm_record_destroy(&swarm.record);
	swarm_clients_destroy(&swarm);
	return is_good ? 0 : 1;
}
