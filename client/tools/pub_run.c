// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "client/tools/format.h"
#include "client/tools/generated.h"
#include "client/tools/pub.h"

#define WAIT_NS 100000000ull // at most at a time, so that signals and progress are seen

// Why the loop cannot publish now.
enum pub_block {
	BLOCK_NONE,
	BLOCK_INPUT,  // the source has no whole message
	BLOCK_CLIENT, // window full, topic unknown: an event will tell
	BLOCK_PACE,
	BLOCK_END,
};

static uint64_t settled(const struct pub *pub)
{
	return pub->committed + pub->in_doubt;
}

static void pub_events(struct pub *pub)
{
	struct godwit_event event;
	uint64_t before = settled(pub);
	uint64_t now_ns = godwit_client_now(pub->client);

	while (godwit_client_next(pub->client, &event))
		pub_event(pub, &event, now_ns);
	if (settled(pub) != before)
		pub->moved_ns = now_ns;
}

// ---- one message --------------------------------------------------------------------------------

static enum pub_block message_topic(struct pub *pub)
{
	const struct pub_options *options = pub->options;
	uint64_t line = pub->source.messages;

	if (options->topic_choice == PUB_TOPIC_IN_TURN) {
		uint64_t pick = options->has_random_topics ? tool_random() : pub->turn++;

		pub->topic = pub->choices[pick % options->topic_count];
		return BLOCK_NONE;
	}
	pub->topic = NULL;
	if (pub->message.topic == NULL)
		return BLOCK_NONE;
	pub->topic = topics_get(&pub->topics, pub->message.topic, pub->message.topic_length);
	if (pub->topic == NULL) {
		tool_say(PUB_NAME,
			 "line %" PRIu64 ": its topic is not 1 to %d bytes: not published", line,
			 GODWIT_NAME_BYTES - 1);
		pub->refused++;
		pub->has_message = false;
	}
	return BLOCK_NONE;
}

// The next message into pub->message.
static enum pub_block message_take(struct pub *pub)
{
	const struct pub_options *options = pub->options;
	int rc = -ENODATA;

	if (!pub->is_ended && (options->count == 0 || pub->source.messages < options->count))
		rc = source_take(&pub->source, &pub->message);
	switch (rc) {
	case 1:
		pub->has_message = true;
		return message_topic(pub);
	case 0:
		return BLOCK_INPUT;
	case -EINVAL:
		pub->refused++;
		tool_say(PUB_NAME, "line %" PRIu64 ": it has no topic: not published",
			 pub->source.messages);
		return BLOCK_NONE;
	case -EMSGSIZE:
		tool_say(PUB_NAME,
			 "line %" PRIu64 ": longer than %u bytes: neither it nor what follows is "
			 "published",
			 pub->source.messages + 1, SOURCE_MESSAGE_MAX);
		pub->refused++;
		break;
	case -EBADMSG:
		tool_say(PUB_NAME, "the input ends within message %" PRIu64 ": not published",
			 pub->source.messages + 1);
		pub->refused++;
		break;
	default:
		break;
	}
	pub->is_ended = true;
	return BLOCK_END;
}

static void message_fill(struct pub *pub)
{
	struct generated generated = {
		.number = pub->accepted + 1,
		.topic_number = (pub->topic != NULL ? pub->topic->count : pub->accepted) + 1,
		.run = pub->run,
	};

	if (pub->options->source.kind == SOURCE_GENERATOR)
		generated_write(pub->message.payload, pub->message.length, &generated);
}

static void message_refused(struct pub *pub)
{
	if (pub->refused++ == 0)
		tool_say(PUB_NAME,
			 "message %" PRIu64 ": %zu bytes are more than the stream takes: such are "
			 "not published",
			 pub->source.messages, pub->message.length);
	pub->has_message = false;
	// Nothing that is generated will get smaller.
	pub->is_ended |= pub->options->source.kind == SOURCE_GENERATOR &&
			 pub->options->source.size_low == pub->options->source.size_high;
}

static enum pub_block message_publish(struct pub *pub)
{
	int rc;

	if (pub->topic != NULL && pub->topic->number == 0) {
		if (topics_ask(&pub->topics, pub->topic, godwit_client_now(pub->client)) != 0)
			pub->is_over = true;
		return BLOCK_CLIENT;
	}
	message_fill(pub);
	rc = godwit_client_publish(pub->client, pub->publisher,
				   pub->topic != NULL ? pub->topic->number : 0,
				   pub->message.payload, pub->message.length, NULL);
	switch (rc) {
	case 0:
		break;
	case -EMSGSIZE:
		message_refused(pub);
		return BLOCK_NONE;
	case -EAGAIN:
		return BLOCK_CLIENT;
	default:
		pub->is_over = true; // an event says why
		return BLOCK_CLIENT;
	}
	pub->has_message = false;
	pub->accepted++;
	pub->bytes += pub->message.length;
	if (pub->topic != NULL)
		pub->topic->count++;
	pacer_give(&pub->pacer, 1);
	return BLOCK_NONE;
}

