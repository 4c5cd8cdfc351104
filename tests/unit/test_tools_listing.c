// SPDX-License-Identifier: BSD-3-Clause
//
// The lists of `godwit`: what a server answers, and what a person is shown of it.
#include "client/tools/listing.h"
#include "tests/unit/tools_rig.h"

// The rows of `json`, an array, printed.
static void show(const struct listing *listing, const char *json, bool is_json, bool is_detailed)
{
	struct listing_output output = {
		.listing = listing, .is_json = is_json, .is_detailed = is_detailed};
	json_t *rows = answer_of(json), *row;
	size_t i;

	said_begin();
	output.out = said.out;
	listing_begin(&output);
	json_array_foreach(rows, i, row)
		listing_add(&output, row);
	listing_end(&output);
	said_end();
	json_decref(rows);
}

static void expect(const char *expected)
{
	said_expect(expected, "");
}

static const char servers[] =
	"[{\"id\": 1, \"address\": \"10.77.0.11:5678\", \"self\": 1, \"link\": \"self\","
	"  \"incarnation\": 1795803175860177962, \"refusal\": \"\", \"interval_us\": 10000,"
	"  \"multiplier\": 3, \"flaps\": 0, \"weight\": 1, \"cursors\": 1200,"
	"  \"share_permille\": 667, \"draining\": 1, \"drain_left\": 1200, \"history\": []},"
	" {\"id\": 2, \"address\": \"10.77.0.12:5678\", \"self\": 0, \"link\": \"up\","
	"  \"link_ms\": 72000, \"incarnation\": 5, \"refusal\": \"\", \"interval_us\": 10000,"
	"  \"multiplier\": 6, \"heard_ms\": 4, \"hears_us_ms\": 11, \"flaps\": 1, \"weight\": 1,"
	"  \"cursors\": 600, \"share_permille\": 333, \"draining\": 1, \"history\": ["
	"    {\"ago_ms\": 72000, \"time_ns\": 1795803175860177962, \"from\": \"suspect\","
	"     \"to\": \"up\", \"why\": \"heard\"},"
	"    {\"ago_ms\": 72030, \"time_ns\": 1795803175830000000, \"from\": \"up\","
	"     \"to\": \"suspect\", \"why\": \"silent\"}]},"
	" {\"id\": 3, \"address\": \"10.77.0.13:5678\", \"self\": 0, \"link\": \"unknown\","
	"  \"incarnation\": 0, \"refusal\": \"not met\", \"interval_us\": 0, \"multiplier\": 3,"
	"  \"flaps\": 0, \"weight\": 1, \"cursors\": 0, \"share_permille\": 0, \"draining\": 1,"
	"  \"history\": []}]";

Test(tools_listing, shows_servers_and_how_their_links_are)
{
	show(&listing_servers, servers, false, false);
	expect("SERVER  ADDRESS          LINK      FOR  HEARD  HEARS US  SILENCE  FLAPS  CURSORS   SHARE  NOTE\n"
	       "1       10.77.0.11:5678  self        -      -         -        -      -    1,200  66.7 %  draining\n"
	       "2       10.77.0.12:5678  up       72 s   4 ms     11 ms    60 ms      1      600  33.3 %  draining\n"
	       "3       10.77.0.13:5678  unknown     -      -         -        -      0        0   0.0 %  not met\n");
}

Test(tools_listing, shows_that_the_cores_of_a_server_are_being_evened_out)
{
	show(&listing_servers,
	     "[{\"id\": 1, \"address\": \"10.77.0.11:5678\", \"self\": 1, \"link\": \"self\","
	     "  \"refusal\": \"\", \"cursors\": 9, \"share_permille\": 1000, \"draining\": 0,"
	     "  \"rebalancing\": 1, \"rebalance_left\": 3, \"history\": []}]",
	     false, false);
	expect("SERVER  ADDRESS          LINK  FOR  HEARD  HEARS US  SILENCE  FLAPS  CURSORS    SHARE  NOTE\n"
	       "1       10.77.0.11:5678  self    -      -         -        -      -        9  100.0 %  rebalancing\n");
}

