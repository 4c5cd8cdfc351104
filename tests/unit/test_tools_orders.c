// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit drain`, `undrain`, `rebalance` and `resolve` say of a server's answers.
#include "client/tools/orders.h"
#include "client/tools/resolve.h"
#include "client/tools/tool.h"
#include "tests/unit/tools_rig.h"

static int order(enum order order, const char *json)
{
	json_t *answer = answer_of(json);
	int code;

	said_begin();
	code = order_print(1, order, answer, said.out, said.err);
	said_end();
	json_decref(answer);
	return code;
}

Test(tools_orders, says_what_is_left_of_a_drain)
{
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"done\", \"left\": 1200}"), TOOL_OK);
	said_expect("server 1: draining, 1,200 cursors are left\n", "");
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"already\", \"left\": 3}"), TOOL_OK);
	said_expect("server 1: draining, 3 cursors are left\n", "");
	cr_assert_eq(order(ORDER_UNDRAIN, "{\"answer\": \"done\"}"), TOOL_OK);
	said_expect("server 1: takes clients again\n", "");
	cr_assert_eq(order(ORDER_UNDRAIN, "{\"answer\": \"already\"}"), TOOL_OK);
	said_expect("server 1: was not draining\n", "");
}

Test(tools_orders, says_why_an_order_is_refused)
{
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"last\"}"), TOOL_FAILED);
	said_expect(
		"",
		"godwit drain: refused: no other live server would take the clients of server 1\n");
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"stream\", \"stream\": \"trades\"}"),
		     TOOL_FAILED);
	said_expect(
		"",
		"godwit drain: refused: no other live server that takes clients has stream trades "
		"of server 1\n");
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"unknown\"}"), TOOL_FAILED);
	said_expect("", "godwit drain: there is no server 1 in the cluster: `godwit servers' lists "
			"them\n");
	cr_assert_eq(order(ORDER_UNDRAIN, "{\"answer\": \"elsewhere\", \"self\": 2}"), TOOL_FAILED);
	said_expect(
		"",
		"godwit undrain: server 1 is another process than the one asked, which is server "
		"2: run this beside it\n");
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"alone\"}"), TOOL_FAILED);
	said_expect(
		"",
		"godwit drain: server 1 is in no cluster: nobody else could take its clients\n");
}

Test(tools_orders, takes_no_answer_for_silence)
{
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"unanswered\"}"), TOOL_SILENT);
	said_expect("", "godwit drain: the server did not answer the order: unanswered\n");
	cr_assert_eq(order(ORDER_DRAIN, "{}"), TOOL_FAILED);
	said_expect("", "godwit drain: the server did not answer the order: -\n");
}

Test(tools_orders, says_what_is_to_move_in_a_rebalance)
{
	cr_assert_eq(order(ORDER_REBALANCE, "{\"answer\": \"done\", \"left\": 1200}"), TOOL_OK);
	said_expect("server 1: rebalancing, 1,200 cursors are to move\n", "");
	cr_assert_eq(order(ORDER_REBALANCE, "{\"answer\": \"already\", \"left\": 3}"), TOOL_OK);
	said_expect("server 1: rebalancing, 3 cursors are to move\n", "");
	cr_assert_eq(order(ORDER_REBALANCE, "{\"answer\": \"even\"}"), TOOL_OK);
	said_expect("server 1: its cores are even\n", "");
}

Test(tools_orders, says_why_a_rebalance_is_refused)
{
	cr_assert_eq(order(ORDER_REBALANCE, "{\"answer\": \"one-core\"}"), TOOL_FAILED);
	said_expect("",
		    "godwit rebalance: refused: server 1 has no two cores that take clients: they "
		    "need a queue of a port each, and threads that turn\n");
	cr_assert_eq(order(ORDER_REBALANCE, "{\"answer\": \"draining\"}"), TOOL_FAILED);
	said_expect("",
		    "godwit rebalance: refused: server 1 is drained, and all its clients are to "
		    "leave it\n");
	cr_assert_eq(order(ORDER_REBALANCE, "{\"answer\": \"alone\"}"), TOOL_FAILED);
	said_expect(
		"",
		"godwit rebalance: server 1 is in no cluster: it keeps no table of cursors, and "
		"moves none\n");
	// Of a drain, "even" means nothing.
	cr_assert_eq(order(ORDER_DRAIN, "{\"answer\": \"even\"}"), TOOL_FAILED);
	said_expect("", "godwit drain: the server did not answer the order: even\n");
}

static int end(const char *json)
{
	json_t *self = answer_of(json);
	int code;

	said_begin();
	code = rebalance_print_end(1, self, "310 ms", said.out, said.err);
	said_end();
	json_decref(self);
	return code;
}