// ---- the loop -----------------------------------------------------------------------------------

static enum pub_block pub_burst(struct pub *pub, uint64_t now_ns)
{
	uint64_t allowed;

	if (pub->instance == 0)
		return BLOCK_CLIENT;
	allowed = pacer_allow(&pub->pacer, now_ns);
	if (allowed == 0)
		return BLOCK_PACE;
	// Not all that is allowed at once: answers are read in between.
	allowed = allowed < PACER_UNPACED ? allowed : PACER_UNPACED;
	while (allowed > 0) {
		enum pub_block block = pub->has_message ? BLOCK_NONE : message_take(pub);

		if (block == BLOCK_NONE && pub->has_message) {
			block = message_publish(pub);
			allowed--;
		}
		if (block != BLOCK_NONE)
			return block;
	}
	return BLOCK_NONE;
}

static void pub_input(struct pub *pub)
{
	bool is_readable = false;
	int rc = tool_wait(pub->client, pub->source.options.fd, WAIT_NS, &is_readable);

	if (rc == 0 && is_readable)
		rc = source_fill(&pub->source);
	if (rc != 0 && rc != -EINTR && rc != -EAGAIN) {
		tool_say(PUB_NAME, "the input: %s", strerror(-rc));
		pub->refused++;
		pub->is_ended = true;
	}
}

static void pub_wait(struct pub *pub, enum pub_block block, uint64_t now_ns)
{
	uint64_t wait_ns = 0;
	int rc;

	if (block == BLOCK_INPUT) {
		pub_input(pub);
		return;
	}
	if (block == BLOCK_PACE)
		wait_ns = pacer_wait_ns(&pub->pacer, now_ns);
	else if (block != BLOCK_NONE)
		wait_ns = WAIT_NS;
	rc = godwit_client_poll(pub->client, wait_ns < WAIT_NS ? wait_ns : WAIT_NS);
	if (rc < 0 && rc != -EINTR) {
		tool_say(PUB_NAME, "the socket: %s", strerror(-rc));
		pub->is_over = true;
	}
}

static void pub_progress(struct pub *pub, uint64_t now_ns, bool is_terminal)
{
	uint64_t rate;

	if (pub->options->common.is_quiet || pub->instance == 0 ||
	    now_ns - pub->said_ns < SECOND_NS)
		return;
	rate = (uint64_t)((double)(pub->committed - pub->said_committed) * 1e9 /
			  (double)(now_ns - pub->said_ns));
	fprintf(stderr, "%s%s: %s published, %s committed, %s/s%s", is_terminal ? "\r\033[K" : "",
		PUB_NAME, format_count(pub->accepted).text, format_count(pub->committed).text,
		format_count(rate).text, is_terminal ? "" : "\n");
	pub->said_ns = now_ns;
	pub->said_committed = pub->committed;
}

// Whether to go on. *code is set where not.
static bool pub_goes_on(struct pub *pub, uint64_t started_ns, uint64_t now_ns, int *code)
{
	const struct pub_options *options = pub->options;

	if (pub->is_over) {
		*code = TOOL_FAILED;
		return false;
	}
	if (pub->instance == 0 && tool_stops() > 0) {
		*code = TOOL_FAILED;
		return false;
	}
	if (pub->instance == 0 && now_ns - started_ns >= options->common.timeout_ns) {
		tool_say_silent(PUB_NAME, &options->common,
				pub->is_connected ? "the server did not open the publisher" :
						    "no server answered",
				options->common.timeout_ns);
		*code = TOOL_SILENT;
		return false;
	}
	if (tool_stops() > 0 || (options->limit_ns != 0 && pub->instance != 0 &&
				 now_ns - pub->opened_ns >= options->limit_ns)) {
		pub->is_ended = true;
		pub->has_message = false;
	}
	if (!pub->is_ended || pub->has_message) {
		pub->moved_ns = now_ns;
		return true;
	}
	if (settled(pub) >= pub->accepted)
		return false;
	// The rest of the way: as long as something is committed now and then.
	return tool_stops() < 2 && now_ns - pub->moved_ns < options->common.timeout_ns;
}

