// SPDX-License-Identifier: BSD-3-Clause
//
// What a stream that is led does or waits for, in words.
#include <stdio.h>
#include <string.h>

#include "control/keeper.h"

const char *keeper_state_name(enum keeper_state state)
{
	static const char *const names[] = {
		[KEEPER_READING] = "reading",	[KEEPER_MEETING] = "meeting",
		[KEEPER_CHOOSING] = "choosing", [KEEPER_FETCHING] = "fetching",
		[KEEPER_LEADING] = "leading",
	};

	return names[state];
}

// " 1 2 3", in ascending order.
static void text_set(const struct cluster_record *record, char *text)
{
	uint32_t after = 0, next;

	for (uint32_t n = 0; n < record->in_sync_count; n++) {
		size_t used = strlen(text);

		next = UINT32_MAX;
		for (uint32_t i = 0; i < record->in_sync_count; i++)
			if (record->in_sync[i].server > after && record->in_sync[i].server < next)
				next = record->in_sync[i].server;
		snprintf(text + used, KEEPER_TEXT_BYTES - used, " %u", next);
		after = next;
	}
}

static void text_going_on(const struct keeper_view *view, char *text)
{
	const struct cluster_record *record = &view->record;
	size_t used;

	switch (view->state) {
	case KEEPER_READING:
		snprintf(text, KEEPER_TEXT_BYTES, "reads its record");
		break;
	case KEEPER_MEETING:
		snprintf(text, KEEPER_TEXT_BYTES, "begins: no server holds anything of it");
		break;
	case KEEPER_CHOOSING:
		snprintf(text, KEEPER_TEXT_BYTES, "looks for the longest log of those in sync");
		break;
	case KEEPER_FETCHING:
		snprintf(text, KEEPER_TEXT_BYTES, "fetches its log from server %u, for epoch %u",
			 view->server, record->epoch);
		break;
	case KEEPER_LEADING:
		snprintf(text, KEEPER_TEXT_BYTES, "led in epoch %u, in sync:", record->epoch);
		text_set(record, text);
		if (record->in_sync_count < record->min_in_sync) {
			used = strlen(text);
			snprintf(text + used, KEEPER_TEXT_BYTES - used,
				 "; nothing commits below %u", record->min_in_sync);
		}
		break;
	}
}

void keeper_text(const struct keeper_view *view, char text[KEEPER_TEXT_BYTES])
{
	switch (view->why) {
	case KEEPER_GOES_ON:
		text_going_on(view, text);
		break;
	case KEEPER_WAITS_FOR:
		snprintf(text, KEEPER_TEXT_BYTES,
			 view->state == KEEPER_MEETING ?
				 "begins when server %u has said that it holds nothing of it" :
				 "waits for server %u, which was in sync and may hold its log",
			 view->server);
		break;
	case KEEPER_REFUSES_PEER:
		snprintf(text, KEEPER_TEXT_BYTES,
			 "waits for server %u, which is there but takes no part: other "
			 "configuration, MTU or version",
			 view->server);
		break;
	case KEEPER_HELD_ELSEWHERE:
		snprintf(
			text, KEEPER_TEXT_BYTES,
			"does not begin: there is no record of it here, but server %u holds messages of "
			"it; restore the file in cluster.state_dir, or use `godwit adopt'",
			view->server);
		break;
	case KEEPER_NOBODY:
		snprintf(
			text, KEEPER_TEXT_BYTES,
			"does not begin: its record has nobody in sync; `godwit adopt' goes on with "
			"what a replica holds");
		break;
	case KEEPER_NOT_WHOLE:
		snprintf(
			text, KEEPER_TEXT_BYTES,
			"does not go on: what server %u holds of it is not whole now; it is asked again",
			view->server);
		break;
	case KEEPER_NO_RECORD:
		snprintf(text, KEEPER_TEXT_BYTES, "its record: %s", view->text);
		break;
	}
}

void keeper_brief(const struct keeper_view *view, char text[KEEPER_BRIEF_BYTES])
{
	switch (view->why) {
	case KEEPER_GOES_ON:
		if (view->state == KEEPER_FETCHING)
			snprintf(text, KEEPER_BRIEF_BYTES, "fetching from server %u", view->server);
		else if (view->state != KEEPER_LEADING)
			snprintf(text, KEEPER_BRIEF_BYTES, "%s", keeper_state_name(view->state));
		else
			snprintf(text, KEEPER_BRIEF_BYTES, "%s",
				 view->record.in_sync_count < view->record.min_in_sync ?
					 "too few in sync" :
					 "open");
		break;
	case KEEPER_WAITS_FOR:
		snprintf(text, KEEPER_BRIEF_BYTES, "waiting for server %u", view->server);
		break;
	case KEEPER_REFUSES_PEER:
		snprintf(text, KEEPER_BRIEF_BYTES, "server %u takes no part", view->server);
		break;
	case KEEPER_HELD_ELSEWHERE:
		snprintf(text, KEEPER_BRIEF_BYTES, "no record, but server %u holds messages",
			 view->server);
		break;
	case KEEPER_NOBODY:
		snprintf(text, KEEPER_BRIEF_BYTES, "its record has nobody in sync");
		break;
	case KEEPER_NOT_WHOLE:
		snprintf(text, KEEPER_BRIEF_BYTES, "what server %u holds is not whole",
			 view->server);
		break;
	case KEEPER_NO_RECORD:
		snprintf(text, KEEPER_BRIEF_BYTES, "its record cannot be had");
		break;
	}
}
