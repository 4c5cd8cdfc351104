// SPDX-License-Identifier: BSD-3-Clause
//
// stress_quiet_loop: law 3 by counting. A busy loop on a ring port serves a publisher, a whole and a
// filtered subscriber, acknowledgements, a repair and a late joiner, while each allocation, each lock and
// each system call of its thread is counted. After the start there may be none.
//
// Allocations and locks are counted by standing in for the C library's functions; system calls by a
// seccomp filter of that thread alone, which turns each into a signal.
//
//   stress_quiet_loop [SECONDS]
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_launch.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <godwit/client.h>

#include "dataplane/loop.h"
#include "dataplane/port_pair.h"
#include "dataplane/rcu.h"

#define OURS   0x0a000001u
#define THEIRS 0x0a000002u
#define ACTORS 4

// ---- counting ---------------------------------------------------------------------------------

static _Thread_local bool is_watched;
static _Atomic uint64_t allocations, locks, calls;
static _Atomic int last_call;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static void note_allocation(void)
{
	if (is_watched)
		allocations++;
}

void *malloc(size_t size)
{
	note_allocation();
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	note_allocation();
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	note_allocation();
	return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	note_allocation();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	note_allocation();
	*memory = __libc_memalign(alignment, size);
	return *memory == NULL ? ENOMEM : 0;
}

void free(void *memory)
{
	note_allocation();
	__libc_free(memory);
}

#define LOCK(name, type)                                                                           \
	int name(type *lock)                                                                       \
	{                                                                                          \
		static int (*_Atomic real)(type *);                                                \
                                                                                                   \
		if (is_watched)                                                                    \
			locks++;                                                                   \
		if (real == NULL)                                                                  \
			real = (int (*)(type *))dlsym(RTLD_NEXT, #name);                           \
		return real(lock);                                                                 \
	}

LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)

static void on_call(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	calls++;
	last_call = info->si_syscall;
}

// From here on each system call of this thread is counted and not made. Only the return from the
// signal itself, and the end of the process, pass.
static bool watch_this_thread(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return false;
	is_watched = true;
	return true;
}

// ---- the world --------------------------------------------------------------------------------

static struct {
	struct eal eal;
	struct port port;
	uint16_t other;
	struct rte_mempool *pool;
	struct server server;
	struct loop *loop;
	pthread_t worker;
	_Atomic bool watching, broken;
	struct godwit_core *actors[ACTORS];
	uint32_t publisher, subscriptions[ACTORS];
	bool is_open;
	uint64_t delivered[ACTORS], published;
	uint32_t lose; // every so many DATA to actor 1 vanish
} w;

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "stress_quiet_loop: %s\n", what);
	exit(1);
}

// On the worker's own thread, in the middle of its loop.
static void on_watch(int signal)
{
	int saved = errno;

	(void)signal;
	if (watch_this_thread())
		w.watching = true;
	else
		w.broken = true;
	errno = saved;
}

static int worker(void *arg)
{
	(void)arg;
	w.worker = pthread_self();
	return loop_run(w.loop);
}

