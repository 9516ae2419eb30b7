/* An aligned table on stdout. Collects all cells, row by row, before it prints. */
#ifndef SCANOUT_TABLE_H
#define SCANOUT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct table_cell {
	char *text;
	const char *color; // an SGR code, or NULL
};

struct table {
	size_t columns;
	size_t used, allocated;
	struct table_cell *cells;
};

#define TABLE_INIT(n) ((struct table){.columns = (n)})
#define AUTO_TABLE __attribute__((cleanup(table_finish)))

/* Appends a cell, a copy of the text with "-" for "" and no control characters; -ENOMEM. */
int table_add(struct table *table, const char *text, const char *color);

/* Prints all rows; columns are two spaces apart, lines do not end in spaces. */
void table_print(const struct table *table, bool color);

void table_finish(struct table *table);

/* Prints foreign text to a terminal, without its control characters. */
void table_print_clean(const char *text);

#endif
