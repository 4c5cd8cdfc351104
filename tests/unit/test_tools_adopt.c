// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit adopt` says of a server's answers.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/tools/adopt.h"
#include "client/tools/tool.h"

static void expect(const char *json, int code, const char *on_out, const char *on_err)
{
	json_t *answer = json_loads(json, 0, NULL);
	size_t out_bytes, err_bytes;
	char *out, *err;
	FILE *out_file = open_memstream(&out, &out_bytes);
	FILE *err_file = open_memstream(&err, &err_bytes);

	cr_assert_not_null(answer);
	cr_assert_eq(adopt_print("trades", answer, out_file, err_file), code);
	fclose(out_file);
	fclose(err_file);
	json_decref(answer);
	cr_assert_str_eq(out, on_out);
	cr_assert_str_eq(err, on_err);
	free(out);
	free(err);
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
