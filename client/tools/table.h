// SPDX-License-Identifier: BSD-3-Clause
//
// A table for a person: a heading, rows, columns as wide as their widest cell, numbers to the right.
// Cells are copied; a cell above TABLE_CELL_BYTES - 1 bytes is cut. Rows beyond what memory holds
// are left out. Owner: one thread.
#ifndef CLIENT_TOOLS_TABLE_H
#define CLIENT_TOOLS_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12
#define TABLE_CELL_BYTES  64

struct table {
	uint32_t columns;
	uint32_t count, room; // of cells, the heading among them
	uint32_t right;	      // bit n: column n is aligned to the right
	char (*cells)[TABLE_CELL_BYTES];
};

// headings: one for each column, ended by NULL; one that begins with '>' is of a column of numbers.
void table_init(struct table *table, const char *const *headings);
void table_fini(struct table *table);

// Cells fill rows from left to right.
void table_add(struct table *table, const char *cell);

// Rows under the heading.
uint32_t table_rows(const struct table *table);
void table_print(const struct table *table, FILE *file);

#endif
