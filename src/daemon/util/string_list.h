/* Lists of strings, NULL-terminated; an empty one may be NULL. */
#ifndef SCANOUTD_STRING_LIST_H
#define SCANOUTD_STRING_LIST_H

#include <stdbool.h>

/* What white space separates in `text`. Returns 0 or -ENOMEM. */
int string_list_split(const char *text, char ***ret);
/* A deep copy. Returns 0 or -ENOMEM. */
int string_list_copy(char *const *list, char ***ret);
bool string_list_contains(char *const *list, const char *string);
void string_list_free(char **list);

#endif
