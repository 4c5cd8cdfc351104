// SPDX-License-Identifier: BSD-3-Clause
//
// What a stream's sequencer knows of its publishers: for each id the instance in force, the last
// number appended and the last committed; and the runs, which say which numbers lie at which
// sequences.
//
// A run {publisher, instance, first number, first sequence, count} lies beside the log from append
// until commit and every in-sync replica are past it; as it leaves it is applied to the base table
// (publisher -> instance, last number, as of a stated sequence). A primary that takes over rebuilds
// the state from base + runs; cutting back undoes runs from the newest.
//
// Owner: the stream's home core. Memory is taken at publishers_create; nothing is allocated later.
// Source of the rules: DESIGN "Publishers"; Kafka's idempotent producer (KIP-98) has the same
// shape.
#ifndef DATAPLANE_PUBLISHERS_H
#define DATAPLANE_PUBLISHERS_H

#include <godwit/types.h>

#define PUBLISHER_NONE UINT32_MAX

struct publisher_run { // host order twin of struct godwit_run
	uint64_t publisher;
	uint64_t instance;
	uint64_t first_number;
	uint64_t first_seq;
	uint32_t count;
	uint32_t zero;
};

struct publisher { // w, r: home core
	uint64_t id;
	uint64_t instance;  // in force
	uint64_t last;	    // last number appended in this instance; 0: none
	uint64_t committed; // last number committed in this instance
	uint64_t last_seq;  // sequence of `last`; 0: none
	// where PUBLISH_ACK goes: the stages'. A new instance zeroes them, but next_dirty and dirty:
	// the entry may be in the list
	uint64_t handle;
	uint64_t tag;
	uint64_t open_tag; // of the PUBLISH_OPEN that made the instance: its repeat gets the same
	uint32_t open_request;
	uint32_t before_request; // of the one that made the instance before: its repeat is late, and makes none
	uint64_t before_tag;
	uint32_t core;
	uint32_t next_dirty; // list of those owed a PUBLISH_ACK; PUBLISHER_NONE: end
	uint16_t code;	     // of the next PUBLISH_ACK
	bool dirty;
};

enum publish_verdict {
	PUBLISH_NEXT,	 // take it from index `skip` on
	PUBLISH_REPEAT,	 // all of it is held already
	PUBLISH_GAP,	 // begins above last + 1
	PUBLISH_FENCED,	 // of a lower instance
	PUBLISH_UNKNOWN, // publisher or (higher) instance never opened here
};

struct publishers; // opaque

// publishers_max entries, runs_max runs (a power of two). NULL with errno ENOMEM or EINVAL. Thread:
// control.
struct publishers *publishers_create(uint32_t publishers_max, uint32_t runs_max);
void publishers_destroy(struct publishers *publishers);
uint64_t publishers_bytes(uint32_t publishers_max, uint32_t runs_max);

// Instances given here lie above `floor`: above all that an earlier process of this server
// gave, so that no instance of a lost history is taken for one of this. Thread: at rest.
void publishers_floor(struct publishers *p, uint64_t floor);

// PUBLISH_OPEN. instance 0: give the id a new instance, one above any before for that id (from 1),
// last 0. Else: the instance in force continues. *number: entry. Returns GODWIT_OK, GODWIT_FENCED
// (a higher instance is in force: entry is it), GODWIT_UNKNOWN_INSTANCE (above the one in force, or
// id unknown), GODWIT_LIMIT (table full). Thread: home.
unsigned int publishers_open(struct publishers *p, uint64_t id, uint64_t instance,
			     uint32_t *number);

struct publisher *publisher_at(struct publishers *p, uint32_t number);
uint32_t publishers_count(
	const struct publishers *p); // entries in use are 0 .. count - 1. Thread: any
uint32_t publishers_find(const struct publishers *p, uint64_t id); // PUBLISHER_NONE if unknown

