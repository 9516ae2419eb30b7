#include "common/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void clean(char *text) {
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || c == 0x7f) {
			*text = '?';
		}
	}
}

int table_add(struct table *table, const char *text, const char *color) {
	if (table->used == table->allocated) {
		size_t more = table->allocated ? 2 * table->allocated : 128;
		struct table_cell *cells = reallocarray(table->cells, more, sizeof(*cells));
		if (!cells) {
			return -ENOMEM;
		}
		table->cells = cells;
		table->allocated = more;
	}
	char *copy = strdup(text && *text ? text : "-");
	if (!copy) {
		return -ENOMEM;
	}
	clean(copy);
	table->cells[table->used++] = (struct table_cell){copy, color};
	return 0;
}

/* Columns on the screen: bytes that do not continue a UTF-8 character. */
static size_t width(const char *text) {
	size_t n = 0;
	for (; *text; text++) {
		n += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return n;
}

static size_t column_width(const struct table *table, size_t column) {
	size_t widest = 0;
	for (size_t i = column; i < table->used; i += table->columns) {
		size_t w = width(table->cells[i].text);
		widest = w > widest ? w : widest;
	}
	return widest;
}

void table_print(const struct table *table, bool color) {
	for (size_t i = 0; i < table->used; i++) {
		const struct table_cell *cell = &table->cells[i];
		size_t column = i % table->columns;
		bool painted = color && cell->color;
		printf("%s%s%s%s%s", painted ? "\033[" : "", painted ? cell->color : "",
			painted ? "m" : "", cell->text, painted ? "\033[0m" : "");
		if (column + 1 == table->columns || i + 1 == table->used) {
			putchar('\n');
			continue;
		}
		size_t pad = column_width(table, column) - width(cell->text) + 2;
		printf("%*s", (int)pad, "");
	}
}

void table_finish(struct table *table) {
	for (size_t i = 0; i < table->used; i++) {
		free(table->cells[i].text);
	}
	free(table->cells);
	*table = TABLE_INIT(table->columns);
}

void table_print_clean(const char *text) {
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		putchar(c < 0x20 || c == 0x7f ? '?' : c);
	}
}
