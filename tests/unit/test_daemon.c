// SPDX-License-Identifier: BSD-3-Clause
//
// What the control thread does while cores run: the cores here are at rest, and the test speaks for them.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/daemon.h"

#define S_NS 1000000000ull

static struct daemon here;
static struct config config;
static uint64_t now_ns;

static void setup(void)
{
	struct core_config core = core_config_default;
	struct logline log;

	core.clients_max = 4;
	core.subscriptions_max = 4;
	core.classes_max = 4;
	core.class_topics_max = 240;
	config.cores.cpus = (struct config_cpus){2, {4, 5}};
	logline_init(&log, tmpfile(), LOG_LEVEL_INFO);
	now_ns = 100 * S_NS;
	here = (struct daemon){.config = &config, .log = log, .threads = 2};
	here.registry = registry_create(8);
	here.server.core_count = 2;
	for (uint32_t i = 0; i < 2; i++) {
		core.id = i;
		here.server.cores[i] = core_create(&here.server, &core, &(struct tx){0});
		cr_assert_not_null(here.server.cores[i]);
		here.cores[i].turns_at_ns = now_ns;
	}
}

static void teardown(void)
{
	core_destroy(here.server.cores[0]);
	core_destroy(here.server.cores[1]);
	registry_destroy(here.registry);
	fclose(here.log.out);
}

TestSuite(daemon, .init = setup, .fini = teardown);

static void turn(uint32_t core)
{
	counter_add(here.server.cores[core]->counters, COUNTER_turns, 1);
}

static void step_after(uint64_t ns)
{
	now_ns += ns;
	daemon_step(&here, now_ns);
}

static const char *text(void)
{
	static char written[4096];

	rewind(here.log.out);
	written[fread(written, 1, sizeof(written) - 1, here.log.out)] = '\0';
	return written;
}

static void notice(uint32_t core, enum core_notice_kind kind, uint64_t client, uint64_t instance,
		   uint64_t handle)
{
	struct crossing *outbox = &here.server.cores[core]->outbox;
	struct crossing_slot *slot = crossing_begin(outbox);
	struct core_notice n = {
		.client = client, .instance = instance, .handle = handle, .core = core};

	cr_assert_not_null(slot);
	slot->kind = kind;
	slot->bytes = sizeof(n);
	memcpy(slot->data, &n, sizeof(n));
	crossing_end(outbox);
}

// The oldest command for a core is taken; 0 if there is none.
static uint32_t command(uint32_t core, struct core_command *c)
{
	struct crossing *inbox = &here.server.cores[core]->inbox;
	struct crossing_slot *slot = crossing_peek(inbox);
	uint32_t kind;

	if (slot == NULL)
		return 0;
	kind = slot->kind;
	memcpy(c, slot->data, sizeof(*c));
	crossing_pop(inbox);
	return kind;
}

Test(daemon, tells_once_of_a_core_that_makes_no_turn)
{
	for (uint32_t i = 0; i < 5; i++) {
		turn(0);
		step_after(DAEMON_STALL_NS / 2 - 1);
	}
	cr_assert_str_eq(text(),
			 "godwitd: error: core 1 (CPU 5) has made no turn for 1499 ms: something "
			 "else runs on its CPU, or it hangs\n");
	turn(1);
	turn(0);
	step_after(1);
	cr_assert_not_null(strstr(text(), "godwitd: warning: core 1 turns again after 2499 ms\n"),
			   "%s", text());
}

Test(daemon, says_nothing_while_cores_turn)
{
	for (uint32_t i = 0; i < 10; i++) {
		turn(0);
		turn(1);
		step_after(DAEMON_STALL_NS - 1);
	}
	cr_assert_str_empty(text());
}

Test(daemon, has_the_older_process_of_a_client_closed)
{
	struct core_command c;

	notice(0, CORE_NOTICE_OPENED, 7, 100, 0x500);
	notice(1, CORE_NOTICE_OPENED, 7, 101, 0x600);
	step_after(1);
	cr_assert_eq(command(0, &c), CORE_COMMAND_CLOSE_CLIENT);
	cr_assert_eq(c.handle, 0x500);
	cr_assert_eq(c.instance, 101);
	cr_assert_eq(command(0, &c), 0);
	cr_assert_eq(command(1, &c), 0);
	notice(1, CORE_NOTICE_CLOSED, 7, 101, 0x600);
	step_after(1);
	cr_assert_eq(registry_count(here.registry), 0);
}

Test(daemon, keeps_a_fence_that_finds_the_mailbox_full)
{
	struct crossing *inbox = &here.server.cores[0]->inbox;
	struct core_command c;
	struct crossing_slot *slot;
	uint32_t filled = 0;

	while ((slot = crossing_begin(inbox)) != NULL) {
		slot->kind = 99;
		crossing_end(inbox);
		filled++;
	}
	for (uint64_t id = 1; id <= 3; id++) {
		notice(0, CORE_NOTICE_OPENED, id, 100, 0x500 + id);
		notice(1, CORE_NOTICE_OPENED, id, 101, 0x600 + id);
	}
	step_after(1);
	step_after(1);
	for (uint32_t i = 0; i < filled; i++)
		cr_assert_eq(command(0, &c), 99);
	cr_assert_eq(command(0, &c), 0, "nothing was pressed in");
	step_after(1);
	for (uint64_t id = 1; id <= 3; id++) {
		cr_assert_eq(command(0, &c), CORE_COMMAND_CLOSE_CLIENT);
		cr_assert_eq(c.handle, 0x500 + id);
	}
	cr_assert_eq(command(0, &c), 0);
}

Test(daemon, stops_each_core_once)
{
	struct core_command c;

	daemon_stop(&here);
	daemon_stop(&here);
	cr_assert_eq(command(0, &c), CORE_COMMAND_STOP);
	cr_assert_eq(command(0, &c), 0);
	cr_assert_eq(command(1, &c), CORE_COMMAND_STOP);
	cr_assert_eq(command(1, &c), 0);
	cr_assert_not(daemon_has_stopped(&here));
	notice(0, CORE_NOTICE_STOPPED, 0, 0, 0);
	step_after(1);
	cr_assert_not(daemon_has_stopped(&here));
	notice(1, CORE_NOTICE_STOPPED, 0, 0, 0);
	step_after(1);
	cr_assert(daemon_has_stopped(&here));
	// A core that has ended makes no turn, and is not told of.
	step_after(3 * DAEMON_STALL_NS);
	cr_assert_str_empty(text());
}

Test(daemon, tells_of_notices_that_were_lost)
{
	counter_add(here.server.cores[1]->counters, COUNTER_notices_lost, 3);
	step_after(1);
	step_after(1);
	cr_assert_str_eq(text(), "godwitd: warning: core 1: 3 notices of clients found no room\n");
}