Test(tools_listing, shows_the_history_of_links_when_asked)
{
	show(&listing_servers, servers, false, true);
	cr_assert_not_null(
		strstr(said.out_text,
		       "\n\nSERVER  TIME                             AGO  FROM     TO       WHY\n"
		       "2       2026-11-27T18:12:55.860177962Z  72 s  suspect  up       heard\n"
		       "2       2026-11-27T18:12:55.830000000Z  72 s  up       suspect  silent\n"),
		"%s", said.out_text);
	said_forget();
}

Test(tools_listing, shows_streams_who_is_in_sync_and_what_others_hold)
{
	show(&listing_streams,
	     "[{\"name\": \"trades\", \"role\": \"primary\", \"state\": \"open\", \"primary\": 1,"
	     "  \"session\": \"9f3c5a1e77d01b24\", \"epoch\": 3, \"earliest\": 1, \"head\": 20500,"
	     "  \"end\": 20500, \"commit\": 20480, \"feed_age_ms\": 0, \"log_bytes\": 67108864,"
	     "  \"pages\": \"huge\", \"home\": 0, \"min_in_sync\": 2, \"in_sync\": 2,"
	     "  \"in_sync_servers\": [1, 2], \"replicas\": ["
	     "   {\"server\": 2, \"role\": \"replica\", \"in_sync\": 1, \"acked\": 20480,"
	     "    \"lag\": 20, \"feed_age_ms\": 1},"
	     "   {\"server\": 3, \"role\": \"replica\", \"in_sync\": 0}]},"
	     " {\"name\": \"alerts\", \"role\": \"alone\", \"state\": \"open\", \"primary\": 1,"
	     "  \"epoch\": 1, \"earliest\": 1, \"end\": 0, \"commit\": 0, \"feed_age_ms\": 0,"
	     "  \"log_bytes\": 8388608, \"min_in_sync\": 1, \"in_sync\": 1,"
	     "  \"in_sync_servers\": [1], \"replicas\": []},"
	     " {\"name\": \"orders\", \"role\": \"primary\", \"state\": \"waiting for server 2\","
	     "  \"explanation\": \"waits for server 2, which was in sync and may hold its log\","
	     "  \"primary\": 1, \"epoch\": 4, \"earliest\": 1, \"end\": 0, \"commit\": 0,"
	     "  \"log_bytes\": 8388608, \"min_in_sync\": 2, \"in_sync\": 0,"
	     "  \"in_sync_servers\": [], \"replicas\": []}]",
	     false, true);
	expect("STREAM  ROLE     PRIMARY  EPOCH  EARLIEST  COMMIT     END  FEED     LOG  IN SYNC      STATE\n"
	       "trades  primary        1      3         1  20,480  20,500  0 ms  64 MiB  1 2, min 2   open\n"
	       "alerts  alone          1      1         1       0       0  0 ms   8 MiB  1            open\n"
	       "orders  primary        1      4         1       0       0     -   8 MiB  none, min 2  waiting for server 2\n"
	       "\n"
	       "STREAM  SERVER  ROLE     IN SYNC   ACKED  LAG  FEED\n"
	       "trades       2  replica  yes      20,480   20  1 ms\n"
	       "trades       3  replica  no            -    -     -\n"
	       "\n"
	       "orders: waits for server 2, which was in sync and may hold its log\n");
}

Test(tools_listing, shows_clients)
{
	show(&listing_clients,
	     "[{\"client\": \"15896395300427901232\", \"instance\": 1795803177657332762,"
	     "  \"address\": \"10.77.0.2:58515\", \"core\": 0, \"link\": \"up\", \"heard_ms\": 2,"
	     "  \"subscriptions\": 2},"
	     " {\"client\": \"42\", \"instance\": 1795803177709038483,"
	     "  \"address\": \"10.77.0.2:56266\", \"core\": 1, \"link\": \"silent\","
	     "  \"heard_ms\": 1250}]",
	     false, true);
	expect("CLIENT                ADDRESS          CORE  SUBSCRIPTIONS  LINK    HEARD  STARTED\n"
	       "15896395300427901232  10.77.0.2:58515     0              2  up       2 ms  2026-11-27T18:12:57.657\n"
	       "42                    10.77.0.2:56266     1              -  silent  1.2 s  2026-11-27T18:12:57.709\n");
}

