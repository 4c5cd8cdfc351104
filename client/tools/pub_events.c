// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>

#include "client/tools/format.h"
#include "client/tools/pub.h"

static void on_opened(struct pub *pub, const struct godwit_event *event, uint64_t now_ns)
{
	const struct pub_options *options = pub->options;

	if (pub->instance == event->instance && !pub->is_anew)
		return; // the same one at the next server
	pub->is_anew = false;
	if (pub->instance == 0) {
		pub->opened_ns = now_ns;
		pub->committed_ns = now_ns;
		pacer_start(&pub->pacer, now_ns, options->is_paced ? options->rate : 0);
	}
	if (!options->common.is_quiet)
		tool_say(PUB_NAME,
			 "publishing to %s as publisher %" PRIu64 ", instance %" PRIu64
			 ", after number %" PRIu64,
			 options->stream, options->publisher, event->instance, event->number);
	pub->instance = event->instance;
	pub->committed_number = event->number;
	// Numbers in doubt may be missing for good: the next ones are a run of their own.
	pub->run = (uint16_t)tool_random();
}

static void on_topic(struct pub *pub, const struct godwit_event *event, uint64_t now_ns)
{
	const struct topic *topic = topics_answer(&pub->topics, event, now_ns);

	if (topic == NULL || topic->number != 0 || event->code == GODWIT_BUSY)
		return;
	tool_say(PUB_NAME, "topic %s: %s (%s)", topic->name, godwit_code_text(event->code),
		 godwit_code_name(event->code));
	pub->end_code = event->code;
	pub->is_over = true;
}

static void on_in_doubt(struct pub *pub, const struct godwit_event *event)
{
	pub->is_anew = true;
	if (event->first == 0) {
		tool_say(PUB_NAME,
			 "what an earlier process published up to %" PRIu64 " is in doubt",
			 event->last);
		return;
	}
	pub->in_doubt += event->last - event->first + 1;
	tool_say(PUB_NAME,
		 "in doubt: messages %" PRIu64 "..%" PRIu64 " of instance %" PRIu64
		 " (%s); going on as a new instance",
		 event->first, event->last, event->instance, godwit_code_text(event->code));
}

static void on_refusal(struct pub *pub, const struct godwit_event *event, const char *what)
{
	const char *more = event->text != NULL ? event->text : "";

	if (event->code == GODWIT_UNKNOWN_STREAM)
		more = pub->options->stream;
	tool_say(PUB_NAME, "%s: %s (%s)%s%s", what, godwit_code_text(event->code),
		 godwit_code_name(event->code), *more != '\0' ? ": " : "", more);
	pub->end_code = event->code;
}

void pub_event(struct pub *pub, const struct godwit_event *event, uint64_t now_ns)
{
	switch (event->kind) {
	case GODWIT_EVENT_CONNECTED:
		pub->is_connected = true;
		if (!pub->options->common.is_quiet)
			tool_say(PUB_NAME, "connected to %s", format_address(&event->server).text);
		break;
	case GODWIT_EVENT_DISCONNECTED:
		tool_say(PUB_NAME, "disconnected: %s %s; trying again",
			 format_address(&event->server).text,
			 event->code == GODWIT_SHUTDOWN ? "stops" : "is silent");
		break;
	case GODWIT_EVENT_TOPIC:
		on_topic(pub, event, now_ns);
		break;
	case GODWIT_EVENT_PUBLISHER_OPENED:
		on_opened(pub, event, now_ns);
		break;
	case GODWIT_EVENT_COMMITTED:
		if (event->number > pub->committed_number) {
			pub->committed += event->number - pub->committed_number;
			pub->committed_number = event->number;
			pub->committed_ns = now_ns;
		}
		break;
	case GODWIT_EVENT_IN_DOUBT:
		on_in_doubt(pub, event);
		break;
	case GODWIT_EVENT_PUBLISHER_ENDED:
		on_refusal(pub, event, "ended");
		pub->is_over = true;
		break;
	case GODWIT_EVENT_ERROR:
		on_refusal(pub, event, "refused");
		pub->is_over |= event->code == GODWIT_FENCED ||
				(event->code == GODWIT_BAD_CREDENTIAL && !pub->is_connected);
		break;
	default:
		break;
	}
}
