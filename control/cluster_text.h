// SPDX-License-Identifier: BSD-3-Clause
//
// The text form of a stream's record, as the static backend keeps it in a file:
//
//   godwit-stream-record 1
//   cluster lab
//   stream trades
//   revision 7
//   session 9f3c5a1e77d01b24
//   epoch 3
//   primary 1
//   min_in_sync 2
//   in_sync 1 1764264960123456789
//   in_sync 2 1764264961000000000
//   checksum 55e0c1b2a4d39f07
//
// A text that is not byte for byte what writing its record would give is damaged: nothing is guessed.
// Pure functions, any thread.
#ifndef CONTROL_CLUSTER_TEXT_H
#define CONTROL_CLUSTER_TEXT_H

#include <stddef.h>

#include "control/cluster.h"

#define CLUSTER_TEXT_BYTES	1280 // room for any record's text
#define CLUSTER_FILE_NAME_BYTES 72   // room for any stream's file name

// Write the text of a record of at most CLUSTER_SERVERS_MAX in sync. Returns its bytes, without a zero.
size_t cluster_text_write(const char *cluster, const char *stream,
			  const struct cluster_record *record, char text[CLUSTER_TEXT_BYTES]);

// Read a text. CLUSTER_DONE, or CLUSTER_DAMAGED or CLUSTER_FOREIGN with `why` (CLUSTER_WHY_BYTES).
enum cluster_answer cluster_text_read(const char *cluster, const char *stream, const char *text,
				      size_t bytes, struct cluster_record *record, char *why);

// The name of a stream's file: its own with + for / and ".stream" behind it.
void cluster_file_name(const char *stream, char name[CLUSTER_FILE_NAME_BYTES]);

#endif