Test(tools_listing, shows_cursors)
{
	show(&listing_cursors,
	     "[{\"client\": \"15896395300427901232\", \"subscription\": 1, \"stream\": \"trades\","
	     "  \"session\": \"9f3c5a1e77d01b24\", \"seq\": 20480, \"epoch\": 3,"
	     "  \"cursor_epoch\": \"2.1\", \"home\": 1, \"core\": 0,"
	     "  \"address\": \"10.77.0.2:58515\", \"heard_ms\": 812, \"lag\": 0,"
	     "  \"state\": \"live\"},"
	     " {\"client\": \"42\", \"subscription\": 7, \"stream\": \"\", \"seq\": 5,"
	     "  \"epoch\": 1, \"cursor_epoch\": \"9.3\", \"home\": 3, \"core\": 1,"
	     "  \"address\": \"10.77.0.2:56266\", \"heard_ms\": 61000, \"state\": \"ended\","
	     "  \"filter\": \"00000000000000aa\"}]",
	     false, false);
	expect("CLIENT                SUB  STREAM  ACKED  LAG  EPOCH  CURSOR  HOME  ADDRESS           HEARD  STATE\n"
	       "15896395300427901232    1  trades  20480    0      3  2.1     1/0   10.77.0.2:58515  812 ms  live\n"
	       "42                      7  -           5    -      1  9.3     3/1   10.77.0.2:56266    61 s  ended, filter\n");
}

Test(tools_listing, shows_migrations)
{
	show(&listing_migrations,
	     "[{\"detected_ns\": 1795803177657332762, \"reason\": \"death\", \"client\": \"42\","
	     "  \"subscription\": 1, \"stream\": \"trades\", \"from\": 2, \"to\": 3,"
	     "  \"first_message_ns\": 1795803177660832762, \"replayed\": 1204,"
	     "  \"handover_seq\": 20480, \"outcome\": \"moved\"},"
	     " {\"detected_ns\": 1795803170000000000, \"reason\": \"drain\", \"client\": \"43\","
	     "  \"subscription\": 1, \"stream\": \"trades\", \"from\": 1, \"to\": 2,"
	     "  \"first_message_ns\": 0, \"replayed\": 0, \"handover_seq\": 0,"
	     "  \"outcome\": \"refused\"}]",
	     false, false);
	expect("DETECTED (UTC)      REASON  CLIENT  SUB  STREAM  MOVE     FIRST  REPLAYED  HAND-OVER  OUTCOME\n"
	       "11-27 18:12:57.657  death   42        1  trades  2 > 3  3.50 ms     1,204      20480  moved\n"
	       "11-27 18:12:50.000  drain   43        1  trades  1 > 2        -         -          -  refused\n");
}

Test(tools_listing, writes_rows_as_they_come_as_json)
{
	show(&listing_cursors, "[{\"client\": \"1\"}, {\"client\": \"2\"}]", true, true);
	expect("{\n  \"cursors\": [\n    {\"client\": \"1\"},\n    {\"client\": \"2\"}\n  ]\n}\n");
	show(&listing_cursors, "[]", true, true);
	expect("{\n  \"cursors\": []\n}\n");
}

Test(tools_listing, says_that_there_is_nothing)
{
	show(&listing_migrations, "[]", false, false);
	expect("no migrations\n");
}

Test(tools_listing, bears_an_answer_without_fields)
{
	show(&listing_servers, "[{}]", false, true);
	expect("SERVER  ADDRESS  LINK  FOR  HEARD  HEARS US  SILENCE  FLAPS  CURSORS  SHARE  NOTE\n"
	       "0       -        -       -      -         -        -      -        -  0.0 %  -\n");
	show(&listing_streams, "[{}]", true, true);
	expect("{\n  \"streams\": [\n    {}\n  ]\n}\n");
}