static void world_up(void)
{
	const struct port_config port = {.driver = PORT_RING,
					 .ip = OURS,
					 .prefix_bits = 24,
					 .udp_port = 5000,
					 .mtu = 1500,
					 .mbufs = 2047};
	struct eal_config eal = {.prefix = "quiet",
				 .pages = EAL_PAGES_ORDINARY,
				 .memory_bytes = 64 << 20,
				 .cpu_count = 1,
				 .cpus = {0},
				 .no_telemetry = true};
	struct stream_config stream = {.name = "quiet",
				       .session = 7,
				       .epoch = 1,
				       .mtu = 1500,
				       .log_bytes = 1 << 20,
				       .publishers_max = 4,
				       .runs_max = 64,
				       .topics_max = 16};
	const struct rte_eth_conf conf = {0};
	struct loop_config config = loop_config_default;
	struct core_config core = core_config_default;
	struct port *list[] = {&w.port};
	struct eal_error error;
	uint16_t ids[2];
	struct tx tx;
	struct core *made;

	if (eal_start(&w.eal, &eal, &error) != 0 || port_pair_create("q", ids) != 0 ||
	    port_open_id(&w.port, &port, ids[0], 1, &error) != 0 ||
	    port_start(&w.port, &error) != 0)
		die(error.text);
	w.other = ids[1];
	w.pool = rte_pktmbuf_pool_create("peer", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					 SOCKET_ID_ANY);
	if (w.pool == NULL || rte_eth_dev_configure(w.other, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(w.other, 0, 256, SOCKET_ID_ANY, NULL, w.pool) != 0 ||
	    rte_eth_tx_queue_setup(w.other, 0, 256, SOCKET_ID_ANY, NULL) != 0 ||
	    rte_eth_dev_start(w.other) != 0)
		die("the peer's port");
	w.server = (struct server){.id = 1,
				   .incarnation = 1,
				   .mtu = 1500,
				   .interval_ms = 50,
				   .multiplier = 20,
				   .lapse_ms = 10000,
				   .subscriptions_max = 4,
				   .stream_count = 1,
				   .core_count = 1};
	stream.log_memory = log_memory_map(stream.log_bytes, false, -1);
	w.server.streams[0] = stream.log_memory == NULL ? NULL : stream_create(&stream, 0);
	config.idle = LOOP_BUSY;
	w.loop = loop_create(&config, list, 1);
	core.clients_max = 16;
	core.subscriptions_max = 16;
	core.random[0] = 3;
	if (w.server.streams[0] == NULL || w.loop == NULL)
		die("the stream or the loop");
	tx = loop_tx(w.loop);
	made = core_create(&w.server, &core, &tx);
	if (made == NULL)
		die("core_create");
	w.server.cores[0] = made;
	loop_set_core(w.loop, made);
}

// ---- the peer's side --------------------------------------------------------------------------

static void send_udp(uint16_t port, const void *bytes, uint16_t length)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(w.pool);
	struct rte_ether_hdr *ether;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;

	if (mbuf == NULL)
		return; // lost: both sides cope
	ether = (void *)rte_pktmbuf_append(mbuf, (uint16_t)(42 + length));
	ip = (void *)(ether + 1);
	udp = (void *)(ip + 1);
	*ether = (struct rte_ether_hdr){.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	memcpy(&ether->dst_addr, w.port.net.mac, 6);
	ether->src_addr.addr_bytes[0] = 2;
	ether->src_addr.addr_bytes[5] = 9;
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
				    .total_length = rte_cpu_to_be_16((uint16_t)(28 + length)),
				    .time_to_live = 64,
				    .next_proto_id = IPPROTO_UDP,
				    .src_addr = rte_cpu_to_be_32(THEIRS),
				    .dst_addr = rte_cpu_to_be_32(OURS)};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(port),
				    .dst_port = rte_cpu_to_be_16(5000),
				    .dgram_len = rte_cpu_to_be_16((uint16_t)(8 + length))};
	memcpy(udp + 1, bytes, length);
	if (rte_eth_tx_burst(w.other, 0, &mbuf, 1) == 0)
		rte_pktmbuf_free(mbuf);
}

static void answer_arp(const struct rte_mbuf *mbuf)
{
	uint8_t frame[42];
	struct rte_mbuf *answer = rte_pktmbuf_alloc(w.pool);

	if (answer == NULL)
		return;
	memcpy(frame, rte_pktmbuf_mtod(mbuf, uint8_t *), sizeof(frame));
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 32, frame + 22, 10); // target: who asked
	memcpy(frame + 6, "\2\0\0\0\0\11", 6);
	frame[21] = 2;
	memcpy(frame + 22, "\2\0\0\0\0\11", 6);
	memcpy(frame + 28, "\12\0\0\2", 4);
	memcpy(rte_pktmbuf_append(answer, sizeof(frame)), frame, sizeof(frame));
	if (rte_eth_tx_burst(w.other, 0, &answer, 1) == 0)
		rte_pktmbuf_free(answer);
}

static void receive(uint64_t now)
{
	const struct godwit_address server = godwit_address_v4(OURS, 5000);
	struct rte_mbuf *burst[32];
	uint16_t count = rte_eth_rx_burst(w.other, 0, burst, 32);

	for (uint16_t i = 0; i < count; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(burst[i], const uint8_t *);
		uint32_t actor = (uint32_t)(frame[36] << 8 | frame[37]) - 4000;
		bool is_data = frame[43] == GODWIT_DATA;

		if (frame[12] == 8 && frame[13] == 6 && frame[21] == 1)
			answer_arp(burst[i]);
		else if (frame[12] == 8 && frame[13] == 0 && actor < ACTORS &&
			 w.actors[actor] != NULL && !(actor == 1 && is_data && ++w.lose % 10 == 0))
			godwit_core_input(w.actors[actor], now, &server, frame + 42,
					  burst[i]->pkt_len - 42);
		rte_pktmbuf_free(burst[i]);
	}
}