// Judge numbers first .. first + count - 1 of {id, instance}. *number: the entry (set but for
// UNKNOWN of an unknown id, then PUBLISHER_NONE); *skip: how many of them are repeats
// (PUBLISH_NEXT). count >= 1. Thread: home.
enum publish_verdict publishers_judge(const struct publishers *p, uint64_t id, uint64_t instance,
				      uint64_t first, uint32_t count, uint32_t *number,
				      uint32_t *skip);

// Whether a run can be taken: false is BUSY.
bool publishers_room(const struct publishers *p);

// `count` numbers from last + 1 of entry `number` were appended at sequences first_seq .. . Extends
// the run before if it continues it in number and sequence, else takes a new one (publishers_room()
// was asked). Thread: home.
void publishers_appended(struct publishers *p, uint32_t number, uint64_t first_seq, uint32_t count);

// The commit is now `seq`: calls on_committed(arg, entry number) for each publisher whose
// `committed` moved (once each per call of this function is not promised). Runs partly below are
// counted in part. Thread: home.
void publishers_commit(struct publishers *p, uint64_t seq,
		       void (*on_committed)(void *arg, uint32_t number), void *arg);

// Runs that end at or below `seq` (<= the commit given to publishers_commit) leave for the base
// table, which is then as of `seq`, or, where a run lies across it, as of the sequence before that
// run. Thread: home.
void publishers_release(struct publishers *p, uint64_t seq);

// Undo all that was appended above `seq` (>= the sequence that the base is as of): the log is cut
// back there. `committed` is lowered with `last` where it stood above. Thread: home.
void publishers_cut_back(struct publishers *p, uint64_t seq);

// Copy the runs that touch sequences first .. last, clipped to them, in order; returns how many (<=
// max). Thread: home.
uint32_t publishers_runs(const struct publishers *p, uint64_t first, uint64_t last,
			 struct publisher_run *runs, uint32_t max);

// The base table entry of an id: instance and last number as of sequence *seq (one for the whole
// table). False if it has none. Thread: home.
bool publishers_base(const struct publishers *p, uint64_t id, uint64_t *instance, uint64_t *last,
		     uint64_t *seq);

// ---- of another server's table ------------------------------------------------------------------

struct publisher_state { // what a snapshot tells of one publisher
	uint64_t id;
	uint64_t instance; // highest one given
	uint64_t last; // number of its last message in that instance at or below the snapshot's sequence
};

// A run that came with its records, which are appended at its sequences just now; the runs of all
// sequences came in order. Makes the publisher known, and adopts a higher instance. A run that was
// clipped where the records before it were held already continues the one before. False: the table
// is full, or publishers_room() is false and the run continues no other; nothing changed. Thread: home.
bool publishers_append_foreign(struct publishers *p, const struct publisher_run *run);

// The instance of an id is at least `instance`: a META entry said so. A higher one begins at number 0.
// False: the table is full. Thread: home.
bool publishers_adopt(struct publishers *p, uint64_t id, uint64_t instance);

// The sequence that the base is as of: runs above it are all held. Thread: home.
uint64_t publishers_base_seq(const struct publishers *p);

// The state of every publisher as of `seq` (>= publishers_base_seq()) into `states` (room for
// publishers_count()); returns how many. Thread: home. Cost: all publishers, and the runs up to seq.
uint32_t publishers_copy(const struct publishers *p, uint64_t seq, struct publisher_state *states);

// Take over a whole table as of `seq`: it replaces all publishers, then the runs above `seq` are applied to
// it. No entry is in the stages' list. False: seq is below publishers_base_seq(), so that runs are
// missing, or the table is too small; what it then holds is for a later snapshot to replace. Thread: home. Cost: as publishers_copy.
bool publishers_load(struct publishers *p, uint64_t seq, const struct publisher_state *states,
		     uint32_t count);

// Forget everything: no publisher, no run, the base as of `seq`. Thread: home.
void publishers_reset(struct publishers *p, uint64_t seq);

#endif
