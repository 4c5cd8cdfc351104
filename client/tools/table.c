// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/table.h"

#include <stdlib.h>
#include <string.h>

void table_add(struct table *table, const char *cell)
{
	if (table->count == table->room) {
		uint32_t room = table->room != 0 ? table->room * 2 : 64;
		char(*cells)[TABLE_CELL_BYTES] = realloc(table->cells, room * sizeof(*cells));

		if (cells == NULL)
			return;
		table->cells = cells;
		table->room = room;
	}
	snprintf(table->cells[table->count++], TABLE_CELL_BYTES, "%s", cell);
}

void table_init(struct table *table, const char *const *headings)
{
	*table = (struct table){.columns = 0};
	for (; *headings != NULL && table->columns < TABLE_COLUMNS_MAX; headings++) {
		if (**headings == '>')
			table->right |= 1u << table->columns;
		table->columns++;
		table_add(table, *headings + (**headings == '>'));
	}
}

void table_fini(struct table *table)
{
	free(table->cells);
	table->cells = NULL;
	table->count = 0;
	table->room = 0;
}

uint32_t table_rows(const struct table *table)
{
	return table->columns != 0 && table->count > 0 ? table->count / table->columns - 1 : 0;
}

void table_print(const struct table *table, FILE *file)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};
	uint32_t cells = table->columns != 0 ? table->count - table->count % table->columns : 0;

	for (uint32_t i = 0; i < cells; i++) {
		size_t length = strlen(table->cells[i]);

		if (length > widths[i % table->columns])
			widths[i % table->columns] = length;
	}
	for (uint32_t i = 0; i < cells; i++) {
		uint32_t column = i % table->columns;
		bool is_last = column + 1 == table->columns;

		if (table->right & 1u << column)
			fprintf(file, "%*s", (int)widths[column], table->cells[i]);
		else if (is_last)
			fputs(table->cells[i], file);
		else
			fprintf(file, "%-*s", (int)widths[column], table->cells[i]);
		fputs(is_last ? "\n" : "  ", file);
	}
}