static int pub_loop(struct pub *pub)
{
	bool is_terminal = isatty(STDERR_FILENO);
	uint64_t started_ns = godwit_client_now(pub->client), now_ns = started_ns;
	int code = TOOL_OK;

	pub->said_ns = started_ns;
	pub->moved_ns = started_ns;
	while (pub_goes_on(pub, started_ns, now_ns, &code)) {
		enum pub_block block = pub_burst(pub, now_ns);

		pub_wait(pub, block, godwit_client_now(pub->client));
		pub_events(pub);
		now_ns = godwit_client_now(pub->client);
		pub_progress(pub, now_ns, is_terminal);
	}
	if (is_terminal && !pub->options->common.is_quiet)
		fputs("\r\033[K", stderr);
	return code;
}

// ---- the end ------------------------------------------------------------------------------------

static int pub_report(struct pub *pub, int code)
{
	const struct pub_options *options = pub->options;
	struct godwit_publisher_state state = {.rtt_ns = 0};
	uint64_t open_ended = pub->accepted > settled(pub) ? pub->accepted - settled(pub) : 0;
	double seconds = (double)(pub->committed_ns - pub->opened_ns) / 1e9;
	uint64_t rate = seconds > 0 ? (uint64_t)((double)pub->committed / seconds) : 0;

	pub->in_doubt += open_ended;
	if (code == TOOL_OK && pub->in_doubt + pub->refused > 0)
		code = TOOL_FAILED;
	if (open_ended > 0)
		tool_say(PUB_NAME,
			 "in doubt: the last %s messages: no server said that they are committed",
			 format_count(open_ended).text);
	if (pub->instance != 0 && (!options->common.is_quiet || code != TOOL_OK))
		tool_say(PUB_NAME,
			 "%s published, %s committed, %s in doubt, %s refused in %.3f s: %s/s",
			 format_count(pub->accepted).text, format_count(pub->committed).text,
			 format_count(pub->in_doubt).text, format_count(pub->refused).text, seconds,
			 format_count(rate).text);
	godwit_core_publisher_state(godwit_client_core(pub->client), pub->publisher, &state);
	json_t *summary = json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:s, s:i, s:o}", "stream",
		options->stream, "published", (json_int_t)pub->accepted, "committed",
		(json_int_t)pub->committed, "in_doubt", (json_int_t)pub->in_doubt, "refused",
		(json_int_t)pub->refused, "bytes", (json_int_t)pub->bytes, "seconds", seconds,
		"rate", (json_int_t)rate, "rtt_ns", (json_int_t)state.rtt_ns, "ended",
		godwit_code_name(pub->end_code), "exit", code, "stats", tool_stats(pub->client));

	tool_set_id(summary, "client", options->common.client_id);
	tool_set_id(summary, "publisher", options->publisher);
	tool_set_id(summary, "instance", pub->instance);
	if (!tool_write_summary(PUB_NAME, &options->common, summary) && code == TOOL_OK)
		code = TOOL_FAILED;
	return code;
}

static int pub_prepare(struct pub *pub)
{
	struct pub_options *options = pub->options;
	struct godwit_publisher_options publisher = {
		.stream = options->stream,
		.publisher = options->publisher,
		.instance = options->instance,
	};
	int rc;

	topics_init(&pub->topics, pub->client, options->stream, true);
	for (uint32_t i = 0; i < options->topic_count; i++) {
		pub->choices[i] =
			topics_get(&pub->topics, options->topics[i], strlen(options->topics[i]));
		if (pub->choices[i] == NULL)
			return -ENOMEM;
		// All at once as far as the client allows; the others when they are needed.
		rc = topics_ask(&pub->topics, pub->choices[i], godwit_client_now(pub->client));
		if (rc != 0)
			return rc;
	}
	rc = source_init(&pub->source, &options->source);
	return rc != 0 ? rc :
			 godwit_client_publisher_open(pub->client, &publisher, &pub->publisher);
}

int pub_run(struct pub_options *options)
{
	struct pub pub = {.options = options};
	int rc, code = TOOL_FAILED;

	tool_catch_signals();
	options->source.seed = tool_random();
	if (options->publisher == 0)
		options->publisher = tool_random();
	pub.client = tool_open(&options->common, PUB_NAME);
	if (pub.client == NULL)
		return TOOL_FAILED;
	rc = pub_prepare(&pub);
	if (rc != 0)
		tool_say(PUB_NAME, "cannot begin: %s", strerror(-rc));
	else
		code = pub_report(&pub, pub_loop(&pub));
	source_fini(&pub.source);
	topics_fini(&pub.topics);
	godwit_client_close(pub.client);
	return code;
}
