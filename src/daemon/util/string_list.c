#include "daemon/util/string_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void string_list_free(char **list) {
	for (char **p = list; p && *p; p++) {
		free(*p);
	}
	free(list);
}

int string_list_split(const char *text, char ***ret) {
	size_t n = 0;
	char **list = calloc(strlen(text) / 2 + 2, sizeof(*list));
	if (!list) {
		return -ENOMEM;
	}
	for (const char *p = text; *(p += strspn(p, " \t")) != '\0';) {
		size_t length = strcspn(p, " \t");
		list[n] = strndup(p, length);
		if (!list[n++]) {
			string_list_free(list);
			return -ENOMEM;
		}
		p += length;
	}
	*ret = list;
	return 0;
}

int string_list_copy(char *const *list, char ***ret) {
	size_t n = 0;
	while (list && list[n]) {
		n++;
	}
	char **copy = calloc(n + 1, sizeof(*copy));
	if (!copy) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(list[i]);
		if (!copy[i]) {
			string_list_free(copy);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return 0;
}

bool string_list_contains(char *const *list, const char *string) {
	for (char *const *p = list; p && *p; p++) {
		if (strcmp(*p, string) == 0) {
			return true;
		}
	}
	return false;
}