Test(tools_orders, says_how_a_rebalance_ended)
{
	cr_assert_eq(end("{\"rebalance_end\": \"even\", \"rebalance_moved\": 402}"), TOOL_OK);
	said_expect("server 1: its cores are even, 402 cursors moved in 310 ms\n", "");
	cr_assert_eq(
		end("{\"rebalance_end\": \"uneven\", \"rebalance_moved\": 4, \"rebalance_left\": 2}"),
		TOOL_FAILED);
	said_expect(
		"",
		"godwit rebalance: server 1: 4 cursors moved, 2 are still to move: they could not, or "
		"came meanwhile; `godwit migrations' has the outcomes\n");
	cr_assert_eq(end("{\"rebalance_end\": \"draining\", \"rebalance_moved\": 4}"), TOOL_FAILED);
	said_expect("", "godwit rebalance: server 1: given up after 4 cursors: it is drained\n");
	cr_assert_eq(end("{\"rebalance_end\": \"one-core\", \"rebalance_moved\": 0}"), TOOL_FAILED);
	said_expect(
		"",
		"godwit rebalance: server 1: given up after 0 cursors: no second core takes clients any "
		"more\n");
}

// ---- resolve -------------------------------------------------------------------------------------

static void resolve(const char *json, uint64_t client, const char *expected)
{
	json_t *answer = answer_of(json);

	said_begin();
	resolve_print(answer, client, 1, said.out);
	said_end();
	json_decref(answer);
	said_expect(expected, "");
}

Test(tools_orders, shows_where_an_identifier_leads)
{
	resolve("{\"identifier\": \"9f3c5a1e77d01b24:1207:1\", \"stream\": \"trades\","
		" \"answer\": \"OK\", \"meaning\": \"done\", \"next\": 1208, \"log_offset\": 91732,"
		" \"earliest\": 1, \"commit\": 3307, \"end\": 3310}",
		0,
		"identifier  9f3c5a1e77d01b24:1207:1\n"
		"stream      trades\n"
		"answer      OK\n"
		"delivery    begins at 1208\n"
		"log offset  91,732\n"
		"log         earliest 1, commit 3307, end 3310\n");
}

Test(tools_orders, shows_why_an_identifier_leads_nowhere)
{
	resolve("{\"identifier\": \"9f3c5a1e77d01b24:9:1\", \"stream\": \"trades\","
		" \"answer\": \"FUTURE\", \"meaning\": \"the position was never appended\","
		" \"next\": 4, \"earliest\": 1, \"commit\": 3, \"end\": 3}",
		0,
		"identifier  9f3c5a1e77d01b24:9:1\n"
		"stream      trades\n"
		"answer      FUTURE: the position was never appended\n"
		"delivery    would begin, by policy, at 4, the next message\n"
		"log         earliest 1, commit 3, end 3\n");
	resolve("{\"identifier\": \"0000000000000001:5:1\", \"stream\": \"\","
		" \"answer\": \"UNKNOWN_SESSION\", \"meaning\": \"no such incarnation\"}",
		0,
		"identifier  0000000000000001:5:1\n"
		"stream      -\n"
		"answer      UNKNOWN_SESSION: no such incarnation\n");
}

Test(tools_orders, shows_the_cursor_that_stood_there)
{
	resolve("{\"identifier\": \"9f3c5a1e77d01b24:12:1\", \"stream\": \"trades\","
		" \"answer\": \"BUSY\", \"meaning\": \"refused for now: try again\","
		" \"earliest\": 1, \"commit\": 20, \"end\": 20, \"cursor\": {\"client\": \"42\","
		" \"seq\": 12, \"epoch\": 1, \"cursor_epoch\": \"3.2\", \"home\": 2, \"core\": 1,"
		" \"address\": \"10.77.0.2:5000\", \"heard_ms\": 812, \"lag\": 8,"
		" \"state\": \"live\"}}",
		42,
		"identifier  9f3c5a1e77d01b24:12:1\n"
		"stream      trades\n"
		"answer      BUSY: refused for now: try again\n"
		"log         earliest 1, commit 20, end 20\n"
		"cursor      acknowledged 12 of epoch 1, 8 behind the commit\n"
		"            cursor epoch 3.2, live, whole stream, heard 812 ms ago\n"
		"            home server 2, core 1; client at 10.77.0.2:5000\n");
	resolve("{\"identifier\": \"0000000000000001:5:1\", \"stream\": \"\","
		" \"answer\": \"UNKNOWN_SESSION\", \"meaning\": \"no such incarnation\"}",
		42,
		"identifier  0000000000000001:5:1\n"
		"stream      -\n"
		"answer      UNKNOWN_SESSION: no such incarnation\n"
		"cursor      client 42 has no live cursor for its subscription 1 in this session\n");
}
