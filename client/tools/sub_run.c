// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

#define WAIT_NS	     100000000ull // at most at a time, so that signals and counts are seen
#define BATCH	     256u	  // events between two looks at the socket
#define FAREWELL_NS  200000000ull // for the answer to UNSUBSCRIBE
#define OUTPUT_BYTES 65536u

// ---- asking -------------------------------------------------------------------------------------

static int number_compare(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

// The numbers of all topics, each once. False: some are not known yet.
static bool numbers_collect(struct sub *sub, uint32_t *numbers, uint16_t *count)
{
	const struct sub_options *options = sub->options;
	uint32_t total = 0, unique = 0;

	for (uint32_t i = 0; i < options->number_count; i++)
		numbers[total++] = options->numbers[i];
	for (const struct topic *topic = sub->topics.first; topic != NULL; topic = topic->next) {
		if (topic->number == 0)
			return false;
		numbers[total++] = topic->number;
	}
	qsort(numbers, total, sizeof(*numbers), number_compare);
	for (uint32_t i = 0; i < total; i++)
		if (i == 0 || numbers[i] != numbers[i - 1])
			numbers[unique++] = numbers[i];
	*count = (uint16_t)unique;
	return true;
}

// Topics first, then the subscription; again until both are under way.
static int sub_ask(struct sub *sub, uint64_t now_ns)
{
	const struct sub_options *options = sub->options;
	uint32_t numbers[GODWIT_FILTER_TOPICS];
	struct godwit_subscription_options subscription = {
		.stream = options->stream,
		.start = options->start.kind,
		.policy = options->policy,
		.window = options->window,
		.topics = numbers,
		.value = options->start.value,
		.after = options->after,
	};
	int rc = 0;

	if (sub->is_asked)
		return 0;
	if (!numbers_collect(sub, numbers, &subscription.topic_count)) {
		for (struct topic *topic = sub->topics.first; topic != NULL && rc == 0;
		     topic = topic->next)
			rc = topics_ask(&sub->topics, topic, now_ns);
		return rc;
	}
	if (subscription.topic_count == 0)
		subscription.topics = NULL;
	sub->is_asked = true;
	return godwit_client_subscribe(sub->client, &subscription, &sub->subscription);
}

// ---- taking -------------------------------------------------------------------------------------

static void sub_message(struct sub *sub, const struct godwit_event *event)
{
	const struct sub_options *options = sub->options;
	uint64_t late_ns = sub->wall_ns > event->time_ns ? sub->wall_ns - event->time_ns : 0;

	if (sub->delivered++ == 0) {
		sub->first = event->identifier;
		sub->first_ns = godwit_client_now(sub->client);
	}
	sub->last = event->identifier;
	sub->bytes += event->length;
	godwit_histogram_record(&sub->latency, late_ns, 1);
	if (check_message(&sub->check, &event->identifier, event->topic, event->payload,
			  event->length) != 0) {
		tool_say(SUB_NAME, "cannot check: %s", strerror(errno));
		sub->exit = TOOL_FAILED;
		sub->is_over = true;
	}
	if (!sub_print(sub, event))
		sub_output_lost(sub, errno);
	if (options->count_max != 0 && sub->delivered >= options->count_max)
		sub->is_over = true;
	if (options->until != 0 && event->identifier.seq >= options->until)
		sub->is_over = true;
}

// Where it stands; once it is over, where it stood last.
static void sub_look(struct sub *sub)
{
	struct godwit_core *core = godwit_client_core(sub->client);
	struct godwit_subscription_state state;

	if (godwit_core_subscription_state(core, sub->subscription, &state) != 0)
		return;
	sub->mark = state.taken;
	sub->silence_max_ns = state.silence_max_ns;
	if (state.live)
		sub_progress_served(&sub->progress, &state.home);
	else
		sub_progress_unserved(&sub->progress, &state.home);
}

static void sub_take(struct sub *sub, uint64_t now_ns)
{
	uint64_t allowed = sub->options->pace != 0 ? pacer_allow(&sub->pacer, now_ns) : BATCH;
	uint64_t before = sub->delivered;
	struct godwit_event event;

	sub->wall_ns = tool_wall_ns();
	allowed = allowed < BATCH ? allowed : BATCH;
	while (!sub->is_over && sub->delivered - before < allowed &&
	       godwit_client_next(sub->client, &event)) {
		if (event.kind == GODWIT_EVENT_MESSAGE)
			sub_message(sub, &event);
		else
			sub_event(sub, &event);
	}
	if (sub->delivered != before) {
		sub_progress_took(&sub->progress, sub->last_ns, now_ns);
		sub->last_ns = now_ns;
	}
	pacer_give(&sub->pacer, sub->delivered - before);
	if (sub->has_begun)
		sub_look(sub);
}

// ---- the loop -----------------------------------------------------------------------------------

// The time is over, and nothing has begun.
static void sub_say_silent(struct sub *sub, uint64_t waited_ns)
{
	bool waits = sub->options->waits && sub->is_connected;

	sub->exit = waits ? TOOL_FAILED : TOOL_SILENT;
	tool_say_silent(SUB_NAME, &sub->options->common,
			waits		  ? "not all of the topics came to exist" :
			sub->is_connected ? "the server did not answer the subscription" :
					    "no server answered",
			waited_ns);
}

static bool sub_goes_on(struct sub *sub, uint64_t started_ns, uint64_t now_ns)
{
	const struct sub_options *options = sub->options;
	bool waits = options->waits && sub->is_connected;

	if (sub->is_over || tool_stops() > 0)
		return false;
	if (options->limit_ns != 0 && now_ns - started_ns >= options->limit_ns) {
		if (!sub->has_begun)
			sub_say_silent(sub, options->limit_ns);
		return false;
	}
	// With a filter the last messages may be of other topics: coverage tells.
	if (options->until != 0 && sub->has_begun && sub->mark.seq >= options->until)
		return false;
	if (sub->has_begun || waits || now_ns - started_ns < options->common.timeout_ns)
		return true;
	sub_say_silent(sub, options->common.timeout_ns);
	return false;
}

static int sub_wait(struct sub *sub, uint64_t started_ns, uint64_t now_ns)
{
	const struct sub_options *options = sub->options;
	uint64_t wait_ns = WAIT_NS, line_ns = sub_progress_wait(sub, now_ns);
	int rc;

	if (line_ns < wait_ns)
		wait_ns = line_ns;
	if (options->limit_ns != 0 && started_ns + options->limit_ns - now_ns < wait_ns)
		wait_ns = started_ns + options->limit_ns - now_ns;
	// What waits to be taken is shown before a wait.
	if (!godwit_core_ready(godwit_client_core(sub->client)) && fflush(stdout) != 0)
		sub_output_lost(sub, errno);
	if (options->pace != 0) {
		uint64_t pace_ns = pacer_wait_ns(&sub->pacer, now_ns);

		// Events that are ready would end a poll at once: sleep on the socket instead.
		if (pace_ns == 0 && !godwit_core_ready(godwit_client_core(sub->client)))
			pace_ns = wait_ns;
		return tool_wait(sub->client, -1, pace_ns < wait_ns ? pace_ns : wait_ns, NULL);
	}
	rc = godwit_client_poll(sub->client, wait_ns);
	return rc < 0 && rc != -EINTR ? rc : 0;
}

static void sub_loop(struct sub *sub)
{
	uint64_t started_ns = godwit_client_now(sub->client), now_ns = started_ns;

	pacer_start(&sub->pacer, now_ns, (double)sub->options->pace);
	while (sub_goes_on(sub, started_ns, now_ns)) {
		int rc = sub_ask(sub, now_ns);

		if (rc == 0)
			rc = sub_wait(sub, started_ns, now_ns);
		if (rc != 0) {
			tool_say(SUB_NAME, "%s", strerror(-rc));
			sub->exit = TOOL_FAILED;
			return;
		}
		now_ns = godwit_client_now(sub->client);
		sub_take(sub, now_ns);
		sub_count(sub, now_ns, false);
		sub_progress_line(sub, now_ns, false);
		sub_state_keep(sub, now_ns, false);
	}
	if (fflush(stdout) != 0)
		sub_output_lost(sub, errno);
	sub_state_keep(sub, now_ns, true);
}

// So that the server forgets the subscription at once, not after its lapse time.
static void sub_farewell(struct sub *sub)
{
	uint64_t end_ns = godwit_client_now(sub->client) + FAREWELL_NS, now_ns;
	struct godwit_event event;

	if (!sub->is_asked || godwit_client_unsubscribe(sub->client, sub->subscription) != 0)
		return;
	while ((now_ns = godwit_client_now(sub->client)) < end_ns) {
		if (godwit_client_poll(sub->client, end_ns - now_ns) < 0)
			return;
		while (godwit_client_next(sub->client, &event))
			if (event.kind == GODWIT_EVENT_ENDED)
				return;
	}
}

// The position of an earlier run goes before --from.
static bool sub_begin_where_it_was(struct sub_options *options)
{
	int rc = options->state_file == NULL ?
			 0 :
			 sub_state_load(options->state_file, options->stream, &options->after);

	if (rc > 0) {
		options->start.kind = GODWIT_START_AFTER;
		if (!options->common.is_quiet)
			tool_say(SUB_NAME, "going on after %s, as %s says",
				 format_identifier(&options->after).text, options->state_file);
	}
	return rc >= 0;
}

int sub_run(struct sub_options *options)
{
	struct sub *sub = calloc(1, sizeof(*sub));
	char *buffer = malloc(OUTPUT_BYTES);
	int code = TOOL_FAILED;

	tool_catch_signals();
	if (!sub_begin_where_it_was(options)) {
		free(sub);
		free(buffer);
		return TOOL_FAILED;
	}
	if (sub != NULL && buffer != NULL)
		sub->client = tool_open(&options->common, SUB_NAME);
	if (sub == NULL || sub->client == NULL) {
		free(sub);
		free(buffer);
		return TOOL_FAILED;
	}
	sub->options = options;
	sub->is_terminal = isatty(STDOUT_FILENO);
	setvbuf(stdout, buffer, _IOFBF, OUTPUT_BYTES);
	check_init(&sub->check, options->name_count + options->number_count > 0);
	topics_init(&sub->topics, sub->client, options->stream, false);
	for (uint32_t i = 0; i < options->name_count; i++)
		if (topics_get(&sub->topics, options->names[i], strlen(options->names[i])) == NULL)
			sub->is_over = true; // no memory
	sub_loop(sub);
	sub_farewell(sub);
	code = sub_report(sub);
	check_fini(&sub->check);
	topics_fini(&sub->topics);
	godwit_client_close(sub->client);
	// The buffer goes with the process: stdout is flushed from it at exit.
	free(sub);
	return code;
}