static void actor_open(uint32_t i, uint64_t now)
{
	const struct godwit_address server = godwit_address_v4(OURS, 5000);
	const struct godwit_core_options options = {.client = 10 + i,
						    .instance = 1,
						    .seed = {i + 1, 2},
						    .servers = &server,
						    .server_count = 1,
						    .now_ns = now};
	static const uint32_t topics[] = {2};
	const struct godwit_subscription_options subscription = {
		.stream = "quiet",
		.start = i == 3 ? GODWIT_START_EARLIEST : GODWIT_START_LATEST,
		.policy = GODWIT_POLICY_EARLIEST,
		.topics = topics,
		.topic_count = i == 2 ? 1 : 0};
	const struct godwit_publisher_options publisher = {.stream = "quiet", .publisher = 1};
	int error;

	w.actors[i] = godwit_core_create(&options);
	if (w.actors[i] == NULL)
		die("godwit_core_create");
	error = i == 0 ?
			godwit_core_publisher_open(w.actors[i], now, &publisher, &w.publisher) :
			godwit_core_subscribe(w.actors[i], now, &subscription, &w.subscriptions[i]);
	if (error != 0)
		die("subscribe");
}

static void actor_turn(uint32_t i, uint64_t now)
{
	struct godwit_address to;
	struct godwit_event event;
	uint8_t buffer[2048];
	size_t length;

	while (godwit_core_next(w.actors[i], now, &event)) {
		if (event.kind == GODWIT_EVENT_MESSAGE)
			w.delivered[i]++;
		else if (event.kind == GODWIT_EVENT_PUBLISHER_OPENED)
			w.is_open = true;
		else if (event.kind == GODWIT_EVENT_ENDED)
			die("a subscription ended");
	}
	if (i == 0 && w.is_open)
		for (uint32_t n = 0; n < 8; n++)
			if (godwit_core_publish(w.actors[0], now, w.publisher, 1 + n % 2,
						"payload!", 8, NULL) == 0)
				w.published++;
	while ((length = godwit_core_output(w.actors[i], now, &to, buffer, sizeof(buffer))) > 0)
		send_udp((uint16_t)(4000 + i), buffer, (uint16_t)length);
}

static void pump(uint64_t until)
{
	for (uint64_t now = clock_ns(); now < until; now = clock_ns()) {
		receive(now);
		for (uint32_t i = 0; i < ACTORS; i++)
			if (w.actors[i] != NULL)
				actor_turn(i, now);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO};
	struct sigaction watch = {.sa_handler = on_watch};
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 2;
	uint64_t deadline, now;
	bool ok;

	if (argc > 2 || seconds == 0 || seconds > 600) {
		fprintf(stderr, "usage: stress_quiet_loop [SECONDS, 1 to 600]\n");
		return 2;
	}
	sigaction(SIGSYS, &action, NULL);
	sigaction(SIGUSR1, &watch, NULL);
	world_up();
	rcu_register();
	rcu_offline();
	if (rte_eal_remote_launch(worker, NULL, 0) != 0)
		die("the worker does not start");
	now = clock_ns();
	for (uint32_t i = 0; i < 3; i++)
		actor_open(i, now);
	deadline = now + 20000000000ull;
	while ((w.delivered[1] == 0 || w.delivered[2] == 0) && clock_ns() < deadline)
		pump(clock_ns() + 10000000);
	if (w.delivered[1] == 0 || w.delivered[2] == 0)
		die("nothing was delivered");
	pthread_kill(w.worker, SIGUSR1);
	while (!w.watching && !w.broken && clock_ns() < deadline)
		pump(clock_ns() + 1000000);
	if (w.broken) {
		printf("SKIP: this kernel or sandbox lets no seccomp filter be set\n");
		fflush(stdout);
		_exit(77);
	}
	if (!w.watching)
		die("the worker stands still");
	actor_open(3, clock_ns()); // a handshake, a temporary dispatcher and a join under watch
	pump(clock_ns() + seconds * 1000000000);
	printf("published %lu, delivered %lu whole, %lu filtered, %lu late; repairs %lu, joins %lu\n",
	       w.published, w.delivered[1], w.delivered[2], w.delivered[3],
	       counter_get(w.server.cores[0]->counters, COUNTER_egress_repairs),
	       counter_get(w.server.cores[0]->counters, COUNTER_temporary_joined));
	printf("after start: %lu allocations, %lu locks, %lu system calls (last: number %d)\n",
	       allocations, locks, calls, last_call);
	ok = allocations == 0 && locks == 0 && calls == 0 && w.delivered[1] > 1000 &&
	     w.delivered[2] > 500 && w.delivered[3] > 1000 &&
	     counter_get(w.server.cores[0]->counters, COUNTER_egress_repairs) > 0;
	printf("%s\n", ok ? "ok" : "FAILED");
	fflush(stdout);
	_exit(ok ? 0 : 1); // the worker can make no system call, not even to end
}
