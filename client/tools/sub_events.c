// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

static void say_reason(const char *what, uint16_t code, const char *more)
{
	tool_say(SUB_NAME, "%s: %s (%s)%s%s", what, godwit_code_text(code), godwit_code_name(code),
		 more != NULL && *more != '\0' ? ": " : "", more != NULL ? more : "");
}

static void visit(struct sub *sub, const struct godwit_address *server)
{
	for (uint32_t i = 0; i < sub->server_count; i++)
		if (godwit_address_equal(&sub->servers[i], server))
			return;
	if (sub->server_count < GODWIT_SERVERS_MAX)
		sub->servers[sub->server_count++] = *server;
}

static void on_begun(struct sub *sub, const struct godwit_event *event)
{
	sub->has_begun = true;
	sub->begun_ns = godwit_client_now(sub->client);
	sub->said_ns = sub->begun_ns;
	sub->mark = event->identifier;
	visit(sub, &event->server);
	check_begin(&sub->check, &event->identifier);
	if (event->code != GODWIT_OK)
		say_reason("the start is not to be had", event->code, NULL);
	if (!sub->options->common.is_quiet)
		tool_say(SUB_NAME, "subscribed to %s: begins after %s", sub->options->stream,
			 format_identifier(&event->identifier).text);
}

static const char *move_text(uint16_t reason)
{
	static const char *const texts[] = {
		[GODWIT_MOVE_CLIENT] = "it was silent",
		[GODWIT_MOVE_TAKE] = "another took over",
		[GODWIT_MOVE_TAKE_BY_HOME] = "another took over at its wish",
		[GODWIT_MOVE_MIGRATE] = "it asked for it",
		[GODWIT_MOVE_SHUTDOWN] = "it stops",
		[GODWIT_MOVE_REDIRECT] = "it named another",
	};

	return reason < sizeof(texts) / sizeof(texts[0]) && texts[reason] != NULL ? texts[reason] :
										    "unknown";
}

static void on_migrated(struct sub *sub, const struct godwit_event *event)
{
	sub->migrations++;
	sub->reason = event->why < GODWIT_MIGRATION_REASONS ? event->why : 0;
	sub->reasons[sub->reason]++;
	sub->resumes++;
	visit(sub, &event->server);
	tool_say(SUB_NAME,
		 "migrated from %s to %s (%s, %s): heard nothing for %s, %s to replay%s%s",
		 format_address(&event->from).text, format_address(&event->server).text,
		 godwit_migration_reason_name(event->why), move_text(event->reason),
		 format_ns(event->silence_ns).text, format_count(event->replayed).text,
		 event->code != GODWIT_OK ? ": " : "",
		 event->code != GODWIT_OK ? godwit_code_text(event->code) : "");
}

static void on_gap(struct sub *sub, const struct godwit_event *event)
{
	uint64_t count = event->last >= event->first ? event->last - event->first + 1 : 0;
	bool is_withdrawn = event->identifier.seq < event->first;

	sub->gaps++;
	check_gap(&sub->check, event->first, event->last, &event->identifier);
	tool_say(SUB_NAME,
		 "%s: %s messages (%" PRIu64 "..%" PRIu64 "): %s (%s); going on after %" PRIu64,
		 is_withdrawn ? "withdrawn" : "truncated", format_count(count).text, event->first,
		 event->last, godwit_code_text(event->code), godwit_code_name(event->code),
		 event->identifier.seq);
}

static void on_ended(struct sub *sub, const struct godwit_event *event)
{
	sub->is_over = true;
	sub->end_code = event->code;
	sub->exit = TOOL_FAILED;
	say_reason("ended", event->code,
		   event->code == GODWIT_UNKNOWN_STREAM ? sub->options->stream : NULL);
	if (event->code == GODWIT_TRUNCATED)
		tool_say(SUB_NAME,
			 "--policy earliest goes on with the earliest message still kept");
	if (event->session != 0)
		tool_say(SUB_NAME,
			 "the stream's new session is %016" PRIx64 "; --policy earliest goes on "
			 "with its first message",
			 event->session);
}

static void on_topic(struct sub *sub, const struct godwit_event *event)
{
	const struct topic *topic =
		topics_answer(&sub->topics, event, godwit_client_now(sub->client));

	if (topic == NULL || topic->number != 0 || event->code == GODWIT_BUSY ||
	    (sub->options->waits && event->code == GODWIT_UNKNOWN_TOPIC))
		return;
	tool_say(SUB_NAME, "topic %s: %s (%s)%s", topic->name, godwit_code_text(event->code),
		 godwit_code_name(event->code),
		 event->code == GODWIT_UNKNOWN_TOPIC ? "; --wait waits for it" : "");
	sub->is_over = true;
	sub->end_code = event->code;
	sub->exit = TOOL_FAILED;
}

static void on_error(struct sub *sub, const struct godwit_event *event)
{
	say_reason("refused", event->code, event->text);
	if (event->code != GODWIT_FENCED &&
	    (event->code != GODWIT_BAD_CREDENTIAL || sub->is_connected))
		return;
	sub->is_over = true;
	sub->end_code = event->code;
	sub->exit = TOOL_FAILED;
}

void sub_event(struct sub *sub, const struct godwit_event *event)
{
	bool is_quiet = sub->options->common.is_quiet;

	switch (event->kind) {
	case GODWIT_EVENT_CONNECTED:
		sub->is_connected = true;
		if (!is_quiet)
			tool_say(SUB_NAME, "connected to %s", format_address(&event->server).text);
		break;
	case GODWIT_EVENT_DISCONNECTED:
		sub->disconnects++;
		tool_say(SUB_NAME, "disconnected: %s %s; trying again",
			 format_address(&event->server).text,
			 event->code == GODWIT_SHUTDOWN ? "stops" : "is silent");
		break;
	case GODWIT_EVENT_SUBSCRIBED:
		on_begun(sub, event);
		break;
	case GODWIT_EVENT_RESUMED:
		sub->resumes++;
		tool_say(SUB_NAME, "resumed after %s%s%s",
			 format_identifier(&event->identifier).text,
			 event->code != GODWIT_OK ? ": " : "",
			 event->code != GODWIT_OK ? godwit_code_text(event->code) : "");
		break;
	case GODWIT_EVENT_MIGRATED:
		on_migrated(sub, event);
		break;
	case GODWIT_EVENT_GAP:
		on_gap(sub, event);
		break;
	case GODWIT_EVENT_SESSION:
		sub->sessions++;
		check_session(&sub->check, &event->identifier);
		tool_say(SUB_NAME,
			 "session: the stream began anew as %016" PRIx64 " (before: %016" PRIx64
			 "); going on after %" PRIu64,
			 event->identifier.session, event->session, event->identifier.seq);
		break;
	case GODWIT_EVENT_ENDED:
		on_ended(sub, event);
		break;
	case GODWIT_EVENT_TOPIC:
		on_topic(sub, event);
		break;
	case GODWIT_EVENT_ERROR:
		on_error(sub, event);
		break;
	default:
		break;
	}
}
