// SPDX-License-Identifier: BSD-3-Clause
//
// Who plays which role: what a server's control does for the streams whose primary it is, over the
// records that its static cluster keeps in the files of the host.
//
//   read the record -+- none: every replica holds nothing -> a new session ----------------------+
//                    +- all members lost their memory     -> a new session ----------------------+
//                    '- a member is there -> epoch + 1, without us -> FETCH its log -> with us --+-> RECORD
//
//   then: who is proposed joins the in-sync set, who is dead, new or lags leaves it -> RECORD
#ifndef TESTS_SIM_ROLES_H
#define TESTS_SIM_ROLES_H

#include "control/cluster_static.h"
#include "dataplane/replication.h"

#define ROLES_FILES	 4
#define ROLES_FILE_BYTES 2048

enum role_state {
	ROLE_READING,
	ROLE_NEW,      // there is no record
	ROLE_MEMBERS,  // looking for members of the record
	ROLE_CHOSEN,   // the record without us is being written
	ROLE_FETCHING, // the log of a member
	ROLE_JOINING,  // the record with us is being written
	ROLE_ACTIVE,
};

struct role { // of one stream, at its primary
	enum role_state state;
	struct cluster_record record; // in force
	struct cluster_record asked;  // being written
	bool changing;		      // a request is under way
	bool untold;		      // the home core does not know the record in force
	uint64_t found_ns;	      // when the first member was found; 0: not yet
	uint16_t source;	      // that the log is fetched from
	uint64_t source_incarnation;
	struct {
		uint64_t incarnation; // proposed; 0: not
		bool lags;
	} servers[CLUSTER_SERVERS_MAX + 1];
	uint64_t proposals; // highest number seen
	uint64_t answered;  // of the record in force
};

struct role_file { // survives a crash of the host
	char name[80];
	char text[ROLES_FILE_BYTES];
	size_t bytes;
};

struct roles {
	struct cluster cluster;
	struct role roles[ROLES_FILES]; // by the simulator's stream number
	uint64_t due_ns;
};

struct host;

void roles_start(struct host *host);
void roles_stop(struct host *host);
// A step of control.
void roles_turn(struct host *host);

// ---- roles_host.c

int roles_file_read(void *arg, const char *name, char *text, size_t size);
int roles_file_write(void *arg, const char *name, const char *text, size_t bytes);
// Of a server, the host's own included: its present process, and whether it is heard.
uint64_t roles_incarnation(struct host *host, uint16_t server);
bool roles_is_there(struct host *host, uint16_t server);
// What a server that is there said of the stream.
bool roles_facts(struct host *host, uint32_t stream, uint16_t server,
		 struct peer_stream_facts *facts);
// To the home core of the stream. False: its mailbox is full.
bool roles_tell_record(struct host *host, uint32_t stream);
bool roles_tell_fetch(struct host *host, uint32_t stream);

#endif
