// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit adopt` says of a server's answers.
#include "client/tools/adopt.h"
#include "client/tools/tool.h"
#include "tests/unit/tools_rig.h"

static void expect(const char *json, int code, const char *on_out, const char *on_err)
{
	json_t *answer = answer_of(json);

	said_begin();
	cr_assert_eq(adopt_print("trades", answer, said.out, said.err), code);
	said_end();
	json_decref(answer);
	said_expect(on_out, on_err);
}

Test(tools_adopt, says_what_it_goes_on_with_and_what_is_given_up)
{
	expect("{\"server\": 2, \"answer\": \"done\"}", TOOL_OK,
	       "stream trades: is to go on with what server 2 holds; `godwit streams' tells how it "
	       "goes\n",
	       "");
	expect("{\"server\": 2, \"answer\": \"done\", \"given_up\": \"3 4\"}", TOOL_OK,
	       "stream trades: is to go on with what server 2 holds; `godwit streams' tells how it "
	       "goes\n"
	       "stream trades: given up is what only these servers held: 3 4\n",
	       "");
}

Test(tools_adopt, says_why_it_is_refused)
{
	expect("{\"server\": 2, \"answer\": \"not-waiting\"}", TOOL_FAILED, "",
	       "godwit adopt: refused: stream trades needs nobody's word: `godwit streams' tells "
	       "what it does\n");
	expect("{\"server\": 2, \"answer\": \"holds-nothing\"}", TOOL_FAILED, "",
	       "godwit adopt: refused: server 2 is no replica of stream trades, is not there, or "
	       "holds nothing of it\n");
	expect("{\"server\": 2, \"answer\": \"no-record\"}", TOOL_FAILED, "",
	       "godwit adopt: refused: the record of stream trades cannot be read or written now: "
	       "`godwit streams' tells why; one that is damaged must be put aside first\n");
	expect("{\"server\": 2, \"answer\": \"gives-up\", \"given_up\": \"3 4\"}", TOOL_FAILED, "",
	       "godwit adopt: refused: these replicas of stream trades do not answer or hold another "
	       "session: 3 4; with --give-up what only they hold is given up\n");
}

Test(tools_adopt, takes_no_answer_for_silence)
{
	expect("{\"server\": 2, \"answer\": \"unanswered\"}", TOOL_SILENT, "",
	       "godwit adopt: the server did not answer the order: unanswered\n");
}
